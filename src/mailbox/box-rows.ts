import { type Address, concat, isHearsayError, u32be } from '../base/index.ts'
import { type Batch, BUCKETS, type KeyRange, type Store } from '../store/index.ts'
import { BOXES_PER_ADDRESS, HEARD_STEP_MS } from './constants.ts'
import {
  type BoxEntry,
  type BoxRecord,
  decodeEntry,
  decodeRecord,
  encodeEntry,
  encodeRecord,
} from './box-entry.ts'

export type NarrowStore = Pick<Store, 'get' | 'entries' | 'pages' | 'keys' | 'batch' | 'keyFor'>

const COUNT_KEY = Uint8Array.of(0)
const HOT_TAIL_AT = 4
const KEPT_TAIL_AT = 6

/**
 * The rows of a box. Every key is a PRF of the address under a key of this store: the disk does not show which
 * addresses are here, and nothing marks the own ones. What stands in clear before it, time, day and coarse distance,
 * is the same for every node that has the box, or for every box of this node.
 *
 * A damaged box is not here: peers and keepers have it too. A damaged entry is read from its box instead.
 *
 * boxes:     PRF 20 | slot 1                                → entry | publication
 * hotBoxes:  step heard 4 | PRF 20 | slot 1                 → entry
 * boxExpiry: expiry day 4 | distance 2 | PRF 20 | slot 1    → entry, for kept boxes
 */
export class BoxRows {
  readonly #store: NarrowStore
  readonly #distance: (entry: BoxEntry) => number

  constructor(store: NarrowStore, distance: (entry: BoxEntry) => number) {
    this.#store = store
    this.#distance = distance
  }

  batch(): Batch {
    return this.#store.batch()
  }

  async get(address: Address, slot: number): Promise<BoxRecord | undefined> {
    return this.#read(this.#boxKey(address, slot))
  }

  async #read(boxKey: Uint8Array): Promise<BoxRecord | undefined> {
    try {
      const bytes = await this.#store.get(BUCKETS.boxes, boxKey)
      return bytes === undefined ? undefined : decodeRecord(bytes)
    } catch (error) {
      if (!isHearsayError(error, 'storage-corrupt')) throw error
      return undefined
    }
  }

  /** In place of a damaged one. */
  async #rowOf(boxKey: Uint8Array): Promise<Uint8Array | undefined> {
    const record = await this.#read(boxKey)
    return record && encodeEntry(record.entry)
  }

  async *#entries(
    bucket: typeof BUCKETS.hotBoxes | typeof BUCKETS.boxExpiry,
    tailAt: number,
    { limit = Number.POSITIVE_INFINITY, ...range }: KeyRange,
  ): AsyncGenerator<BoxEntry> {
    let left = limit
    // Rows without an entry do not count: however many there are, those behind them have their turn.
    for await (const [key, value] of this.#store.entries(bucket, range)) {
      const entry =
        value === undefined ? (await this.#read(key.subarray(tailAt)))?.entry : decodeEntry(value)
      if (entry === undefined) continue
      yield entry
      if (--left <= 0) return
    }
  }

  /** The boxes under an address, at most two, in the order of their slots. */
  async all(address: Address): Promise<BoxRecord[]> {
    const records: BoxRecord[] = []
    for (let slot = 0; slot < BOXES_PER_ADDRESS; slot++) {
      // The first may have been evicted before the second.
      const record = await this.get(address, slot)
      if (record !== undefined) records.push(record)
    }
    return records
  }

  put(batch: Batch, record: BoxRecord, hot: boolean): void {
    const { entry } = record
    batch.put(BUCKETS.boxes, this.#boxKey(entry.address, entry.slot), encodeRecord(record))
    if (hot) batch.put(BUCKETS.hotBoxes, this.#hotKey(entry), encodeEntry(entry))
    if (entry.kept) batch.put(BUCKETS.boxExpiry, this.#keptKey(entry), encodeEntry(entry))
  }

  deleteHot(batch: Batch, entry: BoxEntry): void {
    batch.del(BUCKETS.hotBoxes, this.#hotKey(entry))
  }

  /** Removes the box with all its rows. */
  delete(batch: Batch, entry: BoxEntry): void {
    batch.del(BUCKETS.boxes, this.#boxKey(entry.address, entry.slot))
    this.deleteHot(batch, entry)
    batch.del(BUCKETS.boxExpiry, this.#keptKey(entry))
  }

  /** All hot entries as `encodeEntry` wrote them, oldest step first, some at a time. */
  async *hot(): AsyncGenerator<Uint8Array[]> {
    for await (const page of this.#store.pages(BUCKETS.hotBoxes)) {
      const rows: Uint8Array[] = []
      for (const [key, value] of page) {
        const row = value ?? (await this.#rowOf(key.subarray(HOT_TAIL_AT)))
        if (row !== undefined) rows.push(row)
      }
      yield rows
    }
  }

  /** Hot entries of whole steps before the step of `time`, oldest first, at most `limit`. */
  hotBefore(time: number, limit: number): AsyncGenerator<BoxEntry> {
    return this.#entries(BUCKETS.hotBoxes, HOT_TAIL_AT, { lt: u32be(stepOf(time)), limit })
  }

  /** Kept entries of an expiry day; `farthest` first or nearest first. */
  kept(
    day: number,
    options: { farthest?: boolean; limit?: number } = {},
  ): AsyncGenerator<BoxEntry> {
    const range = {
      gte: u32be(day),
      lt: u32be(day + 1),
      reverse: options.farthest === true,
      ...(options.limit === undefined ? {} : { limit: options.limit }),
    }
    return this.#entries(BUCKETS.boxExpiry, KEPT_TAIL_AT, range)
  }

  /** Kept entries that expired before `day`, some of them. */
  async expiredBefore(day: number, limit: number): Promise<BoxEntry[]> {
    const entries: BoxEntry[] = []
    const range = { lt: u32be(Math.max(0, day)), limit }
    for await (const entry of this.#entries(BUCKETS.boxExpiry, KEPT_TAIL_AT, range)) {
      entries.push(entry)
    }
    return entries
  }

  /** Boxes stored, as of the last batch that said so; counted where that is damaged. */
  async count(): Promise<number> {
    for await (const [, bytes] of this.#store.entries(BUCKETS.mailboxCount)) {
      if (bytes !== undefined) return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
      let count = 0
      for await (const _ of this.#store.keys(BUCKETS.boxes)) count++
      return count
    }
    return 0
  }

  putCount(batch: Batch, count: number): void {
    batch.put(BUCKETS.mailboxCount, COUNT_KEY, u32be(count))
  }

  #tail(address: Address, slot: number): Uint8Array {
    return concat(this.#store.keyFor(BUCKETS.boxes, address), Uint8Array.of(slot))
  }

  #boxKey(address: Address, slot: number): Uint8Array {
    return this.#tail(address, slot)
  }

  #hotKey(entry: BoxEntry): Uint8Array {
    return concat(u32be(stepOf(entry.heardAt)), this.#tail(entry.address, entry.slot))
  }

  #keptKey(entry: BoxEntry): Uint8Array {
    const distance = this.#distance(entry)
    return concat(
      u32be(entry.expiryDay),
      Uint8Array.of(distance >>> 8, distance & 0xff),
      this.#tail(entry.address, entry.slot),
    )
  }
}

function stepOf(ms: number): number {
  return Math.max(0, Math.floor(ms / HEARD_STEP_MS))
}
