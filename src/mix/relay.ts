import { type Clock, isHearsayError, type Logger, type NodeId, type Timer } from '../base/index.ts'
import { type Geometry, type Unwrapped, unwrapPacket } from '../sphinx/index.ts'
import { DELAY_MEANS_MAX, RELAY_PENDING_MAX } from './constants.ts'
import type { MixCounts } from './counts.ts'
import type { MixFrame } from './frame.ts'
import type { KeyRing } from './key-ring.ts'
import type { ReplaySet } from './replay-set.ts'

export interface RelayPorts {
  readonly clock: Clock
  readonly log: Logger
  readonly keys: Pick<KeyRing, 'current'>
  readonly replays: Pick<ReplaySet, 'take'>
  readonly counts: MixCounts
  /** False for nodes that this network does not have. */
  readonly isKnown: (node: NodeId) => boolean
  /** Hands a frame to a neighbour; false when there is no link. */
  readonly deliver: (to: NodeId, frame: MixFrame) => boolean
  /** A request whose courier this node is, when its delay is over. */
  readonly arrive: (plaintext: Uint8Array) => void
}

/**
 * What a mix does: takes off a layer, remembers the packet, holds it for as long as its sender said, hands it on.
 * Whatever is wrong with a packet, it is dropped and counted, and nothing else happens.
 */
export class Relay {
  readonly #ports: RelayPorts
  readonly #geometry: Geometry
  readonly #longestMs: number
  readonly #timers = new Set<Timer>()
  #pending = 0
  #stopped = false

  constructor(ports: RelayPorts, options: { geometry: Geometry; mixDelayMs: number }) {
    this.#ports = ports
    this.#geometry = options.geometry
    this.#longestMs = Math.ceil(DELAY_MEANS_MAX * options.mixDelayMs)
  }

  /** Packets that are held. */
  get pending(): number {
    return this.#pending
  }

  /** A packet from a neighbour. Returns at once; never throws. */
  take(packet: Uint8Array): void {
    const { clock, counts, keys, replays } = this.#ports
    const arrivedAt = clock.monotonic()
    if (this.#stopped) return
    if (this.#pending >= RELAY_PENDING_MAX) return counts.count('overloaded')
    for (const { epoch, pair } of keys.current()) {
      const unwrapped = unwrapPacket(this.#geometry, pair, packet)
      if (unwrapped === undefined) continue
      // Before the tag: a delay that no honest sender draws must not even cost a place among the tags.
      if (unwrapped.delayMs > this.#longestMs) return counts.count('bad-delay')
      const { verdict, durable } = replays.take(epoch, unwrapped.replayTag, unwrapped.delayMs)
      if (durable === undefined) return counts.count(verdict === 'known' ? 'replay' : 'replay-full')
      this.#pending++
      durable.then(
        () => this.#hold(unwrapped, arrivedAt),
        (error: unknown) => this.#lost(error),
      )
      return
    }
    counts.count('malformed')
  }

  /** What is held is dropped: its senders see that no reply comes. */
  stop(): void {
    this.#stopped = true
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }

  /** The time that the disk took is part of the delay. */
  #hold(unwrapped: Unwrapped, arrivedAt: number): void {
    if (this.#stopped) return
    const { clock } = this.#ports
    const left = unwrapped.delayMs - (clock.monotonic() - arrivedAt)
    const timer = clock.setTimer(Math.max(0, left), () => {
      this.#timers.delete(timer)
      this.#pending--
      this.#release(unwrapped)
    })
    this.#timers.add(timer)
  }

  #release(unwrapped: Unwrapped): void {
    const { counts } = this.#ports
    switch (unwrapped.kind) {
      case 'forward':
        return this.#hand(unwrapped.next, { kind: 'packet', packet: unwrapped.packet }, 'relayed')
      case 'reply': {
        const { recipient, surbId, payload } = unwrapped
        return this.#hand(recipient, { kind: 'reply', surbId, payload }, 'delivered')
      }
      case 'arrive':
        // A payload that was touched on its way has no effect at all, not even a reply.
        if (unwrapped.plaintext === undefined) return counts.count('tagged')
        return this.#ports.arrive(unwrapped.plaintext)
    }
  }

  #hand(to: NodeId, frame: MixFrame, event: 'relayed' | 'delivered'): void {
    const { counts, deliver, isKnown } = this.#ports
    if (!isKnown(to)) return counts.count('misrouted')
    counts.count(deliver(to, frame) ? event : 'no-link')
  }

  #lost(error: unknown): void {
    this.#pending--
    this.#ports.counts.count('storage')
    if (!isHearsayError(error))
      this.#ports.log.error('a replay tag was not written', { code: 'bug' })
  }
}
