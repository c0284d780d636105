import {
  type Clock,
  concat,
  fromUtf8,
  isHearsayError,
  type Logger,
  type Rng,
  u32be,
  utf8,
} from '../base/index.ts'
import { type MixKeyPair, mixKeyPair, type MixSuite } from '../sphinx/index.ts'
import { type Batch, BUCKETS, type Store } from '../store/index.ts'
import { ERASED_EPOCHS_MAX, HOLD_MS, KEY_GRACE_MS, KEYS_AHEAD } from './constants.ts'

export interface KeyRingPorts {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly store: Pick<Store, 'get' | 'entries' | 'keys' | 'batch' | 'epoch'>
}

export interface KeyRingOptions {
  readonly suite: MixSuite
  /** Wall clock at which key epoch 0 begins, ms. */
  readonly originMs: number
  readonly keyEpochMs: number
}

/** A key epoch's key. */
export interface RingKey {
  readonly epoch: number
  readonly pair: MixKeyPair
}

const SEED_BYTES = 32
const EPOCH_BYTES = 4
/** Row beside the keys: the first epoch that has one, 4 bytes, and the generation of the store. */
const GENERATION = utf8('generation')
/** Row beside the keys: the epochs whose key is erased, 4 bytes each. */
const ERASED = utf8('erased')
/** A wall clock that stepped is noticed within this time. */
const POLL_MS = 30_000
/** A clock that is adjusted by less has not leapt. */
const LEAP_MS = 1_000

/** One look at the clocks. */
interface Look {
  /** Monotonic. */
  readonly at: number
  /** What the wall clock is ahead of the monotonic one. */
  readonly aheadMs: number
  /** What the wall clock says. */
  readonly epoch: number
}

/** A key over the end of whose epoch the clock leapt. */
interface Held {
  /** For how long the clock has said, all in all, that the grace is over too. */
  overMs: number
  /** Whether it said so last. */
  isOver: boolean
  /** False while it says that the epoch goes on. */
  isHeld: boolean
}

/** What a turn has done. */
export interface KeyTurn {
  /** `announce` would say other epochs than it did. */
  readonly isOther: boolean
}

/**
 * This node's mix keys: one per key epoch, made `KEYS_AHEAD` epochs ahead so that others know them in time, and
 * erased `KEY_GRACE_MS` after their epoch, `HOLD_MS` of running later where the clock leaps over its end. From then on no recorded packet of that epoch can be followed, whoever
 * takes this node.
 *
 * No epoch gets a second key: after a clock that was ahead erased those that were running, the node has none for them and
 * sits out. Others have pinned the first; a second one would be a proof against this node. So what a leap of the clock has
 * ended is held for some minutes: a clock that is set right before has erased nothing.
 *
 * Keys of a home that was restored are erased: the former life may have taken packets under them whose tags are not
 * known here. New ones begin after the last epoch for which it can have announced any: two keys of one node for one
 * epoch are a proof against it.
 *
 * A damaged key is as good as an erased one; where it is damaged which are, the home is taken for a restored one.
 */
export class KeyRing {
  readonly #ports: KeyRingPorts
  readonly #options: KeyRingOptions
  readonly #keys = new Map<number, MixKeyPair>()
  /** No key is made for an epoch before it. */
  #first = 0
  /** Epochs whose key is erased, the last of them at the end. */
  readonly #erased = new Set<number>()
  /** By epoch; only of keys that are here. */
  readonly #held = new Map<number, Held>()
  #lastLook: Look | undefined
  /** Epochs of the public keys that were announced last. */
  #said = ''

  constructor(ports: KeyRingPorts, options: KeyRingOptions) {
    this.#ports = ports
    this.#options = options
  }

  /** Reads the keys of this home and makes those that are missing. @throws the store's codes. */
  async start(): Promise<void> {
    const { store } = this.#ports
    await this.#enterGeneration()
    const erased = await store.get(BUCKETS.mixKeys, ERASED)
    for (let at = 0; at < (erased?.length ?? 0); at += EPOCH_BYTES) {
      if (erased !== undefined) this.#erased.add(u32At(erased.subarray(at)))
    }
    const damaged: number[] = []
    for await (const [key, seed] of store.entries(BUCKETS.mixKeys)) {
      if (key.length !== EPOCH_BYTES) continue
      const epoch = u32At(key)
      if (seed === undefined) {
        damaged.push(epoch)
        continue
      }
      this.#keys.set(epoch, mixKeyPair(this.#options.suite, seed))
      seed.fill(0)
    }
    if (damaged.length > 0) await this.#erase(damaged)
    await this.#turn()
  }

