import {
  concat,
  equalBytes,
  type Failpoints,
  fromBase64Url,
  fromUtf8,
  HearsayError,
  HOUR_MS,
  MINUTE_MS,
  readU64be,
  toHex,
  u64be,
  utf8,
} from '../base/index.ts'
import { isUnderWay } from '../conversation/index.ts'
import { type Batch, BUCKETS, type JsonObject, type Store } from '../store/index.ts'
import type { CallContext, IdempotencyKey, Mutated } from './api.ts'
import { EVENTS_KEPT_MS } from './event-retention.ts'
import { type Amount, exceeds, RecordTally } from './record-tally.ts'
import type { RunningClock } from './running-clock.ts'

/** Fills a batch and returns what the call answers, given the numbers of its events once they are known. */
export type Effect<T> = (batch: Batch) => (events: readonly { seq: number }[]) => T

/**
 * What is left to do after the commit, and the answer then. A replay after a crash runs it again, perhaps much
 * later: it must end well however often it ran. `since` is a journal position before the effect.
 */
export type Complete<T> = (result: T, since: number) => Promise<T>

/** Of all records on disk. */
const AMOUNT_MAX: Amount = { records: 1_000_000, bytes: 256 * 1024 * 1024 }
/**
 * Beyond it the oldest go until so much is left. The journal keeps 1,000,000 events, and a message makes two at least until
 * it is final: the records of all messages of which it tells are fewer.
 */
const SHARE_LEFT = 3 / 4
/** Key and seal of a row, about. */
const ROW_BYTES = 64
/** Before all minutes: a record that is far ahead of the clock was made by one whose reading was lost. */
const FORMER_CLOCK = -1
// Batches under way at once, of some hundred KiB each at most. Beyond it mutations wait in line: the store refuses none,
// and what waits for a slow disk is in memory.
const MUTATIONS_MAX = 128
const DELETED_AT_ONCE = 256
const HASH_BYTES = 32
/** hash 32 | made at 8, of the `RunningClock` | journal position 8 | stage 1 | JSON of the answer. */
const HEADER_BYTES = HASH_BYTES + 17
const STAGE_OF_COMMIT = 1
const STAGE_FINAL = 2

interface Header {
  readonly requestHash: Uint8Array
  readonly at: number
  readonly since: number
  readonly stage: number
}

interface RecordOf<T> extends Header {
  readonly result: T
}

export interface IdempotencyPorts {
  readonly store: Store
  readonly running: RunningClock
  readonly isReadonly?: () => boolean
  readonly failpoints?: Failpoints
}

/**
 * Runs mutations once. The record of a key lands in the batch of its effect, so a crash leaves both or
 * neither; a second call with the same key and request answers the same, with `replayed`. Whoever makes the key from an
 * event makes one effect of it, however late the event is given out again: see `prune`.
 */
export class Idempotency {
  readonly #store: Store
  readonly #running: RunningClock
  readonly #isReadonly: () => boolean
  readonly #failpoints: Failpoints | undefined
  readonly #limit: Amount
  readonly #lanes = new Map<string, Promise<unknown>>()
  readonly #line: (() => void)[] = []
  #underWay = 0
  /** What is on disk, about: as it was when all was looked at, and what was written since. */
  #amount: Amount = { records: 0, bytes: 0 }

  constructor(ports: IdempotencyPorts, limit: Amount = AMOUNT_MAX) {
    this.#store = ports.store
    this.#running = ports.running
    this.#isReadonly = ports.isReadonly ?? (() => ports.store.state() === 'poisoned')
    this.#failpoints = ports.failpoints
    this.#limit = limit
  }

