const BINS_PER_MEAN = 8

/** Density of a latency, from samples, by linear interpolation between bins. */
export class TimingKernel {
  /** Beyond it the density is 0, milliseconds: the longest sample. */
  readonly longest: number
  readonly #density: Float64Array
  readonly #later: Float64Array
  readonly #binMs: number

  /** `scaleMs`: the mean of one delay, which sets the width of the bins. */
  constructor(samples: Float64Array, scaleMs: number) {
    this.longest = samples.reduce((a, b) => Math.max(a, b), 0)
    this.#binMs = scaleMs / BINS_PER_MEAN
    const bins = Math.ceil(this.longest / this.#binMs) + 2
    this.#density = new Float64Array(bins)
    const share = 1 / (samples.length * this.#binMs)
    for (const sample of samples) {
      // A sample counts for the two bin edges beside it, by distance.
      const place = sample / this.#binMs
      const bin = Math.floor(place)
      this.#density[bin] = (this.#density[bin] as number) + share * (1 - (place - bin))
      this.#density[bin + 1] = (this.#density[bin + 1] as number) + share * (place - bin)
    }
    this.#later = new Float64Array(bins)
    for (let bin = bins - 2; bin >= 0; bin--) {
      const [here, next] = [this.#density[bin] as number, this.#density[bin + 1] as number]
      this.#later[bin] = (this.#later[bin + 1] as number) + ((here + next) / 2) * this.#binMs
    }
  }

  /** Per millisecond. */
  at(latency: number): number {
    return interpolate(this.#density, latency / this.#binMs, 0)
  }

  /** Probability of a longer latency. */
  after(latency: number): number {
    return Math.min(1, interpolate(this.#later, latency / this.#binMs, 1))
  }
}

function interpolate(table: Float64Array, place: number, before: number): number {
  if (place < 0) return before
  if (place >= table.length - 1) return 0
  const bin = Math.floor(place)
  const low = table[bin] as number
  return low + (place - bin) * ((table[bin + 1] as number) - low)
}
