import { type Address, ADDRESS_BYTES, equalBytes, HearsayError } from '../base/index.ts'
import {
  asBlind,
  isValidPoint,
  KEY_BYTES,
  PUBLIC_KEY_BYTES,
  SCALAR_BYTES,
  wipe,
} from '../crypto/index.ts'
import { Reader, Writer } from '../wire/index.ts'
import {
  addressOf,
  advanceChain,
  type BoxKeys,
  type ChainState,
  copyChain,
  wipeBoxKeys,
} from './chain.ts'
import { MAX_WINDOW_SIZE, STREAM_STATE_VERSION } from './constants.ts'

export interface WatchedAddress {
  readonly index: number
  readonly address: Address
}

interface Entry extends WatchedAddress {
  readonly keys: BoxKeys
}

interface Ahead extends Entry {
  /** Chain key of the index after this one. */
  readonly after: Uint8Array
}

/** What `decode` brings beside the chain. */
interface Stored {
  readonly gaps: readonly Entry[]
  /** Of the indices from the chain's on. */
  readonly addresses: readonly Address[]
}

/** In place of an address that is not derived yet: no point has this encoding. */
const NO_ADDRESS = new Uint8Array(ADDRESS_BYTES)
const GAP_BYTES = 8 + SCALAR_BYTES + KEY_BYTES + ADDRESS_BYTES
const STATE_HEADER_BYTES = 1 + 2 + PUBLIC_KEY_BYTES + 8 + KEY_BYTES + 2

/**
 * A reader's view of one stream in one epoch: the addresses at which its next boxes can appear. `size`
 * indices after the highest one received are watched, and those that were skipped, until the stream is
 * `size` further. Keys of received boxes are erased; the chain key that is kept gives no earlier box.
 *
 * Addresses are derived by `extend` only, as many at a time as its caller can spare: a whole window would hold
 * up the event loop for 7 ms, just when a contact was heard.
 */
export class ReadWindow {
  readonly root: Uint8Array
  readonly size: number
  readonly #gaps = new Map<number, Entry>()
  readonly #ahead: Ahead[] = []
  // Chain at `#ahead[0].index`: all that needs to be stored of the part that lies ahead.
  #head: ChainState
  #isErased = false

  /**
   * A window in which no address is derived yet. Copies the chain. `size` is 1 to 256. `stored` is for `decode`
   * only.
   * @throws HearsayError `bad-key` for a root that is not a point of prime order; `bad-value` for the size.
   */
  constructor(root: Uint8Array, chain: ChainState, size: number, stored?: Stored) {
    if (!Number.isInteger(size) || size < 1 || size > MAX_WINDOW_SIZE) {
      throw new HearsayError('bad-value', 'window size is 1 to 256')
    }
    if (stored === undefined && !isValidPoint(root)) {
      throw new HearsayError('bad-key', 'root is not a point of prime order')
    }
    this.root = root.slice()
    this.size = size
    this.#head = copyChain(chain)
    for (const gap of stored?.gaps ?? []) this.#gaps.set(gap.index, gap)
    for (const address of stored?.addresses ?? []) this.#derive(address)
  }

  /** The index after the highest one received. */
  get next(): number {
    return this.#head.index
  }

  /** True when `size` addresses lie ahead: `extend` has nothing to do. */
  get isFull(): boolean {
    return this.#ahead.length === this.size
  }

