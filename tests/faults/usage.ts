import { readdirSync, readFileSync } from 'node:fs'
import { get } from 'node:http'
import { text } from 'node:stream/consumers'

export interface Usage {
  readonly rssMb: number
  /** Of it what the process has made itself: without the tables of its database that it has mapped. */
  readonly ownMb: number
  readonly descriptors: number
}

/** What a process holds now; undefined when it has ended. Linux only. */
export function usageOf(pid: number): Usage | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const megabytes = (name: string): number => {
      const [, kilobytes = '0'] = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status) ?? []
      return Number(kilobytes) / 1024
    }
    return {
      rssMb: megabytes('VmRSS'),
      ownMb: megabytes('RssAnon'),
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
    }
  } catch {
    return undefined
  }
}

/** How many timers a daemon has set, its own and those of its libraries, by `GET /metrics` on its socket. */
export async function timersOf(socketPath: string): Promise<number> {
  return timersIn(await fetchText(socketPath, '/metrics'))
}

/** @throws Error for metrics without the node's own timers. */
export function timersIn(metrics: string): number {
  const [, own] = /^hearsay_timers (\d+)$/m.exec(metrics) ?? []
  if (own === undefined) throw new Error('the metrics do not say how many timers there are')
  // Absent when the libraries have none that keeps the process alive.
  const [, others = '0'] = /^nodejs_active_resources\{type="Timeout"\} (\d+)$/m.exec(metrics) ?? []
  return Number(own) + Number(others)
}

function fetchText(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    // A connection of its own that ends with the answer: it must not count among what is open.
    get({ socketPath, path, agent: false }, (response) => resolve(text(response))).on(
      'error',
      reject,
    )
  })
}
