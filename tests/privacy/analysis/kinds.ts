import type { Cycles, Emission, Trace } from './trace.ts'

/**
 * Probability that the publishing slots are drawn uniformly in each cycle and independently of the cycle before:
 * the smaller of two tests, doubled.
 */
export function drawnFreshly(
  emissions: readonly (Emission & { readonly kind: string })[],
  options: Pick<Cycles, 'slotsPerEpoch' | 'publishEvery'> & { readonly nodes: number },
): number {
  const { nodes, publishEvery, slotsPerEpoch } = options
  const uniform = new Table(nodes, publishEvery)
  const serial = new Table(publishEvery, publishEvery)
  const last = new Map<number, { cycle: number; position: number }>()
  const published = emissions
    .filter(({ kind }) => kind === 'publish')
    .toSorted((a, b) => a.slot - b.slot)
  for (const { node, slot } of published) {
    const intoEpoch = slot % slotsPerEpoch
    const position = intoEpoch % publishEvery
    // The last cycle of an epoch is what is left of it.
    if (intoEpoch - position + publishEvery > slotsPerEpoch) continue
    const cycle = Math.floor(slot / slotsPerEpoch) * slotsPerEpoch + intoEpoch - position
    uniform.add(node, position)
    const before = last.get(node)
    if (before?.cycle === cycle - publishEvery) serial.add(before.position, position)
    last.set(node, { cycle, position })
  }
  return Math.min(1, 2 * Math.min(uniform.evenRows(), serial.evenRows()))
}

/** Counts by row and column. */
class Table {
  readonly #rows: number[][]

  constructor(rows: number, columns: number) {
    this.#rows = Array.from({ length: rows }, () => Array.from({ length: columns }, () => 0))
  }

  add(row: number, column: number): void {
    this.#rows[row]![column]!++
  }

  /** Pearson's chi-square test that in every row all columns are equally likely. */
  evenRows(): number {
    let square = 0
    let freedom = 0
    for (const row of this.#rows) {
      const total = row.reduce((sum, count) => sum + count, 0)
      if (total === 0) continue
      const expected = total / row.length
      square += row.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
      freedom += row.length - 1
    }
    return chiSquareTail(square, freedom)
  }
}

/** Probability of a chi-square value of at least `square`, by Wilson and Hilferty, from 3 degrees of freedom on. */
export function chiSquareTail(square: number, freedom: number): number {
  if (freedom < 1) return 1
  const spread = 2 / (9 * freedom)
  const z = (Math.cbrt(square / freedom) - (1 - spread)) / Math.sqrt(spread)
  return normalTail(z)
}

/** Upper tail of the standard normal distribution, to 1e-7 (Abramowitz and Stegun 26.2.17). */
export function normalTail(z: number): number {
  if (z < 0) return 1 - normalTail(-z)
  const t = 1 / (1 + 0.2316419 * z)
  const poly =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * poly
}

/** Frames that reached and that left each node. */
export function frameBalance(
  trace: Trace,
  options: { readonly nodes: number; readonly frameBytes: number },
): { readonly in: number[]; readonly out: number[] } {
  const balance = {
    in: Array.from({ length: options.nodes }, () => 0),
    out: Array.from({ length: options.nodes }, () => 0),
  }
  for (let i = 0; i < trace.at.length; i++) {
    if (trace.bytes[i] !== options.frameBytes) continue
    balance.out[trace.from[i]!]!++
    balance.in[trace.to[i]!]!++
  }
  return balance
}
