import type { TopicScoring } from './ports.ts'
import type { PeerStats } from './gossipsub.ts'

/** Fewer messages in memory than this prove nothing. */
const MIN_OBSERVED = 20

/** Messages of one topic that this node accepted, forgotten at the same pace as the peers' counters. */
export class ObservedRate {
  readonly #memoryMs: number
  #count = 0
  #at = 0

  constructor(options: { memorySeconds: number }) {
    this.#memoryMs = options.memorySeconds * 1_000
  }

  add(nowMs: number): void {
    this.#count = this.value(nowMs) + 1
    this.#at = nowMs
  }

  value(nowMs: number): number {
    return this.#count * Math.exp(-(nowMs - this.#at) / this.#memoryMs)
  }
}

/**
 * The mesh peers of a topic that brought less than their share of what was to be heard. None when the
 * topic is too quiet to tell, or when there is nobody else to take the place (`subscribers` at or below
 * the mesh degree): then losing the peer would gain nothing.
 */
export function freeRiders(
  topic: string,
  stats: Readonly<Record<string, PeerStats>>,
  view: { observed: number; subscribers: number; meshDegree: number },
  scoring: TopicScoring,
): string[] {
  if (scoring.meshShare <= 0 || view.observed < MIN_OBSERVED) return []
  if (view.subscribers <= view.meshDegree) return []
  const demand = Math.min(view.observed * scoring.meshShare, scoring.meshShareCap)
  return Object.entries(stats)
    .filter(([, peer]) => {
      const counters = peer.topics[topic]
      return (
        peer.connected &&
        counters?.inMesh === true &&
        counters.meshMessageDeliveriesActive &&
        counters.meshMessageDeliveries < demand
      )
    })
    .map(([peerId]) => peerId)
}
