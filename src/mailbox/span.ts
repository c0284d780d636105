import { HearsayError } from '../base/index.ts'

/** Distances are two bytes: see `PlacementPort.distance`. */
export const DISTANCES = 65_536

/** Distances from one node, from the first to before the second. */
export interface Span {
  readonly from: number
  /** At most `DISTANCES`. */
  readonly to: number
}

export const ALL_DISTANCES: Span = { from: 0, to: DISTANCES }

/** @throws HearsayError `bad-value` for a span that is empty or reaches too far. */
export function checkSpan({ from, to }: Span): Span {
  if (from < to && to <= DISTANCES) return { from, to }
  throw new HearsayError('bad-value', 'not a span of distances')
}

/**
 * The same boxes by their distances from a second node, `between` from the first: XOR keeps blocks whole whose length is a
 * power of two and that begin at a multiple of it. At most 30 spans, in no order.
 */
export function seenFrom(span: Span, between: number): Span[] {
  const seen: Span[] = []
  for (let { from } = span; from < span.to; ) {
    let size = from === 0 ? DISTANCES : from & -from
    while (from + size > span.to) size /= 2
    const first = ((from ^ between) & ~(size - 1)) >>> 0
    seen.push({ from: first, to: first + size })
    from += size
  }
  return seen
}
