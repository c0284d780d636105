import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { EXIT, ExitError, reasonOf, systemCode } from '../exit-codes.ts'
import { isAlive, type ProcessRef } from '../processes.ts'
import { daemonProcess } from '../running.ts'
import type { Parameters } from './parameters.ts'

export const PRESETS = ['swift', 'lab', 'balanced', 'strong'] as const
export type Preset = (typeof PRESETS)[number]

/** What is kept about a testnet on disk, so that later commands find and stop its processes. */
export interface TestnetState {
  readonly version: 1
  readonly preset: Preset
  /** Values that replace those of the preset. */
  readonly parameters?: Parameters
  readonly seed: string
  readonly nodes: readonly NodeState[]
  /** Absent where the nodes are connected directly. */
  readonly relay?: { readonly process?: ProcessRef }
}

export interface NodeState {
  readonly index: number
  readonly home: string
  /** Path of the RPC socket. */
  readonly rpc: string
  /** Where the other nodes reach it. */
  readonly address: string
  /** Where it listens, when the relay has `address`. */
  readonly listen?: string
  readonly peerId: string
  /** Absent before the first start. */
  readonly process?: ProcessRef
}

const FILE = 'testnet.json'

/**
 * The state in `dir`, with the processes that the nodes have now; undefined when there is no testnet. @throws ExitError 10 for an
 * unreadable one.
 */
export function readState(dir: string): TestnetState | undefined {
  const file = join(dir, FILE)
  try {
    const state = JSON.parse(readFileSync(file, 'utf8')) as TestnetState
    if (state.version === 1 && Array.isArray(state.nodes)) {
      return { ...state, nodes: state.nodes.map(asItRuns) }
    }
    throw new Error('unknown version')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw new ExitError(
      EXIT.storage,
      `cannot use ${file}: ${reasonOf(error)}`,
      `remove ${dir}`,
      error,
    )
  }
}

/** A node that somebody has stopped and started by hand has another process than the testnet gave it. */
function asItRuns(node: NodeState): NodeState {
  if (node.process !== undefined && isAlive(node.process)) return node
  const process = daemonProcess({ root: node.home })
  return process === undefined ? node : { ...node, process }
}

/** @throws ExitError 7 when there is no testnet in `dir`. */
export function requireState(dir: string): TestnetState {
  const state = readState(dir)
  if (state !== undefined) return state
  throw new ExitError(EXIT.notFound, `no testnet in ${dir}`, 'start one with: hearsay testnet up')
}

/** Replaces the file in one step. */
export function writeState(dir: string, state: TestnetState): void {
  const file = join(dir, FILE)
  writeFileSync(`${file}.new`, `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

export function removeState(dir: string): void {
  rmSync(join(dir, FILE), { force: true })
}

/** @throws ExitError 7. */
export function requireNode(state: TestnetState, index: number): NodeState {
  const node = state.nodes[index]
  if (node !== undefined) return node
  throw new ExitError(EXIT.notFound, `no node ${index}`, `there are 0 to ${state.nodes.length - 1}`)
}
