import type { Load } from './load.ts'
import type { Recorder } from './history.ts'

export interface ClimbPorts {
  readonly recorder: Recorder
  readonly load: Pick<Load, 'rate'>
  /** Milliseconds that never go back. */
  readonly now: () => number
  readonly sleep: (ms: number) => Promise<void>
  readonly progress: (text: string) => void
}

export interface ClimbOptions {
  /** The first rate, messages a second; also the one at which sending goes on when not even it is carried. */
  readonly from: number
  readonly to: number
}

const FACTOR = 2
const STEP_MS = 5_000
/** The beginning of a step shows what was sent before it. */
const LOOK_MS = 3_000
/** Share of a rate that must be accepted, and must arrive, while it lasts. */
const CARRIED = 0.85
/** After the climb as many messages are still on their way as are sent in this time. */
const CALM_MS = 4_000
const CALM_TIMEOUT_MS = 15_000
const POLL_MS = 250

/**
 * Raises the rate step by step until fewer messages are accepted, or arrive, than are sent, and goes back to the last
 * rate that was carried. Resolves to it, in messages a second, when what the last step piled up is gone; to 0 when not
 * even the first rate was carried.
 */
export async function climb(ports: ClimbPorts, { from, to }: ClimbOptions): Promise<number> {
  const { recorder, load, now, sleep, progress } = ports
  let carried = 0
  for (let rate = from; rate <= to; rate *= FACTOR) {
    progress(`how much the network carries: ${rate.toFixed(0)} messages a second`)
    load.rate = rate
    await sleep(STEP_MS)
    if (!isCarried(recorder, rate, now())) break
    carried = rate
  }
  load.rate = Math.max(from, carried)
  const deadline = now() + CALM_TIMEOUT_MS
  while (recorder.open.length > (load.rate * CALM_MS) / 1_000 && now() < deadline) {
    await sleep(POLL_MS)
  }
  return carried
}

function isCarried({ sends, events }: Recorder, rate: number, at: number): boolean {
  const since = at - LOOK_MS
  const accepted = sends.filter(({ acceptedAt }) => (acceptedAt ?? 0) >= since).length
  const arrived = events.filter((event) => event.type === 'message.received' && event.at >= since)
  const least = (CARRIED * rate * LOOK_MS) / 1_000
  return accepted >= least && arrived.length >= least
}