  /** Erases the keys under which packets may have been taken, for good: it is not known any more which these were. */
  async eraseUsed(): Promise<void> {
    const last = this.#epochAt(this.#ports.clock.now() + KEY_GRACE_MS)
    const used = [...this.#keys.keys()].filter((epoch) => epoch <= last)
    this.#ports.log.error('tags of packets are damaged: this node mixes again with its next key')
    if (used.length > 0) await this.#erase(used)
  }

  async #enterGeneration(): Promise<void> {
    const { clock, store } = this.#ports
    const noted = await this.#tryGet(GENERATION)
    const isErasedKnown = (await this.#tryGet(ERASED)) !== 'damaged'
    const formerKeys: Uint8Array[] = []
    if (noted !== undefined) {
      let first = 0
      if (noted !== 'damaged') {
        this.#first = u32At(noted)
        const isSame = fromUtf8(noted.subarray(EPOCH_BYTES)) === store.epoch
        if (isSame && isErasedKnown) return
        if (isSame) first = this.#first
      }
      // The clock of the former life may have been ahead.
      this.#first = Math.max(first, this.#epochAt(clock.now() + KEY_GRACE_MS) + KEYS_AHEAD + 1)
      for await (const key of store.keys(BUCKETS.mixKeys)) {
        if (key.length === EPOCH_BYTES) formerKeys.push(key)
      }
    }
    const batch = store.batch()
    for (const key of formerKeys) batch.delSecret(BUCKETS.mixKeys, key)
    if (!isErasedKnown) batch.put(BUCKETS.mixKeys, ERASED, new Uint8Array())
    const value = concat(u32be(this.#first), utf8(store.epoch))
    await batch.put(BUCKETS.mixKeys, GENERATION, value).commit()
  }

  async #tryGet(key: Uint8Array): Promise<Uint8Array | 'damaged' | undefined> {
    try {
      return await this.#ports.store.get(BUCKETS.mixKeys, key)
    } catch (error) {
      if (!isHearsayError(error, 'storage-corrupt')) throw error
      return 'damaged'
    }
  }

  /** Whether there is a key for packets of this moment. */
  get isUsable(): boolean {
    return this.#keys.has(this.epoch)
  }

  /** The key epoch of this moment. */
  get epoch(): number {
    const { originMs, keyEpochMs } = this.#options
    return Math.max(0, Math.floor((this.#ports.clock.now() - originMs) / keyEpochMs))
  }

  /** First key epoch that packets of this moment may have been made for. */
  get oldest(): number {
    return this.#epochAt(this.#ports.clock.now() - KEY_GRACE_MS)
  }

  /** First key epoch whose key may still be here: no packet of one before can be opened any more. */
  get oldestHeld(): number {
    return Math.min(this.oldest, ...this.#keys.keys())
  }

  /**
   * Public keys ascending, at most `KEYS_AHEAD` + 2: what the descriptor says. The last epoch's as long as it is here,
   * for senders whose clocks are behind; none of a future that a wrong clock has seen.
   */
  publicKeys(): { epoch: number; key: Uint8Array }[] {
    const first = Math.max(this.oldest, this.epoch - 1)
    return [...this.#keys]
      .filter(([epoch]) => epoch >= first && epoch <= this.epoch + KEYS_AHEAD)
      .toSorted(([a], [b]) => a - b)
      .map(([epoch, { publicKey }]) => ({ epoch, key: publicKey }))
  }

  /** `publicKeys`, which the caller puts into its descriptor now. */
  announce(): { epoch: number; key: Uint8Array }[] {
    const keys = this.publicKeys()
    this.#said = textOf(keys)
    return keys
  }

  /** Keys that a packet of this moment may be for, the likeliest first. */
  current(): RingKey[] {
    const { epoch: running, oldest } = this
    const last = this.#epochAt(this.#ports.clock.now() + KEY_GRACE_MS)
    return [...this.#keys]
      .filter(([epoch]) => epoch >= oldest && epoch <= last)
      .toSorted(([a], [b]) => Math.abs(a - running) - Math.abs(b - running))
      .map(([epoch, pair]) => ({ epoch, pair }))
  }

  /** Makes and erases keys as time goes on; `turned` after each change. */
  async run(signal: AbortSignal, turned: (turn: KeyTurn) => Promise<void>): Promise<void> {
    const { clock } = this.#ports
    while (!signal.aborted) {
      await clock.sleep(Math.min(POLL_MS, Math.max(1, this.#untilNext())), signal)
      const turn = await this.#turn()
      if (turn !== undefined) await turned(turn)
    }
  }

  /** Erases the keys in memory. */
  stop(): void {
    for (const pair of this.#keys.values()) pair.wipe()
    this.#keys.clear()
  }

  #epochAt(time: number): number {
    const { originMs, keyEpochMs } = this.#options
    return Math.max(0, Math.floor((time - originMs) / keyEpochMs))
  }

  /**
   * Epochs whose key is to be erased now. One that ended while the clock went its way is, after its grace; one over whose end
   * the clock leapt is held until the clock has said for `HOLD_MS` in all that this too is over. In all, because whoever sets the
   * clock back now and then would keep it for ever.
   */
  #ended(): number[] {
    const { clock } = this.#ports
    const at = clock.monotonic()
    const look = { at, aheadMs: clock.now() - at, epoch: this.epoch }
    const last = this.#lastLook ?? look
    this.#lastLook = look
    const hasLeapt = look.aheadMs - last.aheadMs >= LEAP_MS
    // Of a process that was halted for an hour not more than of one that looks.
    const passedMs = Math.min(POLL_MS, look.at - last.at)
    const { oldest } = this
    return [...this.#keys.keys()].filter((epoch) => {
      const hasEnded = epoch < look.epoch
      const isOver = epoch < oldest
      if (hasLeapt && hasEnded && epoch >= last.epoch) this.#hold(epoch)
      const held = this.#held.get(epoch)
      if (held === undefined) return isOver
      if (isOver || held.isOver) held.overMs += passedMs
      held.isOver = isOver
      held.isHeld &&= hasEnded
      return isOver && (!held.isHeld || held.overMs >= HOLD_MS)
    })
  }

  #hold(epoch: number): void {
    const held = this.#held.get(epoch) ?? { overMs: 0, isOver: false, isHeld: true }
    held.isHeld = true
    this.#held.set(epoch, held)
  }

  /** Milliseconds until a key is due to be made or erased. */
  #untilNext(): number {
    const { originMs, keyEpochMs } = this.#options
    const sinceOrigin = this.#ports.clock.now() - originMs
    const left = (time: number) => keyEpochMs - (((time % keyEpochMs) + keyEpochMs) % keyEpochMs)
    return Math.min(left(sinceOrigin), left(sinceOrigin - KEY_GRACE_MS))
  }

  /** Rows of `ERASED`. */
  #noteErased(epochs: readonly number[]): Uint8Array[] {
    for (const epoch of epochs) this.#erased.add(epoch)
    for (const oldest of this.#erased) {
      if (this.#erased.size <= ERASED_EPOCHS_MAX) break
      this.#erased.delete(oldest)
    }
    return [...this.#erased].map(u32be)
  }

  async #erase(epochs: readonly number[]): Promise<void> {
    const batch = this.#ports.store.batch()
    this.#dropKeys(batch, epochs)
    await batch.commit()
    this.#forget(epochs)
  }

  #dropKeys(batch: Batch, epochs: readonly number[]): void {
    if (epochs.length === 0) return
    for (const each of epochs) batch.delSecret(BUCKETS.mixKeys, u32be(each))
    batch.put(BUCKETS.mixKeys, ERASED, concat(...this.#noteErased(epochs)))
  }

  #forget(epochs: readonly number[]): void {
    for (const each of epochs) {
      this.#keys.get(each)?.wipe()
      this.#keys.delete(each)
      this.#held.delete(each)
    }
  }

  /** Undefined when nothing changed. */
  async #turn(): Promise<KeyTurn | undefined> {
    const { rng, store } = this.#ports
    const { epoch } = this
    const batch = store.batch()
    let isMade = false
    for (let each = Math.max(epoch, this.#first); each <= epoch + KEYS_AHEAD; each++) {
      if (this.#keys.has(each) || this.#erased.has(each)) continue
      const seed = rng.bytes(SEED_BYTES)
      batch.putSecret(BUCKETS.mixKeys, u32be(each), seed)
      this.#keys.set(each, mixKeyPair(this.#options.suite, seed))
      seed.fill(0)
      isMade = true
    }
    const ended = this.#ended()
    this.#dropKeys(batch, ended)
    if (isMade || ended.length > 0) await batch.commit()
    this.#forget(ended)
    // Also when the clock shows another time. A node without keys for it says nothing: what it said is true still.
    const says = textOf(this.publicKeys())
    const isOther = says !== '' && says !== this.#said
    return isOther || ended.length > 0 ? { isOther } : undefined
  }
}

function textOf(keys: readonly { readonly epoch: number }[]): string {
  return keys.map(({ epoch }) => epoch).join()
}

function u32At(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
}
