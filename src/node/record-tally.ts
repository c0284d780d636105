/** Records, and about their bytes on disk. */
export interface Amount {
  readonly records: number
  readonly bytes: number
}

export function exceeds(amount: Amount, limit: Amount): boolean {
  return amount.records > limit.records || amount.bytes > limit.bytes
}

/** How much there is of records of each age: says what has to go for the newest to fit, and holds none of them. */
export class RecordTally {
  /** By the minute in which they were made. */
  readonly #minutes = new Map<number, Amount>()
  #total: Amount = { records: 0, bytes: 0 }

  add(minute: number, bytes: number): void {
    const one = { records: 1, bytes }
    this.#minutes.set(minute, sum(this.#minutes.get(minute), one))
    this.#total = sum(this.#total, one)
  }

  get total(): Amount {
    return this.#total
  }

  /** The minute from which on all records together are within `limit`. Those of the newest minute are, whatever they are. */
  firstWithin(limit: Amount): number {
    const newestFirst = [...this.#minutes].toSorted(([a], [b]) => b - a)
    let first = newestFirst[0]?.[0] ?? 0
    let amount: Amount | undefined
    for (const [minute, more] of newestFirst) {
      amount = sum(amount, more)
      if (minute !== first && exceeds(amount, limit)) break
      first = minute
    }
    return first
  }
}

function sum(amount: Amount | undefined, more: Amount): Amount {
  const { records, bytes } = amount ?? { records: 0, bytes: 0 }
  return { records: records + more.records, bytes: bytes + more.bytes }
}
