import { readFileSync } from 'node:fs'

/** `sysconf(_SC_CLK_TCK)` on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/**
 * How much of the processors others used while a run went on: a start that is late because of them says nothing about
 * the daemon. Linux only; elsewhere nothing is known and nobody is blamed.
 */
export class Machine {
  readonly #pids: () => readonly number[]
  #before: Usage | undefined
  readonly #ended = new Map<number, number>()

  /** `pids`: the daemons of this moment. */
  constructor(ports: { pids: () => readonly number[] }) {
    this.#pids = ports.pids
  }

  start(): void {
    this.#before = this.#usage()
  }

  /** To be called now and then: what a process used is known only while it lives. */
  look(): void {
    for (const pid of this.#pids()) {
      const used = processTicks(pid)
      if (used !== undefined) this.#ended.set(pid, used)
    }
  }

  /** Share of all processor time since the start that went to other programs, 0 to 1. */
  get others(): number {
    const before = this.#before
    const now = this.#usage()
    if (before === undefined || now === undefined || now.total === before.total) return 0
    const busy = now.busy - before.busy
    return Math.max(0, busy - (now.own - before.own)) / (now.total - before.total)
  }

  #usage(): Usage | undefined {
    if (process.platform !== 'linux') return undefined
    this.look()
    const [, ...fields] = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '').split(/\s+/)
    const ticks = fields.slice(0, 8).map(Number)
    const total = ticks.reduce((sum, each) => sum + each, 0)
    // Idle and waiting for a disk.
    const busy = total - (ticks[3] ?? 0) - (ticks[4] ?? 0)
    const { user, system } = process.cpuUsage()
    const ours = ((user + system) / 1e6) * TICKS_PER_SECOND
    const daemons = [...this.#ended.values()].reduce((sum, each) => sum + each, 0)
    return { total, busy, own: ours + daemons }
  }
}

interface Usage {
  readonly total: number
  readonly busy: number
  readonly own: number
}

/** User and system time of a living process; undefined when it has ended. */
function processTicks(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // proc(5): fields 14 and 15; what follows the name begins with field 3.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return Number(fields[11]) + Number(fields[12])
  } catch {
    return undefined
  }
}
