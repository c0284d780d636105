import { type Clock, equalBytes, type NodeId, type Rng, toHex } from '../base/index.ts'
import { type Geometry, useSurb } from '../sphinx/index.ts'
import { ASK_REF_BYTES, ASKS_MAX, COURIER_OPEN_MAX, REPLY_FLOOR_MS } from './constants.ts'
import type { MixCounts } from './counts.ts'
import { drawDelay } from './delay.ts'
import type { MixFrame } from './frame.ts'
import type { PublishPort } from './ports.ts'
import { decodeRequest, encodeReply } from './request.ts'

export interface CourierPorts {
  readonly clock: Clock
  readonly rng: Rng
  readonly counts: MixCounts
  readonly publish: PublishPort
  readonly isKnown: (node: NodeId) => boolean
  readonly deliver: (to: NodeId, frame: MixFrame) => boolean
  /** Runs work that ends with the mix. */
  readonly spawn: (name: string, task: (signal: AbortSignal) => Promise<void>) => void
}

interface Ask {
  readonly keeper: NodeId
  answer: Uint8Array | undefined
}

/**
 * The last mix of a request. It does what is asked, and whatever that was, and whether it could be done, exactly
 * one reply of one size goes out through the SURB after a time that does not depend on it.
 */
export class Courier {
  readonly #ports: CourierPorts
  readonly #geometry: Geometry
  readonly #mixDelayMs: number
  /** Questions to keepers under way, by their random name. */
  readonly #asks = new Map<string, Ask>()
  #open = 0

  constructor(ports: CourierPorts, options: { geometry: Geometry; mixDelayMs: number }) {
    this.#ports = ports
    this.#geometry = options.geometry
    this.#mixDelayMs = options.mixDelayMs
  }

  /** Requests whose reply is still to come. */
  get open(): number {
    return this.#open
  }

  /** `plaintext`: SURB | request, as it came out of a packet. Never throws. */
  arrive(plaintext: Uint8Array): void {
    const { surbBytes } = this.#geometry
    if (this.#open >= COURIER_OPEN_MAX) return this.#ports.counts.count('overloaded')
    this.#open++
    const surb = plaintext.slice(0, surbBytes)
    const request = decodeRequest(plaintext.slice(surbBytes))
    this.#ports.spawn('courier', async (signal) => {
      const { clock, rng } = this.#ports
      // Drawn before anything is done.
      const pause = REPLY_FLOOR_MS + drawDelay(rng, this.#mixDelayMs)
      const ref = request.kind === 'fetch' ? this.#ask(request.keeper, request.sealed) : undefined
      if (request.kind === 'publish') {
        this.#ports.spawn('publish', () => this.#publish(request.box))
      }
      try {
        await clock.sleep(pause, signal)
      } finally {
        this.#open--
        const ask = ref === undefined ? undefined : this.#asks.get(ref)
        if (ref !== undefined) this.#asks.delete(ref)
        if (!signal.aborted) this.#reply(surb, ask?.answer)
      }
    })
  }

  /** A keeper's answer: false unless it was asked, and only once. */
  answered(from: NodeId, ref: Uint8Array, sealed: Uint8Array): boolean {
    const ask = this.#asks.get(toHex(ref))
    if (ask === undefined || ask.answer !== undefined || !equalBytes(ask.keeper, from)) return false
    ask.answer = sealed.slice()
    return true
  }

  #ask(keeper: NodeId, sealed: Uint8Array): string | undefined {
    const { counts, deliver, isKnown, rng } = this.#ports
    if (!isKnown(keeper) || this.#asks.size >= ASKS_MAX) return undefined
    const ref = rng.bytes(ASK_REF_BYTES)
    if (!deliver(keeper, { kind: 'ask', ref, sealed })) {
      counts.count('no-link')
      return undefined
    }
    this.#asks.set(toHex(ref), { keeper: keeper.slice() as NodeId, answer: undefined })
    return toHex(ref)
  }

  async #publish(box: Parameters<PublishPort['publish']>[0]): Promise<void> {
    const { counts, publish } = this.#ports
    try {
      await publish.publish(box)
      counts.count('published')
    } catch {
      // A box that nobody takes is its writer's affair, and its writer is not known here.
      counts.count('not-published')
    }
  }

  #reply(surb: Uint8Array, answer: Uint8Array | undefined): void {
    const { counts, deliver, isKnown, rng } = this.#ports
    const { plaintextBytes } = this.#geometry
    try {
      const reply = encodeReply(rng, plaintextBytes, answer)
      const { firstHop, packet } = useSurb(this.#geometry, surb, reply)
      if (!isKnown(firstHop)) return counts.count('misrouted')
      counts.count(deliver(firstHop, { kind: 'packet', packet }) ? 'replied' : 'no-link')
    } catch {
      // A SURB of another form: whoever made it gets nothing back.
      counts.count('malformed')
    }
  }
}
