import { type Clock, fromUtf8, HearsayError, utf8 } from '../base/index.ts'
import type { WorkBatch } from './batch.ts'
import { SYSTEM_BUCKETS } from './buckets.ts'
import { MAX_CONSUMERS } from './constants.ts'
import { typeFilter } from './event-types.ts'
import type { Journal } from './journal.ts'
import type { Live } from './parts.ts'
import { physicalRange } from './physical-key.ts'
import { corrupt } from './storage-error.ts'

/** Events that the reader of a consumer never had: they were gone, or damaged, before. */
export interface Losses {
  readonly events: number
  /** When the last of them was found to be lost, milliseconds since 1970. */
  readonly lastAt: number
}

export interface Consumer {
  readonly name: string
  /** Everything up to here is acknowledged: on disk, or in memory while the store accepts no writes. */
  readonly cursor: number
  readonly types?: readonly string[]
  /**
   * The one in which it was made or has last acknowledged: another than the store's when that was restored since. Rows
   * of before this was noted have none.
   */
  readonly epoch?: string
  /** Milliseconds since 1970. */
  readonly createdAt: number
  /** Undefined for none, and after `forgetLosses`. */
  readonly losses?: Losses
}

export interface ConsumersPorts {
  readonly clock: Clock
  readonly live: Live
  readonly journal: Journal
  readonly batch: () => WorkBatch
}

interface Entry {
  committed: Consumer
  /** The newest row that was handed to the disk. The next one is made from it: no ack goes back behind it or drops a loss. */
  pending: Consumer
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/

/** Named durable cursors into the journal. Acknowledgements are cumulative and only go forward. */
export class Consumers {
  readonly #ports: ConsumersPorts
  readonly #entries = new Map<string, Entry>()
  readonly #listeners = new Set<(name: string) => void>()
  /** That of the entries. */
  #epoch: string | undefined

  constructor(ports: ConsumersPorts) {
    this.#ports = ports
  }

