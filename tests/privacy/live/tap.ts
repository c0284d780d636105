import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { toHex } from '../../../src/base/index.ts'
import type { Emission, RequestKind } from '../../../src/mix/index.ts'
import type { Net } from '../../../src/net/index.ts'
import { machineMs } from './machine-clock.ts'

export const TAP_FILE = 'tap.ndjson'

/** A line of the file. Peers are named by the first bytes of their node key, in hexadecimal. */
export type TapLine =
  | { readonly is: 'self'; readonly peer: string }
  | {
      readonly is: 'own'
      readonly slot: number
      readonly kind: RequestKind
      readonly to: string
      readonly dueAt: number
      readonly at: number
    }
  /** This node, as a courier, brought a box into gossip. */
  | { readonly is: 'publication'; readonly at: number }
  | {
      readonly is: 'second'
      readonly from: number
      readonly to: number
      /** Frames that were written to links in this time, by size. */
      readonly frames: Readonly<Record<string, number>>
      /** Longest time that a timer of the main loop was late, milliseconds. */
      readonly lateMs: number
    }

const FLUSH_MS = 1_000
const PEER_HEX = 16
/** Timers of the loop's monitor; what exceeds this is lateness. */
const RESOLUTION_MS = 5

/** Notes what a node does, from inside. Costs it one small write a second. */
export class Tap {
  readonly #file: string
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  readonly #timer: NodeJS.Timeout
  #lines: TapLine[] = []
  #frames: Record<string, number> = {}
  #from = machineMs()

  constructor(home: string) {
    this.#file = join(home, TAP_FILE)
    this.#delay.enable()
    this.#timer = setInterval(() => this.#flush(), FLUSH_MS)
    this.#timer.unref()
  }

  listen(net: Net): Net {
    this.#lines.push({ is: 'self', peer: peerOf(net.nodeId) })
    const { links, pubsub } = net
    const send = links.send.bind(links)
    links.send = (peer, protocol, frame) => {
      const hasLeft = send(peer, protocol, frame)
      if (hasLeft) this.#frames[frame.length] = (this.#frames[frame.length] ?? 0) + 1
      return hasLeft
    }
    const publish = pubsub.publish.bind(pubsub)
    pubsub.publish = (topic, message) => {
      if (topic.includes('/publications/')) this.#lines.push({ is: 'publication', at: machineMs() })
      return publish(topic, message)
    }
    return net
  }

  own({ slot, kind, to, dueAt, sentAt }: Emission): void {
    const offset = machineMs() - performance.now()
    this.#lines.push({
      is: 'own',
      slot,
      kind,
      to: peerOf(to),
      dueAt: dueAt + offset,
      at: sentAt + offset,
    })
  }

  close(): void {
    clearInterval(this.#timer)
    this.#flush()
  }

  #flush(): void {
    const to = machineMs()
    const lateMs = Math.max(0, this.#delay.max / 1e6 - RESOLUTION_MS)
    this.#lines.push({ is: 'second', from: this.#from, to, frames: this.#frames, lateMs })
    this.#delay.reset()
    this.#from = to
    this.#frames = {}
    const text = this.#lines.map((line) => `${JSON.stringify(line)}\n`).join('')
    this.#lines = []
    appendFileSync(this.#file, text, { mode: 0o600 })
  }
}

/** What a tap has written in `home`. */
export function readTap(home: string): TapLine[] {
  return readFileSync(join(home, TAP_FILE), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as TapLine)
}

function peerOf(nodeId: Uint8Array): string {
  return toHex(nodeId).slice(0, PEER_HEX)
}
