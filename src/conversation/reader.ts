import { type Address, type BoxBytes, HearsayError, type NetworkId } from '../base/index.ts'
import { type ChainState, openBox, Reassembler, ReadWindow } from '../stream/index.ts'
import type { CborValue } from '../wire/index.ts'
import { ACK_MISSING_MAX, HELD_BYTES_MAX, HELD_RECORDS_MAX } from './constants.ts'

/** One epoch of a stream from its reader's side. */
interface ReadEpoch {
  readonly tag: string
  readonly window: ReadWindow
  readonly reassembler: Reassembler
}

export interface WatchedAddress {
  readonly tag: string
  readonly index: number
  readonly address: Address
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

/**
 * The reading end of one device's stream: which boxes to listen for, which records are whole, and in what
 * order they count. Pure and serialisable; a key is erased as soon as its box was read.
 */
export class StreamReader {
  readonly #options: ReaderOptions
  readonly #epochs: ReadEpoch[] = []
  /** All records up to here were applied or given up. */
  #contiguous = 0
  readonly #held = new Map<number, Uint8Array>()
  #heldBytes = 0
  /** Given up for the sake of those behind them; applied all the same if they come. */
  readonly #late = new Set<number>()
  #gapSince: number | undefined

  constructor(options: ReaderOptions) {
    this.#options = options
  }

