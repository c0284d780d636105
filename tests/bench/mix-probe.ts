import { Session } from 'node:inspector/promises'
import { join } from 'node:path'

/** Longest time that the rule allows one task of the main loop. */
export const LONG_TASK_MS = 2

export interface ProbeReport {
  /** The longest that a timer had to wait for its turn, milliseconds of time and of CPU of this thread. */
  readonly longestMs: number
  readonly longestCpuMs: number
  /** Turns of the loop that took more than `LONG_TASK_MS` of CPU. */
  readonly long: number
  /** Share of the time that the loop was busy. */
  readonly busy: number
}

/**
 * Watches the event loop with a timer that is always due. CPU time tells a long task from a process that was not
 * given its core; a turn can hold several tasks, so it is an upper bound of the longest.
 */
export class LoopProbe {
  #timer: NodeJS.Timeout | undefined
  #longestMs = 0
  #longestCpuMs = 0
  #long = 0
  #utilization = performance.eventLoopUtilization()

  start(): void {
    this.#longestMs = 0
    this.#longestCpuMs = 0
    this.#long = 0
    this.#utilization = performance.eventLoopUtilization()
    let at = performance.now()
    let cpu = threadCpuMs()
    const look = () => {
      const [now, used] = [performance.now(), threadCpuMs()]
      this.#longestMs = Math.max(this.#longestMs, now - at)
      this.#longestCpuMs = Math.max(this.#longestCpuMs, used - cpu)
      if (used - cpu > LONG_TASK_MS) this.#long++
      at = now
      cpu = used
      this.#timer = setTimeout(look, 1)
    }
    look()
  }

  stop(): ProbeReport {
    clearTimeout(this.#timer)
    return {
      longestMs: this.#longestMs,
      longestCpuMs: this.#longestCpuMs,
      long: this.#long,
      busy: performance.eventLoopUtilization(this.#utilization).utilization,
    }
  }
}

function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

export interface LongTask {
  readonly ms: number
  /** The function of ours, or else of a library, in which most of it was spent. */
  readonly in: string
}

interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string }
  readonly children?: readonly number[]
}

const SAMPLE_US = 200
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
      const spent = [...running.entries()].toSorted((a, b) => b[1] - a[1])
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
