export type Entry = readonly [key: Uint8Array, value: Uint8Array]

/** Twice as many, and a run is halved: so few move when one comes in between. */
const RUN = 256

interface Place {
  readonly run: number
  readonly at: number
}

/** Entries by key, in runs that are short enough to insert into. */
export class SortedEntries {
  /** None is empty, unless it is the only one. */
  #runs: Entry[][] = [[]]

  /** Replaces everything by entries that are in order. */
  fill(entries: readonly Entry[]): void {
    this.#runs = [[]]
    if (entries.length === 0) return
    this.#runs.length = 0
    for (let at = 0; at < entries.length; at += RUN) this.#runs.push(entries.slice(at, at + RUN))
  }

  all(): Entry[] {
    return this.#runs.flat()
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const place = this.#lowerBound(key)
    return this.#hit(place, key)?.[1]
  }

  /** Keeps the arrays that it gets. */
  set(key: Uint8Array, value: Uint8Array): void {
    const place = this.#lowerBound(key)
    const run = this.#runs[place.run] as Entry[]
    const isKnown = this.#hit(place, key) !== undefined
    if (isKnown) run[place.at] = [key, value]
    else run.splice(place.at, 0, [key, value])
    if (run.length > 2 * RUN) this.#runs.splice(place.run + 1, 0, run.splice(RUN))
  }

  delete(key: Uint8Array): void {
    const place = this.#lowerBound(key)
    if (this.#hit(place, key) === undefined) return
    const run = this.#runs[place.run] as Entry[]
    run.splice(place.at, 1)
    if (run.length === 0 && this.#runs.length > 1) this.#runs.splice(place.run, 1)
  }

  /** What lies between two bounds, at most `limit` from the first on, or from the last on downwards. */
  between(
    from: Bound | undefined,
    to: Bound | undefined,
    { reverse, limit }: { readonly reverse: boolean; readonly limit: number },
  ): Entry[] {
    const low = from === undefined ? { run: 0, at: 0 } : this.#bound(from)
    const high = to === undefined ? { run: this.#runs.length, at: 0 } : this.#bound(to)
    const found: Entry[] = []
    const count = high.run - low.run
    for (let i = 0; i <= count && found.length < limit; i++) {
      const run = reverse ? high.run - i : low.run + i
      const start = run === low.run ? low.at : 0
      const part = this.#runs[run]?.slice(start, run === high.run ? high.at : undefined) ?? []
      if (reverse) part.reverse()
      for (const entry of part) {
        if (found.length >= limit) break
        found.push(entry)
      }
    }
    return found
  }

  #bound({ key, isAfter }: Bound): Place {
    const place = this.#lowerBound(key)
    return isAfter && this.#hit(place, key) !== undefined ? { ...place, at: place.at + 1 } : place
  }

  #hit({ run, at }: Place, key: Uint8Array): Entry | undefined {
    const entry = this.#runs[run]?.[at]
    return entry !== undefined && order(entry[0], key) === 0 ? entry : undefined
  }

  /** Where the key is or would be; behind the end of a run in place of before the next. */
  #lowerBound(key: Uint8Array): Place {
    let [low, high] = [0, this.#runs.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      const first = this.#runs[middle]?.[0]
      if (first !== undefined && order(first[0], key) > 0) high = middle
      else low = middle + 1
    }
    // The last run whose first key is not after it.
    const run = Math.max(0, low - 1)
    const entries = this.#runs[run] ?? []
    ;[low, high] = [0, entries.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      const entry = entries[middle]
      if (entry !== undefined && order(entry[0], key) < 0) low = middle + 1
      else high = middle
    }
    return { run, at: low }
  }
}

export interface Bound {
  readonly key: Uint8Array
  /** Of an entry with this very key: behind it. */
  readonly isAfter: boolean
}

/** As `compareBytes`. Keys differ early, and a call into the native one takes longer than that. */
function order(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
