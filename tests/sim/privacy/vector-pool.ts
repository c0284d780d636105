/**
 * Vectors of one length in one block of memory, by number. Float64 throughout: beliefs are sums and differences of
 * millions of small terms.
 */
export class VectorPool {
  readonly length: number
  /** All vectors; number `v` begins at `v * length`. Another array after the pool has grown. */
  data: Float64Array
  readonly #free: number[] = []
  #used = 0

  constructor(length: number, capacity = 64) {
    this.length = length
    this.data = new Float64Array(length * capacity)
  }

  /** A vector of undefined content. */
  allocate(): number {
    const reused = this.#free.pop()
    if (reused !== undefined) return reused
    if ((this.#used + 1) * this.length > this.data.length) {
      const data = new Float64Array(2 * this.data.length)
      data.set(this.data)
      this.data = data
    }
    return this.#used++
  }

  release(vector: number): void {
    this.#free.push(vector)
  }

  /** The same vectors under the same numbers, with more components, which are 0. This pool is not used again. */
  widened(length: number): VectorPool {
    const wide = new VectorPool(length, this.data.length / this.length)
    for (let vector = 0; vector < this.#used; vector++) {
      const from = vector * this.length
      wide.data.set(this.data.subarray(from, from + this.length), vector * length)
    }
    wide.#free.push(...this.#free)
    wide.#used = this.#used
    return wide
  }

  /** Sets one component of every vector to 0. */
  clearColumn(column: number): void {
    const end = this.#used * this.length
    for (let at = column; at < end; at += this.length) this.data[at] = 0
  }
}
