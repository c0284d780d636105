import { type Clock, concat, readU64be, type Timer, u32be, u64be } from '../base/index.ts'
import { BUCKETS, type Store } from '../store/index.ts'
import { REPLAY_TAG_BYTES } from '../sphinx/index.ts'
import { REPLAY_TAGS_MAX, TAG_LEAD_MS, TAGS_PER_WRITE } from './constants.ts'
import { TagTable } from './tag-table.ts'

export type NarrowStore = Pick<Store, 'get' | 'entries' | 'keys' | 'batch'>

/** known: the packet is a replay. full: nothing can be told apart any more. */
export type ReplayVerdict = 'fresh' | 'known' | 'full'

interface Waiting {
  readonly keyEpoch: number
  readonly tag: Uint8Array
  done(): void
  fail(error: unknown): void
}

const ROWS_PER_BATCH = 512

/**
 * The tags of all packets that were taken under each mix key. A tag is on disk before its packet goes on, or a mix
 * that is made to restart would take everything once more and show where it goes. Tags live as long as their key.
 */
export class ReplaySet {
  readonly #store: NarrowStore
  readonly #clock: Clock
  readonly #maxTags: number
  readonly #tables = new Map<number, TagTable>()
  #waiting: Waiting[] = []
  #writing = false
  /** When the tags that wait have to be written, monotonic. */
  #writeAt = Number.POSITIVE_INFINITY
  #timer: Timer | undefined
  #nextRow = 0

  constructor(ports: { store: NarrowStore; clock: Clock }, options: { maxTags?: number } = {}) {
    this.#store = ports.store
    this.#clock = ports.clock
    this.#maxTags = options.maxTags ?? REPLAY_TAGS_MAX
  }

  /**
   * Reads back what was taken before a restart. Where rows are damaged, of whatever epoch their keys may say, `eraseKeys`
   * erases the keys of all packets that may have been taken: what a row held is not known. @throws the store's codes.
   */
  async load(eraseKeys: () => Promise<void>): Promise<void> {
    const damaged: Uint8Array[] = []
    for await (const [key, value] of this.#store.entries(BUCKETS.replayTags)) {
      if (value === undefined) {
        damaged.push(key)
        continue
      }
      const table = this.#table(new DataView(key.buffer, key.byteOffset).getUint32(0))
      this.#nextRow = Math.max(this.#nextRow, readU64be(key, 4) + 1)
      for (let at = 0; at + REPLAY_TAG_BYTES <= value.length; at += REPLAY_TAG_BYTES) {
        table.add(value.subarray(at, at + REPLAY_TAG_BYTES))
      }
    }
    if (damaged.length === 0) return
    // First: with the rows nobody would know of the damage.
    await eraseKeys()
    const batch = this.#store.batch()
    for (const key of damaged) batch.del(BUCKETS.replayTags, key)
    await batch.commit()
  }

  /** Tags of a key epoch. */
  sizeOf(keyEpoch: number): number {
    return this.#tables.get(keyEpoch)?.size ?? 0
  }

  /**
   * Marks the tag at once: of two packets with one tag only the first is fresh. It is on disk when `durable` has
   * resolved, in time for a packet that is held for `heldMs`: until then tags wait for each other, because a synced
   * write for each would be half of a mix's work.
   */
  take(
    keyEpoch: number,
    tag: Uint8Array,
    heldMs = 0,
  ): { verdict: ReplayVerdict; durable?: Promise<void> } {
    const table = this.#table(keyEpoch)
    if (table.has(tag)) return { verdict: 'known' }
    // Never forgets to make room: an attacker would fill it, and replay what was forgotten.
    if (table.size >= this.#maxTags) return { verdict: 'full' }
    table.add(tag)
    const owned = tag.slice(0, REPLAY_TAG_BYTES)
    return { verdict: 'fresh', durable: this.#write(keyEpoch, owned, heldMs) }
  }

  /** Begins no write any more: what waits was to go on later, and does not. */
  stop(): void {
    this.#timer?.cancel()
    this.#waiting = []
  }

  /** Forgets the tags of keys that are erased. */
  async dropBefore(keyEpoch: number): Promise<void> {
    for (const old of this.#tables.keys()) if (old < keyEpoch) this.#tables.delete(old)
    for (;;) {
      const batch = this.#store.batch()
      let rows = 0
      const range = { lt: u32be(keyEpoch), limit: ROWS_PER_BATCH }
      for await (const key of this.#store.keys(BUCKETS.replayTags, range)) {
        batch.del(BUCKETS.replayTags, key)
        rows++
      }
      if (rows > 0) await batch.commit()
      if (rows < ROWS_PER_BATCH) return
    }
  }

  #table(keyEpoch: number): TagTable {
    let table = this.#tables.get(keyEpoch)
    if (table === undefined) {
      table = new TagTable()
      this.#tables.set(keyEpoch, table)
    }
    return table
  }

  #write(keyEpoch: number, tag: Uint8Array, heldMs: number): Promise<void> {
    return new Promise((done, fail) => {
      this.#waiting.push({ keyEpoch, tag, done, fail })
      const isFull = this.#waiting.length >= TAGS_PER_WRITE
      const wait = isFull ? 0 : Math.max(0, heldMs - TAG_LEAD_MS)
      const at = this.#clock.monotonic() + wait
      if (at >= this.#writeAt) return
      this.#writeAt = at
      this.#schedule()
    })
  }

  #schedule(): void {
    if (this.#writing || this.#waiting.length === 0) return
    this.#timer?.cancel()
    const wait = this.#writeAt - this.#clock.monotonic()
    const flush = () => {
      this.#flush().catch((error: unknown) => {
        for (const each of this.#waiting) each.fail(error)
      })
    }
    if (wait <= 0) flush()
    else this.#timer = this.#clock.setTimer(wait, flush)
  }

  /** One write at a time: what comes meanwhile shares the next. */
  async #flush(): Promise<void> {
    this.#writing = true
    while (this.#waiting.length > 0 && this.#writeAt <= this.#clock.monotonic()) {
      const group = this.#waiting
      this.#waiting = []
      this.#writeAt = Number.POSITIVE_INFINITY
      try {
        await this.#commit(group)
        for (const each of group) each.done()
      } catch (error) {
        for (const each of group) each.fail(error)
      }
    }
    this.#writing = false
    this.#schedule()
  }

  async #commit(group: readonly Waiting[]): Promise<void> {
    const batch = this.#store.batch()
    for (const keyEpoch of new Set(group.map((each) => each.keyEpoch))) {
      const tags = group.filter((each) => each.keyEpoch === keyEpoch).map(({ tag }) => tag)
      batch.put(
        BUCKETS.replayTags,
        concat(u32be(keyEpoch), u64be(this.#nextRow++)),
        concat(...tags),
      )
    }
    await batch.commit()
  }
}
