import type { Verdict } from '../net/index.ts'

/**
 * Every outcome of a validation and what gossip does about it. Rejected is only what an honest, up-to-date
 * neighbour cannot have forwarded; where honest views can differ (clock, directory, what is known) it is
 * ignored, because a reject lowers the neighbour's score: our own clock may be the wrong one, and a machine that
 * wakes up finds messages of hours ago in its sockets.
 */
export const REASONS = {
  accepted: 'accept',
  'accepted-conflict': 'accept',
  'epoch-near': 'ignore',
  'epoch-far': 'ignore',
  'day-near': 'ignore',
  'day-far': 'ignore',
  known: 'ignore',
  'third-box': 'ignore',
  'not-courier': 'ignore',
  excluded: 'ignore',
  quota: 'ignore',
  equivocation: 'ignore',
  overloaded: 'ignore',
  'bad-size': 'reject',
  'bad-version': 'reject',
  'bad-counter': 'reject',
  'wrong-network': 'reject',
  'bad-box-version': 'reject',
  'bad-courier-signature': 'reject',
  'bad-box-signature': 'reject',
} as const satisfies Record<string, Verdict>

export type Reason = keyof typeof REASONS

/** Counts by reason since the start. Coarse: it names no courier, peer or box. */
export class GossipMetrics {
  readonly #counts = new Map<Reason, number>()

  count(reason: Reason): void {
    this.#counts.set(reason, this.of(reason) + 1)
  }

  of(reason: Reason): number {
    return this.#counts.get(reason) ?? 0
  }

  snapshot(): Partial<Record<Reason, number>> {
    return Object.fromEntries(this.#counts)
  }
}
