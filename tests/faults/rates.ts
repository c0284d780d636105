import type { SendRecord } from './history.ts'

/** Below it a fault has met an idle network. */
export interface Floor {
  /** Accepted messages a second, from the first fault to the last. */
  readonly minRate: number
  /** The nodes that may send all the while, where a fault refuses others on purpose; all when undefined. */
  readonly by?: readonly number[]
}

type Sent = Pick<SendRecord, 'from' | 'acceptedAt'>

/** Monotonic milliseconds. */
export interface Span {
  readonly from: number
  /** Not in it. */
  readonly to: number
}

/** Accepted messages a second of some nodes, or of all. */
export function rateBetween(
  sends: readonly Sent[],
  { from, to }: Span,
  by?: readonly number[],
): number {
  const within = sends.filter(
    (send) =>
      send.acceptedAt !== undefined &&
      send.acceptedAt >= from &&
      send.acceptedAt < to &&
      by?.includes(send.from) !== false,
  )
  return (1_000 * within.length) / Math.max(1, to - from)
}

/** What makes the run inconclusive, in words; empty when enough was accepted, or nothing had to be. */
export function fewInFaults(
  sends: readonly Sent[],
  span: Span,
  floor: Floor | undefined,
): string[] {
  if (floor === undefined) return []
  const { minRate, by } = floor
  const rate = rateBetween(sends, span, by)
  const whose = by === undefined ? '' : ` of the nodes ${by.join(', ')}`
  if (rate >= minRate) return []
  return [`${rate.toFixed(1)} messages a second${whose} in the faults, fewer than ${minRate}`]
}