  /** All watched addresses, by index. */
  addresses(): WatchedAddress[] {
    return [...this.#gaps.values(), ...this.#ahead].map(({ index, address }) => ({
      index,
      address,
    }))
  }

  /** Skipped indices that are still watched, ascending: what may be fetched or reported as missing. */
  gaps(): number[] {
    return [...this.#gaps.keys()]
  }

  /** The live keys of a watched index (zeroed by `take` and `drop`), or undefined. */
  keysFor(index: number): BoxKeys | undefined {
    return (this.#gaps.get(index) ?? this.#ahead[index - this.next])?.keys
  }

  /**
   * Derives up to `count` of the addresses that are missing ahead, about 0.1 ms each. They are to be looked up in
   * the local store, for their boxes may have come before.
   */
  extend(count: number): WatchedAddress[] {
    const added: WatchedAddress[] = []
    while (added.length < count && !this.isFull) added.push(this.#derive())
    return added
  }

  /**
   * Marks an index as received: its keys are erased, and the window moves when it is the highest so far; `extend`
   * fills it again. To be called after the box was opened, and stored in the same batch as what came of it. Returns
   * the addresses that no longer matter: the one taken, and holes that fell out of the window.
   * @throws HearsayError `bad-value` for an index that is not watched.
   */
  take(index: number): WatchedAddress[] {
    const gap = this.#gaps.get(index)
    if (gap !== undefined) return [this.#forget(gap)]
    const steps = index - this.next
    const taken = this.#ahead[steps]
    if (taken === undefined) throw new HearsayError('bad-value', 'index is not watched')
    for (const entry of this.#ahead.splice(0, steps + 1)) {
      if (entry !== taken) {
        const { index: skipped, address, keys } = entry
        this.#gaps.set(skipped, { index: skipped, address, keys })
        wipe(entry.after)
      }
    }
    wipe(this.#head.chainKey)
    this.#head = { index: index + 1, chainKey: taken.after }
    wipeBoxKeys(taken.keys)
    const unwatched: WatchedAddress[] = [{ index, address: taken.address }]
    for (const entry of this.#gaps.values()) {
      if (entry.index + this.size < this.next) unwatched.push(this.#forget(entry))
    }
    return unwatched
  }

  /** Gives up a skipped index and erases its keys; undefined when it is not a gap. */
  drop(index: number): WatchedAddress | undefined {
    const entry = this.#gaps.get(index)
    return entry === undefined ? undefined : this.#forget(entry)
  }

  /** Erases all keys. The window is of no use afterwards. */
  clear(): void {
    for (const entry of this.#gaps.values()) this.#forget(entry)
    for (const entry of this.#ahead.splice(0)) {
      wipeBoxKeys(entry.keys)
      wipe(entry.after)
    }
    wipe(this.#head.chainKey)
    this.#isErased = true
  }

  #forget(entry: Entry): WatchedAddress {
    this.#gaps.delete(entry.index)
    wipeBoxKeys(entry.keys)
    return { index: entry.index, address: entry.address }
  }

  /** The next entry ahead; a `known` address saves the point multiplication. */
  #derive(known?: Address): WatchedAddress {
    const last = this.#ahead.at(-1)
    const chain =
      last === undefined
        ? copyChain(this.#head)
        : { index: last.index + 1, chainKey: last.after.slice() }
    const { next, keys } = advanceChain(chain)
    const { index } = keys
    const address = known ?? addressOf(this.root, keys.blind)
    this.#ahead.push({ index, address, keys, after: next.chainKey })
    return { index, address }
  }

  /**
   * version 1 | size 2 | root 32 | next 8 | chain key 32 | gaps 2 | per gap: index 8 | blind 32 | key 32 |
   * address 32 | then `size` addresses 32, zeros from the first that is not derived. The addresses are a cache; the
   * caller stores the state authenticated. @throws HearsayError `bug` for a window that was erased.
   */
  encode(): Uint8Array {
    if (this.#isErased) throw new HearsayError('bug', 'an erased window is not stored')
    const length = STATE_HEADER_BYTES + this.#gaps.size * GAP_BYTES + this.size * ADDRESS_BYTES
    const writer = new Writer(length).u8(STREAM_STATE_VERSION).u16(this.size).bytes(this.root)
    writer.u64(this.next).bytes(this.#head.chainKey).u16(this.#gaps.size)
    for (const { index, keys, address } of this.#gaps.values()) {
      writer.u64(index).bytes(keys.blind).bytes(keys.key).bytes(address)
    }
    for (let i = 0; i < this.size; i++) writer.bytes(this.#ahead[i]?.address ?? NO_ADDRESS)
    return writer.finish()
  }

  /** Strict inverse of `encode`. @throws HearsayError on any other input. */
  static decode(bytes: Uint8Array): ReadWindow {
    const reader = new Reader(bytes)
    const version = reader.u8('version')
    if (version !== STREAM_STATE_VERSION) {
      throw new HearsayError('bad-version', 'unknown version of a read window', { version })
    }
    const size = reader.u16('size')
    if (size < 1 || size > MAX_WINDOW_SIZE) throw new HearsayError('bad-value', 'window size')
    const root = reader.bytes(PUBLIC_KEY_BYTES, 'root').slice()
    const next = reader.u64('next')
    const chainKey = reader.bytes(KEY_BYTES, 'chainKey').slice()
    const gaps: Entry[] = []
    for (let left = reader.u16('gaps'); left > 0; left--) {
      const gap = readGap(reader)
      const first = Math.max(next - size, (gaps.at(-1)?.index ?? -1) + 1)
      if (gap.index < first || gap.index >= next) {
        throw new HearsayError('bad-value', 'gap outside the window', { index: gap.index })
      }
      gaps.push(gap)
    }
    const addresses = readAddresses(reader, size)
    reader.end()
    return new ReadWindow(root, { index: next, chainKey }, size, { gaps, addresses })
  }
}

/** Those that are there; none stands behind one that is missing. */
function readAddresses(reader: Reader, size: number): Address[] {
  const addresses: Address[] = []
  for (let i = 0; i < size; i++) {
    const address = reader.bytes(ADDRESS_BYTES, 'address').slice() as Address
    if (equalBytes(address, NO_ADDRESS)) continue
    if (addresses.length < i) throw new HearsayError('bad-value', 'address behind a missing one')
    addresses.push(address)
  }
  return addresses
}

function readGap(reader: Reader): Entry {
  const index = reader.u64('index')
  const blind = asBlind(reader.bytes(SCALAR_BYTES, 'blind'))
  const key = reader.bytes(KEY_BYTES, 'key').slice()
  const address = reader.bytes(ADDRESS_BYTES, 'address').slice() as Address
  return { index, address, keys: { index, blind, key } }
}
