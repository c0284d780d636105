import { type Address, asAddress, compareBytes, toHex } from '../base/index.ts'
import type { ItemSource } from '../reconcile/index.ts'
import { type BoxEntry, itemOf } from './box-entry.ts'

const ITEM_BYTES = 32
const ADDRESS_BYTES = 32
/** item 32 | address 32 | slot 1. */
const ROW_BYTES = ITEM_BYTES + ADDRESS_BYTES + 1
const CHUNK_ROWS = 512
/** Two digits: an insertion moves 1.5 KB at 10⁵ boxes. */
const BUCKET_DIGITS = 2
const BUCKETS = 16 ** BUCKET_DIGITS

/**
 * The boxes of an expiry day that this node and a neighbour both keep, in the order of their items: `ROW_BYTES` and a number
 * each. A day of a small network is a hundred thousand of them; as objects they were 450 bytes each, in each of
 * `MAX_SHARED_SETS` sets. Rows stay where they are put, in chunks of one size: arrays that grow leave holes behind that nothing
 * else fits in.
 */
export class SharedSet implements ItemSource {
  readonly #chunks: Uint8Array[] = []
  /** By the first digits of the item: numbers of rows, sorted by item. */
  readonly #buckets: (number[] | undefined)[] = Array.from({ length: BUCKETS })
  #rows = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  /** A box that is here already is not added again. */
  add(entry: BoxEntry): void {
    const item = bytesOf(itemOf(entry))
    const bucket = (this.#buckets[bucketOf(item)] ??= [])
    const at = this.#position(bucket, item)
    if (this.#isAt(bucket, at, item)) return
    const number = this.#rows++
    if (number % CHUNK_ROWS === 0) this.#chunks.push(new Uint8Array(CHUNK_ROWS * ROW_BYTES))
    const row = this.#row(number)
    row.set(item)
    row.set(entry.address, ITEM_BYTES)
    row[ITEM_BYTES + ADDRESS_BYTES] = entry.slot
    bucket.splice(at, 0, number)
    this.#size++
  }

  /** Its row stays unused: a set is not held for long. */
  delete(item: string): void {
    const key = bytesOf(item)
    const bucket = this.#buckets[bucketOf(key)]
    if (bucket === undefined) return
    const at = this.#position(bucket, key)
    if (!this.#isAt(bucket, at, key)) return
    bucket.splice(at, 1)
    this.#size--
  }

  /** Where the box of an item is stored. */
  place(item: string): { readonly address: Address; readonly slot: number } | undefined {
    const key = bytesOf(item)
    const bucket = this.#buckets[bucketOf(key)]
    if (bucket === undefined) return undefined
    const at = this.#position(bucket, key)
    if (!this.#isAt(bucket, at, key)) return undefined
    const row = this.#row(bucket[at] ?? 0)
    const address = asAddress(row.slice(ITEM_BYTES, ITEM_BYTES + ADDRESS_BYTES))
    return { address, slot: row[ITEM_BYTES + ADDRESS_BYTES] ?? 0 }
  }

  has(item: string): boolean {
    return this.place(item) !== undefined
  }

  includes(item: string): boolean {
    return this.has(item)
  }

  *items(prefix: string): Generator<string> {
    const from = bytesOf(prefix.padEnd(2 * ITEM_BYTES, '0'))
    const first = bucketOf(from)
    const span = 16 ** Math.max(0, BUCKET_DIGITS - prefix.length)
    for (const bucket of this.#buckets.slice(first, first + span)) {
      if (bucket === undefined) continue
      for (let at = this.#position(bucket, from); at < bucket.length; at++) {
        const item = toHex(this.#item(bucket, at))
        if (!item.startsWith(prefix)) return
        yield item
      }
    }
  }

  /** The first place in the bucket that is not before `item`. */
  #position(bucket: readonly number[], item: Uint8Array): number {
    let [low, high] = [0, bucket.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareBytes(this.#item(bucket, middle), item) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  #isAt(bucket: readonly number[], at: number, item: Uint8Array): boolean {
    return at < bucket.length && compareBytes(this.#item(bucket, at), item) === 0
  }

  #item(bucket: readonly number[], at: number): Uint8Array {
    return this.#row(bucket[at] ?? 0).subarray(0, ITEM_BYTES)
  }

  #row(number: number): Uint8Array {
    const at = (number % CHUNK_ROWS) * ROW_BYTES
    const chunk = this.#chunks[Math.floor(number / CHUNK_ROWS)] as Uint8Array
    return chunk.subarray(at, at + ROW_BYTES)
  }
}

function bytesOf(item: string): Uint8Array {
  return Buffer.from(item, 'hex')
}

function bucketOf(item: Uint8Array): number {
  return item[0] ?? 0
}
