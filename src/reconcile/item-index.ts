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

/**
 * A sorted set of items, each with a number (a time, or what leads to one). Adding, removing and testing take about constant
 * time for evenly spread items, iteration is in order at any time: nothing is ever sorted as a whole.
 */
export class ItemIndex implements ItemSource {
  readonly #marks = new Map<string, number>()
  /** Made with their first item: most sets are small. */
  readonly #buckets: (string[] | undefined)[] = Array.from({ length: BUCKETS })
  readonly #timeOf: (mark: number) => number

  constructor(options: ItemIndexOptions = {}) {
    this.#timeOf = options.timeOf ?? ((mark) => mark)
  }

  get size(): number {
    return this.#marks.size
  }

  has(item: string): boolean {
    return this.#marks.has(item)
  }

  includes(item: string): boolean {
    return this.#marks.has(item)
  }

  mark(item: string): number | undefined {
    return this.#marks.get(item)
  }

  /** Adds the item or changes its number. */
  set(item: string, mark: number): void {
    const { size } = this.#marks
    this.#marks.set(item, mark)
    if (this.#marks.size > size) insert(this.#bucket(item), item)
  }

  delete(item: string): boolean {
    if (!this.#marks.delete(item)) return false
    const bucket = this.#bucket(item)
    bucket.splice(position(bucket, item), 1)
    return true
  }

  *items(prefix: string): Generator<string> {
    const first = Number.parseInt(prefix.slice(0, BUCKET_DIGITS).padEnd(BUCKET_DIGITS, '0'), 16)
    const span = 16 ** Math.max(0, BUCKET_DIGITS - prefix.length)
    for (let number = first; number < first + span; number++) {
      const bucket = this.#buckets[number]
      if (bucket === undefined) continue
      const start = prefix.length > BUCKET_DIGITS ? position(bucket, prefix) : 0
      for (let at = start; at < bucket.length; at++) {
        const item = bucket[at] ?? ''
        if (!item.startsWith(prefix)) return
        yield item
      }
    }
  }

  /** The items with a time from `from` to `to`, inclusive; `has` still knows all of them. */
  window(from: number, to: number): ItemSource {
    const inside = (item: string) => {
      const mark = this.#marks.get(item)
      const time = mark === undefined ? Number.NaN : this.#timeOf(mark)
      return time >= from && time <= to
    }
    const items = (prefix: string) => filtered(this.items(prefix), inside)
    return { items, has: (item) => this.has(item), includes: inside }
  }

  #bucket(item: string): string[] {
    let number = 0
    for (let at = 0; at < BUCKET_DIGITS; at++) number = number * 16 + digitAt(item, at)
    return (this.#buckets[number] ??= [])
  }
}

const DIGIT_0 = 0x30
const LETTER_A = 0x61

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

/** Puts an item where it belongs. By hand: `splice` makes an array of what it has removed, each time. */
function insert(bucket: string[], item: string): void {
  const place = position(bucket, item)
  bucket.push(item)
  for (let at = bucket.length - 1; at > place; at--) bucket[at] = bucket[at - 1] ?? item
  bucket[place] = item
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
