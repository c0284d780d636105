import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Clock } from '../src/base/index.ts'
import { systemCode } from './exit-codes.ts'

/**
 * One process, and no other that later got its number: a pid is used again after its process has ended,
 * so whoever signals must compare the time of its start too.
 */
export interface ProcessRef {
  readonly pid: number
  /** Opaque; equal only for the same process since the machine's last boot. */
  readonly startTime: string
}

const POLL_MS = 20

/** The start time of a living process; undefined when there is none or it has ended (zombies too). */
export function startTimeOf(pid: number): string | undefined {
  try {
    return process.platform === 'linux' ? linuxStartTime(pid) : psStartTime(pid)
  } catch {
    return undefined
  }
}

function linuxStartTime(pid: number): string | undefined {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The command name in parentheses may hold spaces and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // proc(5): the state is field 3, the start time field 22; `fields` begins with field 3.
  const state = fields[0]
  if (state === 'Z' || state === 'X') return undefined
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  return `${boot}:${fields[19]}`
}

function psStartTime(pid: number): string | undefined {
  // It is compared with what was written in another environment.
  const env = { ...process.env, TZ: 'UTC', LC_ALL: 'C' }
  const args = ['-o', 'stat=,lstart=', '-p', String(pid)]
  const text = execFileSync('ps', args, { encoding: 'utf8', env })
  const [state = '', ...start] = text.trim().split(/\s+/)
  return state === '' || state.startsWith('Z') ? undefined : start.join(' ')
}

/** A reference to a process that lives now; undefined when it does not. */
export function refOf(pid: number): ProcessRef | undefined {
  const startTime = startTimeOf(pid)
  return startTime === undefined ? undefined : { pid, startTime }
}

export function isAlive(ref: ProcessRef): boolean {
  return startTimeOf(ref.pid) === ref.startTime
}

/** Signals exactly this process. @returns false when it has ended; another process is never signalled. */
export function signalProcess(ref: ProcessRef, signal: NodeJS.Signals): boolean {
  if (!isAlive(ref)) return false
  try {
    process.kill(ref.pid, signal)
    return true
  } catch (error) {
    if (systemCode(error) === 'ESRCH') return false
    throw error
  }
}

/** Resolves to true when the process has ended, to false when it lives after `timeoutMs`. */
export async function waitGone(ref: ProcessRef, clock: Clock, timeoutMs: number): Promise<boolean> {
  const deadline = clock.monotonic() + timeoutMs
  while (isAlive(ref)) {
    if (clock.monotonic() >= deadline) return false
    await clock.sleep(POLL_MS)
  }
  return true
}

/** Asks the processes to end, and after `graceMs` makes those that are `forced`. Resolves when all have ended. */
export async function stopProcesses(
  refs: readonly ProcessRef[],
  clock: Clock,
  graceMs: number,
): Promise<{ readonly forced: readonly ProcessRef[] }> {
  // A paused process does not see SIGTERM before SIGCONT.
  for (const ref of refs) {
    signalProcess(ref, 'SIGTERM')
    signalProcess(ref, 'SIGCONT')
  }
  const gone = await Promise.all(refs.map((ref) => waitGone(ref, clock, graceMs)))
  const stubborn = refs.filter((_, index) => gone[index] === false)
  for (const ref of stubborn) signalProcess(ref, 'SIGKILL')
  await Promise.all(stubborn.map((ref) => waitGone(ref, clock, graceMs)))
  return { forced: stubborn }
}