  /**
   * What the disk holds takes the place of what was here, apart from acknowledgements that the disk has not seen. Those
   * of another epoch are dropped: by their numbers a consumer would pass over events in silence.
   * @throws HearsayError `storage-corrupt`.
   */
  async load(): Promise<void> {
    const { engine, vault, epoch } = this.#ports.live.parts
    const stored: Consumer[] = []
    for await (const [key, value] of engine.iterate(physicalRange(SYSTEM_BUCKETS.consumers))) {
      stored.push(decode(vault.open(key, value)))
    }
    const before = new Map(this.#entries)
    const isSame = epoch === this.#epoch
    this.#epoch = epoch
    const ahead: Consumer[] = []
    this.#entries.clear()
    for (const consumer of stored) {
      const known = isSame ? before.get(consumer.name)?.pending : undefined
      const isAhead = known !== undefined && known.cursor > consumer.cursor
      const committed = isAhead ? known : consumer
      this.#entries.set(consumer.name, { committed, pending: committed })
      if (isAhead) ahead.push(committed)
    }
    for (const name of new Set([...before.keys(), ...this.#entries.keys()])) this.#notify(name)
    await Promise.all(ahead.map((consumer) => this.#put(consumer)))
  }

  /**
   * `from`: `now` skips everything so far, `start` begins at the oldest event, a number after that event.
   * @throws HearsayError `consumer-exists`, `quota-exceeded`, `bad-value`, `cursor-too-old`, `cursor-ahead`.
   */
  async create(
    name: string,
    options: { readonly from: 'now' | 'start' | number; readonly types?: readonly string[] },
  ): Promise<Consumer> {
    const { clock, journal } = this.#ports
    if (!NAME.test(name)) throw new HearsayError('bad-value', 'not a name of a consumer')
    if (this.#entries.has(name)) {
      throw new HearsayError('consumer-exists', 'there is a consumer of this name')
    }
    if (this.#entries.size >= MAX_CONSUMERS) {
      throw new HearsayError('quota-exceeded', 'too many consumers', { limit: MAX_CONSUMERS })
    }
    typeFilter(options.types)
    const { from } = options
    const cursor =
      from === 'now' ? journal.headSeq() : from === 'start' ? journal.oldestSeq() - 1 : from
    journal.checkCursor(cursor)
    const { types } = options
    const consumer = {
      name,
      cursor,
      ...(types ? { types: [...types] } : {}),
      epoch: journal.epoch,
      createdAt: clock.now(),
    }
    // Taken before the write, so that a second caller is told at once.
    this.#entries.set(name, { committed: consumer, pending: consumer })
    try {
      await this.#put(consumer)
    } catch (error) {
      this.#entries.delete(name)
      throw error
    }
    return consumer
  }

  list(): readonly Consumer[] {
    return [...this.#entries.values()].map(({ committed }) => committed)
  }

  /** @throws HearsayError `consumer-not-found`. */
  get(name: string): Consumer {
    return this.#entry(name).committed
  }

  /**
   * Acknowledges everything up to `seq`; resolves with the cursor once it is on disk. While the store accepts no
   * writes it is kept in memory and written after the healing: a stop before that gives events out again, which
   * readers have to expect anyway. A lower number than before changes nothing. `lost` of the events that this passes over
   * never came to their reader: they are counted in the same write. Only the reader knows that: it may have had events that
   * have been removed since. @throws HearsayError `consumer-not-found`, `cursor-ahead`.
   */
  async ack(name: string, seq: number, lost = 0): Promise<number> {
    const entry = this.#entry(name)
    const { journal } = this.#ports
    const head = journal.headSeq()
    const { epoch } = journal
    if (!Number.isSafeInteger(seq) || seq < 0) {
      throw new HearsayError('bad-value', 'a cursor is a number from 0')
    }
    if (seq > head) {
      throw new HearsayError('cursor-ahead', 'no such event yet', { head, epoch })
    }
    if (seq <= entry.committed.cursor) return entry.committed.cursor
    if (seq > entry.pending.cursor) {
      entry.pending = this.#passed(entry.pending, { seq, lost, epoch })
    }
    const next = entry.pending
    try {
      await this.#put(next)
    } catch (error) {
      if (this.#ports.live.parts.committer.poison === undefined) throw error
    }
    if (next.cursor > entry.committed.cursor) entry.committed = next
    this.#keep(entry, next)
    this.#notify(name)
    return entry.committed.cursor
  }

  /**
   * Whoever is responsible for the reader has seen what it lost: the count begins anew. Resolves, once that is on disk,
   * with what it was; with undefined when nothing was lost, or when there is no such consumer.
   * @throws HearsayError as `Batch.commit`; whether the count stays is then known after the healing.
   */
  async forgetLosses(name: string): Promise<Losses | undefined> {
    const entry = this.#entries.get(name)
    if (entry === undefined) return undefined
    const { losses, ...next } = entry.pending
    if (losses === undefined) return undefined
    entry.pending = next
    try {
      await this.#put(next)
    } catch (error) {
      // An acknowledgement that came meanwhile was made from the row without them, and counts.
      if (entry.pending === next) entry.pending = { ...next, losses }
      throw error
    }
    if (next.cursor >= entry.committed.cursor) entry.committed = next
    return losses
  }

  /** @throws HearsayError `consumer-not-found`. */
  async delete(name: string): Promise<void> {
    const entry = this.#entry(name)
    this.#entries.delete(name)
    try {
      await this.#ports.batch().delAt(SYSTEM_BUCKETS.consumers, this.#key(name)).commit()
    } catch (error) {
      this.#entries.set(name, entry)
      throw error
    }
    this.#notify(name)
  }

  /** What every consumer has acknowledged; undefined when there is none. */
  lowestCursor(): number | undefined {
    const cursors = this.list().map(({ cursor }) => cursor)
    return cursors.length === 0 ? undefined : Math.min(...cursors)
  }

  /** Calls after an acknowledgement or deletion is on disk. */
  onChange(listener: (name: string) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name)
    if (entry === undefined) {
      throw new HearsayError('consumer-not-found', 'there is no consumer of this name')
    }
    return entry
  }

  #passed(
    consumer: Consumer,
    { seq, lost, epoch }: { seq: number; lost: number; epoch: string },
  ): Consumer {
    const next = { ...consumer, cursor: seq, epoch }
    if (lost === 0) return next
    const events = (consumer.losses?.events ?? 0) + lost
    return { ...next, losses: { events, lastAt: this.#ports.clock.now() } }
  }

  /** A healing that began while `row` was written may have put another entry in the place of `entry`, from what it read before. */
  #keep(entry: Entry, row: Consumer): void {
    const now = this.#entries.get(row.name)
    if (now === undefined || now === entry || row.epoch !== this.#epoch) return
    if (row.cursor > now.pending.cursor) now.pending = row
    if (row.cursor > now.committed.cursor) now.committed = row
  }

  async #put(consumer: Consumer): Promise<void> {
    const value = utf8(JSON.stringify(consumer))
    await this.#ports
      .batch()
      .putAt(SYSTEM_BUCKETS.consumers, this.#key(consumer.name), value)
      .commit()
  }

  #key(name: string): Uint8Array {
    return this.#ports.live.parts.vault.name(Uint8Array.of(SYSTEM_BUCKETS.consumers), utf8(name))
  }

  #notify(name: string): void {
    for (const listener of Array.from(this.#listeners)) listener(name)
  }
}

function decode(bytes: Uint8Array): Consumer {
  const value = JSON.parse(fromUtf8(bytes)) as Partial<Consumer>
  if (typeof value.name !== 'string' || !Number.isSafeInteger(value.cursor)) {
    throw corrupt('a consumer is damaged')
  }
  return value as Consumer
}
