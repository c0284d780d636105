import { type Moment, Patience, type Wait } from './patience.ts'
import {
  type Address,
  type BoxBytes,
  HearsayError,
  isHearsayError,
  type NetworkId,
  type Rng,
} from '../base/index.ts'
import { KEY_BYTES } from '../crypto/index.ts'
import {
  type ChainState,
  type FindRows,
  type GoneRows,
  type NewRow,
  openBox,
  paddedLength,
  Reassembler,
  ReadWindow,
  type RecordIn,
  RecordRows,
  restoreRecord,
  RowChanges,
} from '../stream/index.ts'
import { type CborValue, padTo, Reader, Writer } from '../wire/index.ts'
import {
  ACK_RANGES_MAX,
  HELD_BYTES_MAX,
  HELD_RECORDS_MAX,
  LATE_RANGES_MAX,
  READ_EPOCHS_MAX,
  RECORD_DIGEST_BYTES,
} from './constants.ts'
import { NO_DIGEST, recordDigest } from './identifiers.ts'
import { type SeqRange, SeqRanges } from './ranges.ts'

export interface WatchedAddress {
  readonly tag: string
  readonly index: number
  readonly address: Address
}

/** Of a box that is not there yet, or was missed. */
export interface HeadAddress extends WatchedAddress {
  /** UTC day before which it was not published, 0 if nothing is known. */
  readonly notBefore: number
}

export interface AcceptedBox {
  /** False for a box that was read before or is not expected; nothing changed then. */
  readonly fresh: boolean
  /** Addresses that no longer matter. */
  readonly unwatched: readonly WatchedAddress[]
  /** Records without a number (acks), which need no order. Numbered ones wait behind `next`. */
  readonly unsequenced: readonly Uint8Array[]
  /** It completed a numbered record, new or known: the writer waits for an ack of it. */
  readonly sequenced: boolean
}

export interface ReaderOptions {
  readonly networkId: NetworkId
  /** Addresses watched ahead in every epoch. */
  readonly windowSize: number
}

/** A record that arrived whole. */
export interface InRecord {
  readonly seq: number
  readonly bytes: Uint8Array
}

/** One epoch of the stream. */
interface ReadEpoch {
  readonly tag: string
  /** UTC day of publishing of the newest box, 0 before the first: none after it is older. */
  heardDay: number
  readonly window: ReadWindow
  readonly reassembler: Reassembler
}

/** A record that waits, and how it is stored meanwhile. */
interface HeldRecord {
  readonly bytes: Uint8Array
  /** Whoever applies it wipes its bytes. */
  readonly digest: Uint8Array
  readonly rows: RecordRows
}

const STATE_VERSION = 3
/** Without the digest. */
const EARLIER_VERSION = 2
const HELD_ENTRY_BYTES = 8 + KEY_BYTES
/** In the place of the key of rows that are damaged, under which nothing is found. */
const NO_KEY = new Uint8Array(KEY_BYTES)

const NOTHING: AcceptedBox = {
  fresh: false,
  unwatched: [],
  unsequenced: [],
  sequenced: false,
}

/**
 * The reading end of one device's stream: which boxes to listen for, which records are whole, and in what
 * order they count. Pure and serialisable; a key is erased as soon as its box was read. What a hostile writer
 * can make it hold is bounded, and what waits is stored once: `takeRows` gives what a box brought, `encode` keys only.
 */
export class StreamReader {
  readonly #options: ReaderOptions
  readonly #epochs: ReadEpoch[] = []
  /** All records up to here were applied or given up. */
  #contiguous = 0
  /** Of the record under this number. */
  #digest = NO_DIGEST
  readonly #held = new Map<number, HeldRecord>()
  readonly #rows = new RowChanges()
  #heldBytes = 0
  /** Numbers of records that waited until a start found their rows damaged; stored until somebody was told. */
  readonly #lost = new Set<number>()
  /** Given up for the sake of those behind them; applied all the same if they come. */
  #late = new SeqRanges()
  /** For the first hole. */
  #patience: Patience | undefined

  constructor(options: ReaderOptions) {
    this.#options = options
  }