  /**
   * `prepare` runs only when the key is new; it may wait, the effect that it returns must not.
   * @throws HearsayError `idempotency-conflict` for the same key with another request.
   */
  async run<T extends object>(
    ctx: CallContext,
    prepare: () => Effect<T> | Promise<Effect<T>>,
    complete?: Complete<T>,
  ): Promise<Mutated<T>> {
    const { idempotency } = ctx
    if (idempotency === undefined) {
      const since = this.#store.headSeq()
      const result = await this.#apply(prepare)
      return complete === undefined ? result : complete(result, since)
    }
    const key = this.#keyOf(idempotency)
    const lane = toHex(key)
    // Two calls with one key at the same time: the second waits for the record of the first.
    while (this.#lanes.has(lane)) await Promise.allSettled([this.#lanes.get(lane)])
    const early = Promise.withResolvers<Mutated<T>>()
    const running = this.#once(key, idempotency, prepare, complete, early.resolve)
    this.#lanes.set(lane, running)
    const forget = () => void this.#lanes.delete(lane)
    running.then(forget, forget)
    // Whoever answers first: the final record of an answer that a replay could make again is not waited for.
    return Promise.race([early.promise, running])
  }

  /** For effects outside the batch (configuration, consumers): the record follows the effect. */
  remember<T extends JsonObject>(ctx: CallContext, effect: () => Promise<T>): Promise<Mutated<T>> {
    return this.run<T>(ctx, async () => {
      const result = await effect()
      return () => () => result
    })
  }

  /** More is on disk than may be: `prune` is due. Not known of earlier starts before it has run once. */
  get isFull(): boolean {
    return exceeds(this.#amount, this.#limit)
  }

  /**
   * Deletes records that are older than EVENTS_KEPT_MS, in time that the node runs: no step of the wall clock ends or
   * lengthens it. None of them while an event is kept that was there before it: whoever is given that event once more makes
   * the same call. Beyond the limit the oldest go all the same. Never one whose message is not final. Resolves with their
   * number. One call at a time. After the signal it leaves the rest to the next one: a clean stop waits for it.
   */
  async prune(signal?: AbortSignal): Promise<number> {
    const now = await this.#running.now()
    const batch = this.#store.batch()
    this.#running.save(batch, now)
    await batch.commit()
    const before = this.#amount
    const oldest = this.#store.journal.oldestSeq()
    const isOld = ({ at, since }: Header) => at < now - EVENTS_KEPT_MS && since < oldest
    let { deleted, kept } = await this.#sweep(now, isOld, signal)
    if (signal?.aborted) return deleted
    if (exceeds(kept.total, this.#limit)) {
      const { records, bytes } = this.#limit
      const first = kept.firstWithin({ records: records * SHARE_LEFT, bytes: bytes * SHARE_LEFT })
      const more = await this.#sweep(now, ({ at }) => minuteOf(at, now) < first, signal)
      deleted += more.deleted
      if (signal?.aborted) return deleted
      kept = more.kept
    }
    // What was written meanwhile may be counted twice until the next time.
    this.#amount = {
      records: kept.total.records + this.#amount.records - before.records,
      bytes: kept.total.bytes + this.#amount.bytes - before.bytes,
    }
    return deleted
  }

  /** Deletes the records whose answers hold `text`, apart from those that are exactly `kept`. */
  forget(text: string, kept: JsonObject): Promise<number> {
    const whole = JSON.stringify(kept)
    return this.#delete(async (bytes) => {
      const answer = JSON.stringify(resultOf(bytes))
      return answer !== whole && answer.includes(text)
    })
  }

  /** Resolves when no record is being written any more. */
  async settled(): Promise<void> {
    while (this.#lanes.size > 0) await Promise.allSettled(this.#lanes.values())
  }

  #keyOf({ scope, key }: IdempotencyKey): Uint8Array {
    return this.#store.keyFor(BUCKETS.idempotency, utf8(scope), utf8(key))
  }

