import { SKIPS_PER_TURN } from './constants.ts'

/** Items in lower-case hex (64 digits) whose text begins with a prefix, ascending. */
export interface ItemSource {
  /**
   * The items of a range. `''` is all of them. Undefined is no item: SKIPS_PER_TURN others were passed over, and the
   * reader should give way.
   */
  items(prefix: string): Iterable<string | undefined>
  /** True for an item of the set that is compared. */
  includes(item: string): boolean
  /** True for items that need not be fetched, in the set that is compared or not. */
  has(item: string): boolean
}

// Three digits: 4,096 buckets keep the arrays short at 10⁵ items, so that an insertion moves little.
const BUCKET_DIGITS = 3
const BUCKETS = 16 ** BUCKET_DIGITS

export interface ItemIndexOptions {
  /** The time that the number of an item stands for; by default the number itself. */
  readonly timeOf?: (mark: number) => number
}

/** The items that begin alike, sorted, and their numbers. */
interface Bucket {
  readonly items: string[]
  readonly marks: number[]
}

/** Copied as a block: to make 4,096 places one by one takes longer than to fill a small set. */
const NO_BUCKETS: readonly (Bucket | undefined)[] = Array.from({ length: BUCKETS })

/**
 * A sorted set of items, each with a number (a time, or what leads to one). Adding, removing and testing take about constant
 * time for evenly spread items, iteration is in order at any time: nothing is ever sorted as a whole. No map beside it: one of
 * a hundred thousand doubles at once, when nobody reckons with it.
 */
export class ItemIndex implements ItemSource {
  /** Made with their first item: most sets are small. */
  readonly #buckets = NO_BUCKETS.slice()
  readonly #timeOf: (mark: number) => number
  #size = 0

  constructor(options: ItemIndexOptions = {}) {
    this.#timeOf = options.timeOf ?? ((mark) => mark)
  }

  get size(): number {
    return this.#size
  }

  has(item: string): boolean {
    return this.mark(item) !== undefined
  }

  includes(item: string): boolean {
    return this.has(item)
  }

  mark(item: string): number | undefined {
    const bucket = this.#buckets[bucketOf(item)]
    if (bucket === undefined) return undefined
    const at = position(bucket.items, item)
    return bucket.items[at] === item ? bucket.marks[at] : undefined
  }

  /** Adds the item or changes its number. */
  set(item: string, mark: number): void {
    const bucket = (this.#buckets[bucketOf(item)] ??= { items: [], marks: [] })
    const at = position(bucket.items, item)
    if (bucket.items[at] === item) bucket.marks[at] = mark
    else {
      insert(bucket.items, at, item)
      insert(bucket.marks, at, mark)
      this.#size++
    }
  }

  delete(item: string): boolean {
    const bucket = this.#buckets[bucketOf(item)]
    if (bucket === undefined) return false
    const at = position(bucket.items, item)
    if (bucket.items[at] !== item) return false
    bucket.items.splice(at, 1)
    bucket.marks.splice(at, 1)
    this.#size--
    return true
  }

  *items(prefix: string): Generator<string> {
    const first = Number.parseInt(prefix.slice(0, BUCKET_DIGITS).padEnd(BUCKET_DIGITS, '0'), 16)
    const span = 16 ** Math.max(0, BUCKET_DIGITS - prefix.length)
    for (let number = first; number < first + span; number++) {
      const items = this.#buckets[number]?.items
      if (items === undefined) continue
      const start = prefix.length > BUCKET_DIGITS ? position(items, prefix) : 0
      for (let at = start; at < items.length; at++) {
        const item = items[at] ?? ''
        if (!item.startsWith(prefix)) return
        yield item
      }
    }
  }

  /** The items with a time from `from` to `to`, inclusive; `has` still knows all of them. */
  window(from: number, to: number): ItemSource {
    const inside = (item: string) => {
      const mark = this.mark(item)
      const time = mark === undefined ? Number.NaN : this.#timeOf(mark)
      return time >= from && time <= to
    }
    const items = (prefix: string) => filtered(this.items(prefix), inside)
    return { items, has: (item) => this.has(item), includes: inside }
  }
}

const DIGIT_0 = 0x30
const LETTER_A = 0x61

function bucketOf(item: string): number {
  let number = 0
  for (let at = 0; at < BUCKET_DIGITS; at++) number = number * 16 + digitAt(item, at)
  return number
}

function digitAt(item: string, at: number): number {
  const code = item.charCodeAt(at)
  return code < LETTER_A ? code - DIGIT_0 : code - LETTER_A + 10
}

function* filtered(
  items: Iterable<string>,
  keep: (item: string) => boolean,
): Generator<string | undefined> {
  let skipped = 0
  for (const item of items) {
    if (keep(item)) yield item
    // A peer names the window: one that holds nothing must not be searched in one go.
    else if (++skipped % SKIPS_PER_TURN === 0) yield undefined
  }
}

/** By hand: `splice` makes an array of what it has removed, each time. */
function insert<T>(entries: T[], place: number, entry: T): void {
  entries.push(entry)
  for (let at = entries.length - 1; at > place; at--) entries[at] = entries[at - 1] ?? entry
  entries[place] = entry
}

/** Index of the first entry that is not below `item`. */
function position(bucket: readonly string[], item: string): number {
  let low = 0
  let high = bucket.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((bucket[middle] ?? '') < item) low = middle + 1
    else high = middle
  }
  return low
}
