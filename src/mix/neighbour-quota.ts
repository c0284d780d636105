import { type Clock, type NodeId, toHex } from '../base/index.ts'
import { QUOTA_PEERS_MAX, QUOTA_SPARE, QUOTA_WINDOW_SLOTS } from './constants.ts'
import type { MixPlace } from './route.ts'

/** What a neighbour may hand over: a burst, and the rate at which it refills. */
export interface FrameAllowance {
  readonly burst: number
  readonly perSlot: number
}

/** Mean plus slack of a Poisson count: a factor, or three standard deviations. */
function bound(mean: number, slack: number | '3sigma'): number {
  return slack === '3sigma' ? mean + 3 * Math.sqrt(mean) : mean * slack
}

/**
 * What `peer` may hand to `self` under these layers. Everybody originates one packet a slot and draws its first mix
 * uniformly, so a mix of the first layer expects its share of it, and no other mix anything; a mix hands on its share
 * of all requests and replies besides. Counts vary as Poisson does. An allowance of one packet a slot at every mix
 * would let one node bring as many packets as the network has mixes.
 */
export function allowanceOf(
  peer: NodeId,
  self: NodeId,
  layers: readonly (readonly MixPlace[])[],
  options: { readonly nodes: number; readonly slack: number | '3sigma' },
): FrameAllowance {
  const has = (layer: readonly MixPlace[] | undefined, node: NodeId) =>
    layer?.some((mix) => Buffer.compare(mix.nodeId, node) === 0) === true
  // Without a view of the layers nothing is known of what is due.
  let shared = layers.length === 0 ? 2 : 0
  for (const [index, layer] of layers.entries()) {
    if (!has(layer, peer)) continue
    const isLast = index === layers.length - 1
    const next = isLast ? layers[0] : layers[index + 1]
    // From layer to layer go requests and replies, from the last to the first only replies begin.
    const packets = options.nodes * (isLast ? 1 : 2)
    if (has(next, self)) shared += packets / (layer.length * (next?.length ?? 1))
    // Replies to this node, and questions to it as a keeper.
    if (isLast) shared += 2
  }
  // What it originates: one packet a slot, spread over the first layer.
  if (has(layers[0], self)) shared += 1 / (layers[0]?.length ?? 1)
  const frames = bound(shared * QUOTA_WINDOW_SLOTS, options.slack)
  // A few more: routes of the set before, and clocks.
  const burst = Math.ceil(frames) + QUOTA_SPARE
  return { burst, perSlot: burst / QUOTA_WINDOW_SLOTS }
}

interface Bucket {
  readonly left: number
  readonly at: number
  readonly allowance: FrameAllowance
  /** Until when the allowance holds although less would be due. */
  readonly until: number
}

/**
 * Counts the frames of each neighbour against its allowance. One that shrinks does so after `lingerMs`: packets of
 * former routes are still under way. Bounded: the longest quiet neighbour is forgotten first.
 */
export class NeighbourQuota {
  readonly #clock: Clock
  readonly #slotMs: number
  readonly #lingerMs: number
  readonly #allowance: (peer: NodeId) => FrameAllowance
  readonly #buckets = new Map<string, Bucket>()

  constructor(
    ports: { clock: Clock; allowance: (peer: NodeId) => FrameAllowance },
    options: { slotMs: number; lingerMs: number },
  ) {
    this.#clock = ports.clock
    this.#allowance = ports.allowance
    this.#slotMs = options.slotMs
    this.#lingerMs = options.lingerMs
  }

  /** Neighbours that are counted. */
  get size(): number {
    return this.#buckets.size
  }

  /** False when the neighbour has used up what it may send. */
  take(peer: NodeId): boolean {
    const key = toHex(peer)
    const now = this.#clock.monotonic()
    const last = this.#buckets.get(key)
    const { allowance, until } = this.#granted(this.#allowance(peer), last, now)
    const { burst, perSlot } = allowance
    const refilled = last && last.left + ((now - last.at) * perSlot) / this.#slotMs
    const left = Math.min(burst, refilled ?? burst)
    this.#buckets.delete(key)
    this.#buckets.set(key, { left: left >= 1 ? left - 1 : left, at: now, allowance, until })
    for (const oldest of this.#buckets.keys()) {
      if (this.#buckets.size <= QUOTA_PEERS_MAX) break
      this.#buckets.delete(oldest)
    }
    return left >= 1
  }

  #granted(due: FrameAllowance, last: Bucket | undefined, now: number) {
    const lingers = last !== undefined && now < last.until && last.allowance.perSlot > due.perSlot
    return lingers ? last : { allowance: due, until: now + this.#lingerMs }
  }
}
