import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemCode } from '../../exit-codes.ts'
import type { LinkTable } from './link-faults.ts'

/** The faults that commands have asked for, and which version of them the relay works by. */
export interface WantedLinks {
  /** Grows with every change. */
  readonly revision: number
  readonly links: LinkTable
}

export interface AppliedLinks {
  readonly revision: number
  /** The relay that says so. */
  readonly pid: number
}

const WANTED = 'links.json'
const APPLIED = 'applied.json'

/** Where the relay of the testnet in `dir` keeps its files. */
export function relayFolder(dir: string): string {
  const folder = join(dir, 'relay')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}

export function readWanted(dir: string): WantedLinks {
  return read<WantedLinks>(join(relayFolder(dir), WANTED)) ?? { revision: 0, links: {} }
}

export function writeWanted(dir: string, wanted: WantedLinks): void {
  replace(join(relayFolder(dir), WANTED), wanted)
}

export function readApplied(dir: string): AppliedLinks | undefined {
  return read<AppliedLinks>(join(relayFolder(dir), APPLIED))
}

export function writeApplied(dir: string, applied: AppliedLinks): void {
  replace(join(relayFolder(dir), APPLIED), applied)
}

/** Changes whenever the wanted faults were written; undefined before the first time. */
export function wantedStamp(dir: string): string | undefined {
  const stat = statSync(join(dir, 'relay', WANTED), { throwIfNoEntry: false, bigint: true })
  return stat === undefined ? undefined : `${stat.mtimeNs}/${stat.ino}`
}

export function removeRelayFiles(dir: string): void {
  rmSync(join(dir, 'relay'), { recursive: true, force: true })
}

function read<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** In one step: a reader sees the old file or the new one. */
function replace(file: string, value: WantedLinks | AppliedLinks): void {
  writeFileSync(`${file}.new`, `${JSON.stringify(value)}\n`, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}