  /**
   * Begins to read an epoch; `extend` derives its addresses. Beyond `READ_EPOCHS_MAX` the oldest epoch is closed,
   * and its addresses no longer matter: no honest writer has more than one ahead.
   */
  open(tag: string, root: Uint8Array, chain: ChainState): readonly WatchedAddress[] {
    if (this.#epochs.some((e) => e.tag === tag)) return []
    const window = new ReadWindow(root, chain, this.#options.windowSize)
    const reassembler = new Reassembler(this.#rows)
    this.#epochs.push({ tag, heardDay: 0, window, reassembler })
    return this.#close(Math.max(0, this.#epochs.length - READ_EPOCHS_MAX))
  }

  /** False while addresses of an epoch are not derived. */
  get isFull(): boolean {
    return this.#epochs.every((e) => e.window.isFull)
  }

  /**
   * Derives up to `count` missing addresses, 0.1 ms each, and returns those: to listen to, and to look up in the
   * local store at once.
   */
  extend(count: number): readonly WatchedAddress[] {
    const added: WatchedAddress[] = []
    for (const { tag, window } of this.#epochs) {
      added.push(...namely(tag, window.extend(count - added.length)))
    }
    return added
  }

  /** Erases all epochs before `tag`: every record that they could carry has been applied. */
  closeBefore(tag: string): readonly WatchedAddress[] {
    return this.#close(
      Math.max(
        0,
        this.#epochs.findIndex((e) => e.tag === tag),
      ),
    )
  }

  /** Ends listening: erases all keys, and what is not whole. What waits can still take effect. */
  close(): readonly WatchedAddress[] {
    return this.#close(this.#epochs.length)
  }

  /** Erases all keys and what waits. The reader is of no use afterwards. */
  clear(): void {
    this.close()
    for (const { rows } of this.#held.values()) this.#rows.drop(rows)
    this.#held.clear()
    this.#heldBytes = 0
  }

  #close(count: number): WatchedAddress[] {
    return this.#epochs.splice(0, count).flatMap((e) => {
      const gone = namely(e.tag, e.window.addresses())
      e.window.clear()
      e.reassembler.clear()
      return gone
    })
  }

  /** Everything watched now, in all epochs. */
  watched(): readonly WatchedAddress[] {
    return this.#epochs.flatMap((e) => namely(e.tag, e.window.addresses()))
  }

