/** Sequence numbers from `first` to `last`, both included. */
export type SeqRange = readonly [first: number, last: number]

/**
 * A set of sequence numbers as disjoint, ascending ranges: a hole costs one entry however wide it is, so a
 * hostile writer who skips 2⁵⁰ numbers gains nothing.
 */
export class SeqRanges {
  #ranges: SeqRange[]

  constructor(ranges: readonly SeqRange[] = []) {
    this.#ranges = [...ranges]
  }

  get size(): number {
    return this.#ranges.length
  }

  list(): readonly SeqRange[] {
    return this.#ranges
  }

  has(seq: number): boolean {
    return this.#ranges.some(([first, last]) => first <= seq && seq <= last)
  }

  /** Whether `remove` of this number leaves two ranges of one. */
  splits(seq: number): boolean {
    return this.#ranges.some(([first, last]) => first < seq && seq < last)
  }

  /** Adds a range that lies above all others. */
  append(first: number, last: number): void {
    this.#ranges.push([first, last])
  }

  remove(seq: number): void {
    this.#ranges = this.#ranges.flatMap(([first, last]): SeqRange[] => {
      if (seq < first || seq > last) return [[first, last]]
      const parts: SeqRange[] = []
      if (first < seq) parts.push([first, seq - 1])
      if (seq < last) parts.push([seq + 1, last])
      return parts
    })
  }
}