  /** Begins to watch an epoch. Returns its addresses, to be looked up in the local store at once. */
  open(tag: string, root: Uint8Array, chain: ChainState): WatchedAddress[] {
    if (this.#epochs.some((e) => e.tag === tag)) return []
    const window = new ReadWindow(root, chain, this.#options.windowSize)
    this.#epochs.push({ tag, window, reassembler: new Reassembler() })
    return this.#watched(tag, window.addresses())
  }

  /** Everything watched now, in all epochs. */
  watched(): WatchedAddress[] {
    return this.#epochs.flatMap((e) => this.#watched(e.tag, e.window.addresses()))
  }

  #watched(tag: string, entries: readonly { index: number; address: Address }[]): WatchedAddress[] {
    return entries.map((entry) => ({ tag, index: entry.index, address: entry.address }))
  }

  /**
   * Reads one box. Returns the addresses that the window gained and lost, and unsequenced records (acks), which need no
   * order. Sequenced ones wait in order behind `next`.
   * @throws HearsayError `open-failed` when the box was not sealed for this index; nothing changes then.
   */
  accept(
    tag: string,
    index: number,
    box: BoxBytes,
  ): { watched: WatchedAddress[]; unwatched: WatchedAddress[]; unsequenced: Uint8Array[] } {
    const epoch = this.#epochs.find((e) => e.tag === tag)
    const keys = epoch?.window.keysFor(index)
    if (epoch === undefined || keys === undefined) {
      return { watched: [], unwatched: [], unsequenced: [] }
    }
    const payload = openBox(this.#options.networkId, keys, box)
    const change = epoch.window.take(index)
    const unsequenced: Uint8Array[] = []
    for (const record of epoch.reassembler.accept(index, payload)) {
      if (record.seq === 0) unsequenced.push(record.bytes)
      else this.#hold(record.seq, record.bytes)
    }
    return {
      watched: this.#watched(tag, change.watched),
      unwatched: this.#watched(tag, change.unwatched),
      unsequenced,
    }
  }

  #hold(seq: number, bytes: Uint8Array): void {
    const known = (seq <= this.#contiguous && !this.#late.has(seq)) || this.#held.has(seq)
    if (known) return
    // Past the limit the record is dropped, not acknowledged, and so offered again later.
    if (seq !== this.#contiguous + 1) {
      const full = this.#held.size >= HELD_RECORDS_MAX
      if (full || this.#heldBytes + bytes.length > HELD_BYTES_MAX) return
    }
    this.#held.set(seq, bytes)
    this.#heldBytes += bytes.length
  }

  /** The next record in order, or a late one; the same until `applied`. */
  next(): InRecord | undefined {
    for (const seq of this.#late) {
      const bytes = this.#held.get(seq)
      if (bytes !== undefined) return { seq, bytes }
    }
    const bytes = this.#held.get(this.#contiguous + 1)
    return bytes === undefined ? undefined : { seq: this.#contiguous + 1, bytes }
  }

  /** The record has taken effect (in the batch that the caller is about to commit). */
  applied(seq: number): void {
    this.#heldBytes -= this.#held.get(seq)?.length ?? 0
    this.#held.delete(seq)
    this.#late.delete(seq)
    if (seq === this.#contiguous + 1) this.#contiguous = seq
    this.#gapSince = undefined
  }

  /** What an ack says: the highest record that is durable here and the holes below it. */
  ackState(): { upTo: number; missing: number[] } {
    let upTo = this.#contiguous
    const missing = [...this.#late].sort((a, b) => a - b)
    for (const seq of [...this.#held.keys()].sort((a, b) => a - b)) {
      if (seq <= upTo) continue
      if (missing.length + (seq - upTo - 1) > ACK_MISSING_MAX) break
      for (let hole = upTo + 1; hole < seq; hole++) missing.push(hole)
      upTo = seq
    }
    return { upTo, missing: missing.filter((seq) => !this.#held.has(seq)).slice(0, ACK_MISSING_MAX) }
  }

  /**
   * After `waitMs` with records waiting behind a hole, gives the hole up and returns it, so that one lost
   * record does not silence a contact. It still counts when it comes.
   */
  giveUpGap(now: number, waitMs: number): number[] {
    if (this.#held.size === 0 || this.next() !== undefined) {
      this.#gapSince = undefined
      return []
    }
    this.#gapSince ??= now
    if (now - this.#gapSince < waitMs) return []
    const first = Math.min(...this.#held.keys())
    const holes: number[] = []
    for (let seq = this.#contiguous + 1; seq < first; seq++) holes.push(seq)
    for (const seq of holes.slice(-ACK_MISSING_MAX)) this.#late.add(seq)
    while (this.#late.size > ACK_MISSING_MAX) {
      const oldest = this.#late.values().next().value
      if (oldest === undefined) break
      this.#late.delete(oldest)
    }
    this.#contiguous = first - 1
    return holes
  }

  /** Indices below the highest box read that are still missing: to be fetched from keepers. */
  gaps(): WatchedAddress[] {
    return this.#epochs.flatMap((e) => {
      const missing = new Set(e.window.gaps())
      return this.#watched(
        e.tag,
        e.window.addresses().filter((a) => missing.has(a.index)),
      )
    })
  }

  /** The first `count` addresses after the highest box read, in every epoch: for catching up. */
  heads(count: number): WatchedAddress[] {
    return this.#epochs.flatMap((e) => {
      const missing = new Set(e.window.gaps())
      const ahead = e.window.addresses().filter((a) => !missing.has(a.index))
      return this.#watched(e.tag, ahead.sort((a, b) => a.index - b.index).slice(0, count))
    })
  }

  /** Erases all epochs before `tag`: every record that they could carry has been applied. */
  closeBefore(tag: string): WatchedAddress[] {
    const at = this.#epochs.findIndex((e) => e.tag === tag)
    if (at <= 0) return []
    return this.#epochs.splice(0, at).flatMap((e) => {
      const gone = this.#watched(e.tag, e.window.addresses())
      e.window.clear()
      e.reassembler.clear()
      return gone
    })
  }

  /** The newest epoch. */
  get latestTag(): string | undefined {
    return this.#epochs.at(-1)?.tag
  }

  /** A plain value for the codec of secrets; `StreamReader.decode` reads it back. */
  encode(): CborValue {
    return [
      this.#contiguous,
      [...this.#late],
      [...this.#held].map(([seq, bytes]) => [seq, bytes]),
      this.#epochs.map((e) => [e.tag, e.window.encode(), e.reassembler.encode()]),
    ]
  }

  /** @throws HearsayError `storage-corrupt` for anything `encode` does not give. */
  static decode(options: ReaderOptions, value: unknown): StreamReader {
    const reader = new StreamReader(options)
    if (!Array.isArray(value) || value.length !== 4) throw corrupt()
    const [contiguous, late, held, epochs] = value as [number, number[], unknown[], unknown[]]
    reader.#contiguous = contiguous
    for (const seq of late) reader.#late.add(seq)
    for (const entry of held) {
      const [seq, bytes] = entry as [number, Uint8Array]
      reader.#held.set(seq, bytes.slice())
      reader.#heldBytes += bytes.length
    }
    for (const entry of epochs) {
      const [tag, window, reassembler] = entry as [string, Uint8Array, Uint8Array]
      reader.#epochs.push({
        tag,
        window: ReadWindow.decode(window),
        reassembler: Reassembler.decode(reassembler),
      })
    }
    return reader
  }
}

function corrupt(): HearsayError {
  return new HearsayError('storage-corrupt', 'a reader state does not decode')
}
