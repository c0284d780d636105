import { type Address, asAddress, compareBytes, concat, toHex } from '../base/index.ts'
import type { ItemSource } from '../reconcile/index.ts'
import { type BoxEntry, itemOf } from './box-entry.ts'

const ITEM_BYTES = 32
const ADDRESS_BYTES = 32
/** item 32 | address 32 | slot 1. */
const ROW_BYTES = ITEM_BYTES + ADDRESS_BYTES + 1
/** Rows for which a full bucket gets room. */
const ROOM_ROWS = 4
/** Three digits: 4,096 buckets keep an insertion short at 10⁵ boxes. */
const BUCKET_DIGITS = 3
const BUCKETS = 16 ** BUCKET_DIGITS

interface Bucket {
  bytes: Uint8Array
  rows: number
}

/**
 * The boxes of an expiry day that this node and a neighbour both keep, sorted by item: `ROW_BYTES` each. A day of a small
 * network is a hundred thousand of them; as objects they were 450 bytes each, in each of `MAX_SHARED_SETS` sets.
 */
export class SharedSet implements ItemSource {
  readonly #buckets: (Bucket | undefined)[] = Array.from({ length: BUCKETS })
  #size = 0

  get size(): number {
    return this.#size
  }

  /** A box that is here already is not added again. */
  add(entry: BoxEntry): void {
    const item = bytesOf(itemOf(entry))
    const number = bucketOf(item)
    const bucket = (this.#buckets[number] ??= { bytes: new Uint8Array(0), rows: 0 })
    const at = position(bucket, item)
    if (isAt(bucket, at, item)) return
    if (bucket.bytes.length === bucket.rows * ROW_BYTES) {
      bucket.bytes = concat(bucket.bytes, new Uint8Array(ROOM_ROWS * ROW_BYTES))
    }
    const { bytes } = bucket
    bytes.copyWithin((at + 1) * ROW_BYTES, at * ROW_BYTES, bucket.rows * ROW_BYTES)
    bytes.set(item, at * ROW_BYTES)
    bytes.set(entry.address, at * ROW_BYTES + ITEM_BYTES)
    bytes[at * ROW_BYTES + ITEM_BYTES + ADDRESS_BYTES] = entry.slot
    bucket.rows++
    this.#size++
  }

  /** Where the box of an item is stored. */
  place(item: string): { readonly address: Address; readonly slot: number } | undefined {
    const key = bytesOf(item)
    const bucket = this.#buckets[bucketOf(key)]
    if (bucket === undefined) return undefined
    const at = position(bucket, key)
    if (!isAt(bucket, at, key)) return undefined
    const row = bucket.bytes.slice(at * ROW_BYTES, (at + 1) * ROW_BYTES)
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
    for (let number = first; number < first + span; number++) {
      const bucket = this.#buckets[number]
      if (bucket === undefined) continue
      for (let at = position(bucket, from); at < bucket.rows; at++) {
        const item = toHex(itemAt(bucket, at))
        if (!item.startsWith(prefix)) return
        yield item
      }
    }
  }
}

function bytesOf(item: string): Uint8Array {
  return Buffer.from(item, 'hex')
}

function bucketOf(item: Uint8Array): number {
  return ((item[0] ?? 0) << 4) | ((item[1] ?? 0) >>> 4)
}

function itemAt({ bytes }: Bucket, at: number): Uint8Array {
  return bytes.subarray(at * ROW_BYTES, at * ROW_BYTES + ITEM_BYTES)
}

function isAt(bucket: Bucket, at: number, item: Uint8Array): boolean {
  return at < bucket.rows && compareBytes(itemAt(bucket, at), item) === 0
}

/** The first row that is not before `item`. */
function position(bucket: Bucket, item: Uint8Array): number {
  let [low, high] = [0, bucket.rows]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareBytes(itemAt(bucket, middle), item) < 0) low = middle + 1
    else high = middle
  }
  return low
}
