import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../../src/base/index.ts'
import { selfCommand } from '../../background.ts'
import { EXIT, ExitError } from '../../exit-codes.ts'
import { withTestnetLock } from '../lock.ts'
import { isAlive, type ProcessRef, refOf, stopProcesses } from '../../processes.ts'
import type { TestnetState } from '../state.ts'
import { readApplied, readWanted, relayFolder, writeWanted } from './files.ts'
import type { LinkTable } from './link-faults.ts'

/** How the relay of a testnet is, for `testnet status`. */
export interface RelayReport {
  readonly pid: number | null
  /** `none`: the nodes are connected directly. `down`: there should be one, and no node reaches another. */
  readonly state: 'running' | 'down' | 'none'
  readonly links: LinkTable
}

const START_TIMEOUT_MS = 15_000
const APPLY_TIMEOUT_MS = 5_000
const POLL_MS = 20

export function relayReport(dir: string, state: TestnetState): RelayReport {
  const { relay } = state
  if (relay === undefined) return { pid: null, state: 'none', links: {} }
  const alive = relay.process !== undefined && isAlive(relay.process)
  return {
    pid: alive ? (relay.process?.pid ?? null) : null,
    state: alive ? 'running' : 'down',
    links: readWanted(dir).links,
  }
}

/** Starts the relay in its own session. Resolves when it passes connections on. @throws ExitError 5. */
export async function startRelay(
  clock: Clock,
  dir: string,
  signal: AbortSignal,
): Promise<ProcessRef> {
  const log = openSync(join(relayFolder(dir), 'log'), 'a', 0o600)
  const { file, args } = selfCommand()
  const child = spawn(file, [...args, 'testnet', 'relay', '--dir', dir], {
    detached: true,
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  child.unref()
  child.on('error', () => {})
  const ref = child.pid === undefined ? undefined : refOf(child.pid)
  if (ref === undefined) throw new ExitError(EXIT.rpcError, 'cannot start the relay')
  const deadline = clock.monotonic() + START_TIMEOUT_MS
  try {
    while (readApplied(dir)?.pid !== ref.pid) {
      if (!isAlive(ref) || clock.monotonic() > deadline) {
        throw new ExitError(
          EXIT.notReady,
          'the relay between the nodes does not start',
          `its log is ${join(dir, 'relay', 'log')}`,
        )
      }
      await clock.sleep(POLL_MS, signal)
    }
  } catch (error) {
    await stopProcesses([ref], clock, APPLY_TIMEOUT_MS)
    throw error
  }
  return ref
}

/**
 * Changes the faults of a testnet's links. Resolves when the relay works by them. @throws ExitError 7 when the
 * testnet has no relay, 5 when the relay does not run.
 */
export async function changeFaults(
  clock: Clock,
  dir: string,
  state: TestnetState,
  change: (links: LinkTable) => LinkTable,
): Promise<LinkTable> {
  const { relay } = state
  if (relay === undefined) throw noRelay(dir)
  if (relay.process === undefined || !isAlive(relay.process)) throw relayDown()
  const { pid } = relay.process
  return withTestnetLock(relayFolder(dir), async () => {
    const before = readWanted(dir)
    const wanted = { revision: before.revision + 1, links: change(before.links) }
    writeWanted(dir, wanted)
    const deadline = clock.monotonic() + APPLY_TIMEOUT_MS
    for (;;) {
      const applied = readApplied(dir)
      if (applied?.pid === pid && applied.revision === wanted.revision) return wanted.links
      if (clock.monotonic() > deadline) throw relayDown()
      await clock.sleep(POLL_MS)
    }
  })
}

function noRelay(dir: string): ExitError {
  return process.platform === 'linux'
    ? new ExitError(
        EXIT.notFound,
        `the nodes of the testnet in ${dir} are connected directly`,
        'make it anew: hearsay testnet down --wipe, then hearsay testnet up',
      )
    : new ExitError(
        EXIT.notFound,
        'links between nodes can be disturbed on Linux only',
        'kill, pause and churn work here',
      )
}

function relayDown(): ExitError {
  return new ExitError(
    EXIT.notReady,
    'the relay between the nodes does not run',
    'start it again with: hearsay testnet up',
  )
}