  /**
   * Reads one box, published on UTC day `day`. A payload that is not well-formed counts as read and empty.
   * @throws HearsayError `open-failed` when the box was not sealed for this index; nothing changes then.
   */
  accept(tag: string, index: number, box: BoxBytes, day = 0): AcceptedBox {
    const epoch = this.#epochs.find((e) => e.tag === tag)
    const keys = epoch?.window.keysFor(index)
    if (epoch === undefined || keys === undefined) return NOTHING
    const payload = openBox(this.#options.networkId, keys, box)
    const unwatched = namely(tag, epoch.window.take(index))
    epoch.heardDay = Math.max(epoch.heardDay, day)
    const unsequenced: Uint8Array[] = []
    let sequenced = false
    for (const record of recordsIn(epoch.reassembler, index, payload)) {
      const { seq, bytes, rows } = record
      if (seq === 0) unsequenced.push(bytes)
      else sequenced = true
      if (seq === 0 || !this.#hold(record)) this.#rows.drop(rows)
    }
    return { fresh: true, unwatched, unsequenced, sequenced }
  }

  /** False for a record that is known, or for which there is no room. */
  #hold({ seq, bytes, rows }: RecordIn): boolean {
    const isLate = seq <= this.#contiguous && this.#late.has(seq)
    if ((seq <= this.#contiguous && !isLate) || this.#held.has(seq)) return false
    // It would leave two holes of one: those at the ends of holes come first.
    if (isLate && this.#isLateFull && this.#late.splits(seq)) return false
    // Past the limit the record is dropped, not acknowledged, and so offered again later.
    if (seq !== this.#contiguous + 1) {
      const full = this.#held.size >= HELD_RECORDS_MAX
      if (full || this.#heldBytes + bytes.length > HELD_BYTES_MAX) return false
    }
    this.#keep(seq, bytes, rows)
    return true
  }

  #keep(seq: number, bytes: Uint8Array, rows: RecordRows): void {
    this.#held.set(seq, { bytes, digest: recordDigest(bytes), rows })
    this.#heldBytes += bytes.length
    this.#lost.delete(seq)
  }

  /** Records that waited until a start found their rows damaged, and that neither came again nor were given up since. */
  get lost(): number {
    return this.#lost.size
  }

  /** Somebody was told how many are lost, or is in the batch that stores the state next. */
  forgetLost(): void {
    this.#lost.clear()
  }

  /** Whether a whole record waits. */
  get isHolding(): boolean {
    return this.#held.size > 0
  }

  /** The next record in order, or a late one; the same until `applied`. */
  next(): InRecord | undefined {
    for (const [seq, { bytes }] of this.#held) {
      if (seq <= this.#contiguous + 1) return { seq, bytes }
    }
    return undefined
  }

  /** Records that may take effect next, in no order, at most about `count`; all that wait for an infinite one. */
  upcoming(count: number): Uint8Array[] {
    return [...this.#held]
      .filter(([seq]) => seq <= this.#contiguous + count)
      .map(([, { bytes }]) => bytes)
  }

  /** The record has taken effect (in the batch that the caller is about to commit). */
  applied(seq: number): void {
    const held = this.#held.get(seq)
    if (held !== undefined) {
      this.#heldBytes -= held.bytes.length
      this.#rows.drop(held.rows)
      this.#held.delete(seq)
    }
    this.#late.remove(seq)
    if (seq === this.#contiguous + 1) {
      this.#contiguous = seq
      this.#digest = held?.digest ?? NO_DIGEST
    }
    this.#patience = undefined
  }

  /** What an ack says: the highest record that is durable here, which one that is, and the holes below it. Never a lie. */
  ackState(): { upTo: number; missing: SeqRange[]; digest: Uint8Array } {
    const missing: SeqRange[] = []
    for (const [first, last] of this.#late.list()) {
      if (missing.length === ACK_RANGES_MAX) {
        return { upTo: first - 1, missing, digest: NO_DIGEST }
      }
      missing.push(...this.#notHeld(first, last))
    }
    let upTo = this.#contiguous
    for (const seq of this.#heldBeyond(upTo)) {
      if (seq > upTo + 1) {
        if (missing.length >= ACK_RANGES_MAX) break
        missing.push([upTo + 1, seq - 1])
      }
      upTo = seq
    }
    const digest = upTo === this.#contiguous ? this.#digest : this.#held.get(upTo)?.digest
    return { upTo, missing, digest: digest ?? NO_DIGEST }
  }

  /** A late record that is here waits only for the work of this turn. */
  #notHeld(first: number, last: number): SeqRange[] {
    return first === last && this.#held.has(first) ? [] : [[first, last]]
  }

  get #isLateFull(): boolean {
    return this.#late.size >= LATE_RANGES_MAX
  }

  #heldBeyond(seq: number): number[] {
    return [...this.#held.keys()].filter((held) => held > seq).sort((a, b) => a - b)
  }

  /**
   * After `wait` with records waiting behind a hole gives the hole up and returns its width, else 0, so that one lost record does not silence a contact. What was given up still counts when it comes. Not beyond
   * LATE_RANGES_MAX holes that were given up and are open: those are filled first.
   */
  giveUpGap(now: Moment, wait: Wait): number {
    const first = this.#heldBeyond(this.#contiguous)[0]
    if (first === undefined || this.next() !== undefined) {
      this.#patience = undefined
      return 0
    }
    this.#patience ??= new Patience(now)
    if (!this.#patience.isOver(now, wait)) return 0
    const width = first - 1 - this.#contiguous
    // Nothing comes any more when all epochs are closed. Else a hole that is forgotten would be acknowledged: a lie.
    if (this.#epochs.length > 0) {
      if (this.#isLateFull) return 0
      this.#late.append(this.#contiguous + 1, first - 1)
    }
    this.#contiguous = first - 1
    this.#digest = NO_DIGEST
    this.#patience = undefined
    for (const seq of this.#lost) if (seq < first) this.#lost.delete(seq)
    return width
  }

  /** Indices below the highest box that are still missing: to be fetched from keepers. */
  gaps(): readonly WatchedAddress[] {
    return this.#epochs.flatMap(({ tag, window }) => {
      if (window.gaps().length === 0) return []
      return namely(
        tag,
        window.addresses().filter(({ index }) => index < window.next),
      )
    })
  }

  /** For every epoch the index after the highest box. */
  nexts(): ReadonlyMap<string, number> {
    return new Map(this.#epochs.map(({ tag, window }) => [tag, window.next]))
  }

  /** The addresses after the highest box and before the end of their epoch: for catching up. */
  heads(ends: ReadonlyMap<string, number>): readonly HeadAddress[] {
    return this.#epochs.flatMap(({ tag, heardDay, window }) => {
      const end = ends.get(tag) ?? 0
      const { next } = window
      if (end <= next) return []
      const ahead = window.addresses().filter(({ index }) => index >= next && index < end)
      return namely(tag, ahead).map((entry) => ({ ...entry, notBefore: heardDay }))
    })
  }

  /** What has to happen to the rows on disk in the batch that stores the state. */
  takeRows(rng: Rng): { readonly written: readonly NewRow[]; readonly gone: readonly GoneRows[] } {
    return this.#rows.take(rng)
  }

  /**
   * A plain value for the codec of secrets; `StreamReader.decode` reads it back. In proportion to the number of
   * records that wait, never to their bytes. @throws HearsayError `bug` when `takeRows` was not called before.
   */
  encode(): CborValue {
    return [
      STATE_VERSION,
      this.#contiguous,
      this.#late.list().map((range) => [...range]),
      this.#encodeHeld(),
      this.#epochs.map((e) => [e.tag, e.window.encode(), e.reassembler.encode(), e.heardDay]),
      this.#digest,
    ]
  }

  /** Per record: number 8 | key of its rows 32, zeros if it is lost. In one piece, for it is written with every box. */
  #encodeHeld(): Uint8Array {
    const writer = new Writer((this.#held.size + this.#lost.size) * HELD_ENTRY_BYTES)
    for (const [seq, { rows }] of this.#held) writer.u64(seq).bytes(rows.key)
    for (const seq of this.#lost) writer.u64(seq).bytes(NO_KEY)
    return writer.finish()
  }

  /**
   * With the rows that `find` finds; a record with a damaged row is not here. Reads earlier versions too: the first held
   * the records themselves. @throws HearsayError `storage-corrupt` for anything `encode` does not give.
   */
  static decode(options: ReaderOptions, value: unknown, find: FindRows): StreamReader {
    const items: unknown[] = Array.isArray(value) ? value : []
    const isRowless = items.length === 4
    const [version, ...state] = isRowless ? [EARLIER_VERSION, ...items] : items
    const [contiguous, late, held, epochs, digest = NO_DIGEST] = state as [
      number,
      SeqRange[],
      unknown,
      unknown[],
      Uint8Array?,
    ]
    const isWhole = state.length === 5 && version === STATE_VERSION
    const isEarlier = state.length === 4 && version === EARLIER_VERSION
    if (!(isWhole || isEarlier) || digest.length !== RECORD_DIGEST_BYTES) {
      throw new HearsayError('storage-corrupt', 'a reader state does not decode')
    }
    const reader = new StreamReader(options)
    reader.#contiguous = contiguous
    reader.#digest = digest
    reader.#late = new SeqRanges(late)
    if (isRowless) reader.#restoreRowless(held as [number, Uint8Array][])
    else reader.#restore(held as Uint8Array, find)
    for (const entry of epochs) {
      // Earlier stores do not have the day.
      const [tag, window, reassembler, heardDay = 0] = entry as [
        string,
        Uint8Array,
        Uint8Array,
        number?,
      ]
      reader.#epochs.push({
        tag,
        heardDay,
        window: ReadWindow.decode(window),
        reassembler: Reassembler.decode(reassembler, find, reader.#rows),
      })
    }
    return reader
  }

  #restore(held: Uint8Array, find: FindRows): void {
    const stored = new Reader(held)
    while (stored.remaining > 0) {
      const seq = stored.u64('seq')
      const { rows, bytes } = restoreRecord(seq, stored.bytes(KEY_BYTES, 'key'), find)
      if (bytes !== undefined) this.#keep(seq, bytes, rows)
      else {
        this.#rows.drop(rows)
        // Below it a hole was given up already, and is told of. They take no room of what comes, or no hole would end.
        if (seq > this.#contiguous && this.#lost.size < HELD_RECORDS_MAX) this.#lost.add(seq)
      }
    }
  }

  #restoreRowless(held: readonly (readonly [number, Uint8Array])[]): void {
    for (const [seq, bytes] of held) {
      const data = padTo(bytes, paddedLength(bytes.length))
      const rows = new RecordRows(data.length)
      this.#rows.add(rows, [{ offset: 0, data }])
      this.#keep(seq, bytes, rows)
    }
  }
}

function namely(
  tag: string,
  entries: readonly { index: number; address: Address }[],
): WatchedAddress[] {
  return entries.map(({ index, address }) => ({ tag, index, address }))
}

/** A writer who sends nonsense gains a box that says nothing, and no other effect. */
function recordsIn(reassembler: Reassembler, index: number, payload: Uint8Array) {
  try {
    return reassembler.accept(index, payload)
  } catch (error) {
    if (isHearsayError(error) && error.fault !== 'bug') return []
    throw error
  }
}
