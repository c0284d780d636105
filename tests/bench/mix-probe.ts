import { Session } from 'node:inspector/promises'
import { join } from 'node:path'

/** Longest time that the rule allows one task of the main loop. */
export const LONG_TASK_MS = 2

const TIMER_MS = 1

export interface ProbeReport {
  /** The longest that the loop ran between two looks, milliseconds: of all, and when nobody took the core. */
  readonly longestMs: number
  readonly longestOwnMs: number
  /** When nobody took the core: how often it ran for more than `LONG_TASK_MS`. */
  readonly long: number
  /** Share of the time that the loop was busy. */
  readonly busy: number
}

/**
 * Watches the event loop with a timer that is always due. Waiting for events does not count; involuntary switches
 * tell a long task from a process that lost its core meanwhile. Between two looks there may be several tasks: it is
 * an upper bound of the longest.
 */
export class LoopProbe {
  #timer: NodeJS.Timeout | undefined
  #longestMs = 0
  #longestOwnMs = 0
  #long = 0
  #begun = performance.eventLoopUtilization()

  start(): void {
    this.#longestMs = 0
    this.#longestOwnMs = 0
    this.#long = 0
    this.#begun = performance.eventLoopUtilization()
    let { active } = this.#begun
    let switches = involuntarySwitches()
    const look = () => {
      const [now, taken] = [performance.eventLoopUtilization().active, involuntarySwitches()]
      const ran = now - active
      this.#longestMs = Math.max(this.#longestMs, ran)
      if (taken === switches) {
        this.#longestOwnMs = Math.max(this.#longestOwnMs, ran)
        if (ran > LONG_TASK_MS) this.#long++
      }
      active = now
      switches = taken
      this.#timer = setTimeout(look, TIMER_MS)
    }
    look()
  }

  stop(): ProbeReport {
    clearTimeout(this.#timer)
    return {
      longestMs: this.#longestMs,
      longestOwnMs: this.#longestOwnMs,
      long: this.#long,
      busy: performance.eventLoopUtilization(this.#begun).utilization,
    }
  }
}

/** How often a thread of this process lost its core to another process, or to another thread. */
function involuntarySwitches(): number {
  return process.resourceUsage().involuntaryContextSwitches
}

export interface LongTask {
  readonly ms: number
  /** The function of ours, or else of a library, in which most of it was spent. */
  readonly in: string
}

interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string }
  readonly children?: readonly number[] | undefined
}

const SAMPLE_US = 200
/** What starts and stops the sampling. */
const PROFILER = 'post'
const OURS = join(import.meta.dirname, '../../src/')

/** Samples the stack, to say which task is the longest. Costs the loop some per cent while it runs. */
export class LoopProfile {
  readonly #session = new Session()

  async start(): Promise<void> {
    this.#session.connect()
    await this.#session.post('Profiler.enable')
    await this.#session.post('Profiler.setSamplingInterval', { interval: SAMPLE_US })
    await this.#session.post('Profiler.start')
  }

  /** The longest times without a pause of the loop, longest first, at most `count`. */
  async stop(count: number): Promise<LongTask[]> {
    const { profile } = await this.#session.post('Profiler.stop')
    this.#session.disconnect()
    const { nodes, samples = [], timeDeltas = [] } = profile
    const byId = new Map<number, ProfileNode>(nodes.map((node) => [node.id, node]))
    const parents = new Map(
      nodes.flatMap(({ id, children = [] }) =>
        children.map((child): [number, number] => [child, id]),
      ),
    )
    const tasks: LongTask[] = []
    let running = new Map<string, number>()
    const close = () => {
      const spent = [...running.entries()]
        .filter(([place]) => place !== PROFILER)
        .toSorted((a, b) => b[1] - a[1])
      const us = spent.reduce((sum, [, each]) => sum + each, 0)
      if (spent[0] !== undefined) tasks.push({ ms: us / 1000, in: spent[0][0] })
      running = new Map()
    }
    for (const [index, id] of samples.entries()) {
      const name = byId.get(id)?.callFrame.functionName
      if (name === '(idle)' || name === '(program)') close()
      else {
        const place = placeOf(id, byId, parents)
        running.set(place, (running.get(place) ?? 0) + (timeDeltas[index] ?? 0))
      }
    }
    close()
    return tasks.toSorted((a, b) => b.ms - a.ms).slice(0, count)
  }
}

/** The innermost function of ours on the stack; the innermost of all when there is none. */
function placeOf(
  id: number,
  byId: ReadonlyMap<number, ProfileNode>,
  parents: ReadonlyMap<number, number>,
): string {
  for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
    const { functionName, url } = byId.get(at)?.callFrame ?? { functionName: '', url: '' }
    const file = url.replace('file://', '')
    if (file.startsWith(OURS)) return `${functionName} ${file.slice(OURS.length)}`
  }
  return byId.get(id)?.callFrame.functionName ?? ''
}
