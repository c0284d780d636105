/** A quantity of a process over time. */
export interface Sample {
  /** Hours. */
  readonly at: number
  readonly value: number
}

/** Growth per hour with the bounds between which the true one lies in 95 of 100 runs. */
export interface Slope {
  readonly perHour: number
  readonly low: number
  readonly high: number
}

/** What a slope says of a limit: undecided when the limit lies between its bounds, or there are too few samples. */
export function growth(slope: Slope | undefined, limit: number): 'grows' | 'flat' | 'undecided' {
  if (slope === undefined) return 'undecided'
  return slope.low > limit ? 'grows' : slope.high > limit ? 'undecided' : 'flat'
}

/** Neighbouring samples are alike; means of so many blocks hardly are. */
const BLOCKS = 15
/** Student's t at 97.5 % for `BLOCKS` minus 2 degrees of freedom. */
const T_975 = 2.16

/**
 * Least squares over the means of equal spans of time. Memory goes up and down with garbage collection, so single
 * samples would promise more certainty than there is. Undefined for fewer samples than two a block.
 */
export function slopeOf(samples: readonly Sample[]): Slope | undefined {
  if (samples.length < 2 * BLOCKS) return undefined
  const size = samples.length / BLOCKS
  const blocks = Array.from({ length: BLOCKS }, (_, i) => {
    const part = samples.slice(Math.floor(i * size), Math.floor((i + 1) * size))
    return { x: mean(part.map(({ at }) => at)), y: mean(part.map(({ value }) => value)) }
  })
  const [mx, my] = [mean(blocks.map(({ x }) => x)), mean(blocks.map(({ y }) => y))]
  const spread = blocks.reduce((sum, { x }) => sum + (x - mx) ** 2, 0)
  if (spread === 0) return undefined
  const perHour = blocks.reduce((sum, { x, y }) => sum + (x - mx) * (y - my), 0) / spread
  const squares = blocks.reduce((sum, { x, y }) => sum + (y - my - perHour * (x - mx)) ** 2, 0)
  const error = T_975 * Math.sqrt(squares / (BLOCKS - 2) / spread)
  return { perHour, low: perHour - error, high: perHour + error }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