  async #once<T extends object>(
    key: Uint8Array,
    { requestHash }: IdempotencyKey,
    prepare: () => Effect<T> | Promise<Effect<T>>,
    complete: Complete<T> | undefined,
    answer: (result: Mutated<T>) => void,
  ): Promise<Mutated<T>> {
    const bytes = await this.#store.get(BUCKETS.idempotency, key)
    const known = bytes && decodeRecord<T>(bytes)
    if (known !== undefined && !equalBytes(known.requestHash, requestHash)) {
      throw new HearsayError('idempotency-conflict', 'this key was used for another request')
    }
    if (known?.stage === STAGE_FINAL) return { ...known.result, replayed: true }

    const at = await this.#running.now()
    const made = { requestHash, at, since: this.#store.headSeq() }
    /** Returns the bytes on disk, about. */
    const write = (batch: Batch, record: RecordOf<T>): number => {
      this.#running.save(batch, at)
      const row = encodeRecord(record)
      batch.put(BUCKETS.idempotency, key, row)
      return row.length + ROW_BYTES
    }
    let first: string | undefined
    const result =
      known?.result ??
      (await this.#apply(prepare, (batch, preview) => {
        first = JSON.stringify(preview)
        const stage = complete === undefined ? STAGE_FINAL : STAGE_OF_COMMIT
        const size = write(batch, { ...made, stage, result: preview })
        this.#amount = { records: this.#amount.records + 1, bytes: this.#amount.bytes + size }
      }))
    const { since } = known ?? made
    const done = complete === undefined ? result : await complete(result, since)
    const final: Mutated<T> = known === undefined ? done : { ...done, replayed: true }
    this.#failpoints?.reach('before-receipt')
    if (complete === undefined && JSON.stringify(done) === first) return final
    answer(final)
    this.#failpoints?.reach('after-receipt')
    const batch = this.#store.batch()
    write(batch, { ...(known ?? made), stage: STAGE_FINAL, result: done })
    await batch.commit()
    return final
  }

  async #apply<T extends object>(
    prepare: () => Effect<T> | Promise<Effect<T>>,
    attach?: (batch: Batch, result: T) => void,
  ): Promise<T> {
    await this.#enter()
    try {
      // Before anything is in force in memory that the disk will not have.
      if (this.#isReadonly()) throw new HearsayError('storage-poisoned', 'an earlier write failed')
      const effect = await prepare()
      const batch = this.#store.batch()
      const finish = effect(batch)
      attach?.(batch, finish([]))
      const { events } = await batch.commit()
      return finish(events)
    } finally {
      this.#underWay -= 1
      this.#line.shift()?.()
    }
  }

  async #enter(): Promise<void> {
    while (this.#underWay >= MUTATIONS_MAX) {
      await new Promise<void>((resolve) => this.#line.push(resolve))
    }
    this.#underWay += 1
  }

  /** Deletes what `isOver` names, but for records of messages that are under way, and counts what stays. */
  async #sweep(
    now: number,
    isOver: (header: Header) => boolean,
    signal: AbortSignal | undefined,
  ): Promise<{ deleted: number; kept: RecordTally }> {
    const kept = new RecordTally()
    const deleted = await this.#delete(async (bytes) => {
      const header = decodeHeader(bytes)
      if (isOver(header) && !(await this.#isOfMessageUnderWay(bytes))) return true
      kept.add(minuteOf(header.at, now), bytes.length + ROW_BYTES)
      return false
    }, signal)
    return { deleted, kept }
  }

  async #isOfMessageUnderWay(bytes: Uint8Array): Promise<boolean> {
    const { messageId } = resultOf<{ readonly messageId?: unknown }>(bytes)
    return typeof messageId === 'string' && isUnderWay(this.#store, fromBase64Url(messageId))
  }

  /** One that is damaged stays: without it a mutation would run a second time, with it the retry is refused. */
  async #delete(
    isOver: (bytes: Uint8Array) => Promise<boolean>,
    signal?: AbortSignal,
  ): Promise<number> {
    let keys: Uint8Array[] = []
    let deleted = 0
    const flush = async () => {
      const batch = this.#store.batch()
      for (const key of keys) batch.del(BUCKETS.idempotency, key)
      deleted += keys.length
      keys = []
      await batch.commit()
    }
    for await (const [key, bytes] of this.#store.entries(BUCKETS.idempotency)) {
      if (signal?.aborted) break
      if (bytes === undefined || !(await isOver(bytes))) continue
      keys.push(key)
      if (keys.length === DELETED_AT_ONCE) await flush()
    }
    if (keys.length > 0) await flush()
    return deleted
  }
}

function minuteOf(at: number, now: number): number {
  return at > now + HOUR_MS ? FORMER_CLOCK : Math.floor(at / MINUTE_MS)
}

function encodeRecord<T>(record: RecordOf<T>): Uint8Array {
  const { requestHash, at, since, stage, result } = record
  const header = concat(requestHash, u64be(at), u64be(since), Uint8Array.of(stage))
  return concat(header, utf8(JSON.stringify(result)))
}

function decodeHeader(bytes: Uint8Array): Header {
  return {
    requestHash: bytes.subarray(0, HASH_BYTES),
    at: readU64be(bytes, HASH_BYTES),
    since: readU64be(bytes, HASH_BYTES + 8),
    stage: bytes[HEADER_BYTES - 1] ?? 0,
  }
}

function resultOf<T>(bytes: Uint8Array): T {
  return JSON.parse(fromUtf8(bytes.subarray(HEADER_BYTES))) as T
}

function decodeRecord<T>(bytes: Uint8Array): RecordOf<T> {
  return { ...decodeHeader(bytes), result: resultOf<T>(bytes) }
}
