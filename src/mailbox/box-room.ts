import { type Clock, isHearsayError, type Logger } from '../base/index.ts'
import { BUCKETS, RECLAIM_ROOM_BYTES, type Store } from '../store/index.ts'
import { boxesAllowed, quotaBoxes, type SpaceMarks } from './allowance.ts'
import type { BoxShelf } from './box-shelf.ts'
import {
  RECLAIM_FREE_BYTES,
  RECLAIM_MIN_BYTES,
  RECLAIM_RETRY_MS,
  SHED_INTERVAL_MS,
  STORED_BOX_BYTES,
} from './constants.ts'

/** What tells and gives back the space of boxes. */
export type SpaceStore = Pick<Store, 'bytesOf' | 'reclaim'>

export type RoomyShelf = Pick<
  BoxShelf,
  'count' | 'removed' | 'maxBoxes' | 'isClosed' | 'setRoom' | 'shedTo'
>

export interface BoxRoomPorts {
  readonly store: SpaceStore
  readonly clock: Clock
  readonly log: Logger
  readonly shelf: RoomyShelf
  /** Runs work in the background until the mailbox stops. */
  readonly spawn: (work: (signal: AbortSignal) => Promise<void>) => void
}

export interface BoxRoomOptions {
  readonly quotaBytes: number
  /** Without them the disk is taken to have room for the whole quota, as long as anything is free. */
  readonly marks?: SpaceMarks
}

const NO_MARKS: SpaceMarks = { noneBytes: 0, lowBytes: 0, enoughBytes: 0 }

/**
 * Cuts the quota of the mailbox to what the disk has room for, whenever somebody has looked at the free space: others' boxes
 * must not be what fills it. What is too much goes in the order of eviction, and its space back to the disk.
 */
export class BoxRoom {
  readonly #ports: BoxRoomPorts
  readonly #marks: SpaceMarks
  #quotaBytes: number
  #freeBytes = Number.POSITIVE_INFINITY
  #isStarted = false
  #isBusy = false
  /** Deleted boxes that an earlier run has left in the tables, about. */
  #leftBytes = 0
  /** Of the boxes that the shelf has removed, those whose space is given back. */
  #givenBack = 0
  /** Tables were rewritten, and the disk was not looked at since. */
  #hasRewritten = false
  /** Monotonic ms. What is let go shows on the disk only when its tables are rewritten and the disk was looked at again. */
  #shedFrom = Number.NEGATIVE_INFINITY
  #reclaimFrom = Number.NEGATIVE_INFINITY

  constructor(ports: BoxRoomPorts, options: BoxRoomOptions) {
    this.#ports = ports
    this.#quotaBytes = options.quotaBytes
    this.#marks = options.marks ?? NO_MARKS
  }

  /** Before anything is taken, and after the shelf has counted its boxes. */
  async start(): Promise<void> {
    const { shelf, store } = this.#ports
    const onDisk = await store.bytesOf(BUCKETS.boxes)
    this.#leftBytes = Math.max(0, onDisk - shelf.count * STORED_BOX_BYTES)
    this.#isStarted = true
    this.fit(this.#freeBytes)
  }

  /** The disk has so many bytes free. What is taken is limited at once; what has to go goes in the background. */
  fit(freeBytes: number): void {
    this.#freeBytes = freeBytes
    if (!this.#isBusy) this.#hasRewritten = false
    if (!this.#isStarted) return
    this.#limit()
    if (this.#isBusy || !(this.#isShedDue || this.#isReclaimDue)) return
    this.#isBusy = true
    this.#ports.spawn(async (signal) => {
      try {
        await this.#makeRoom(signal)
      } finally {
        this.#isBusy = false
      }
    })
  }

  /** Another quota, in force from now on. */
  setQuota(quotaBytes: number): void {
    this.#quotaBytes = quotaBytes
    this.#shedFrom = Number.NEGATIVE_INFINITY
    this.fit(this.#freeBytes)
  }

  get quotaBytes(): number {
    return this.#quotaBytes
  }

  /** What the disk may have lacked at the last look for tables that are being rewritten: it comes back by itself. */
  get heldBytes(): number {
    return this.#hasRewritten ? RECLAIM_ROOM_BYTES : 0
  }

  /** What boxes may take now: no more than the quota, nothing when none are taken. */
  get roomBytes(): number {
    const { isClosed, maxBoxes } = this.#ports.shelf
    if (isClosed) return 0
    const isWhole = maxBoxes >= quotaBoxes(this.#quotaBytes)
    return isWhole ? this.#quotaBytes : maxBoxes * STORED_BOX_BYTES
  }

  get #allowed(): number {
    const { count: boxes, maxBoxes: limit } = this.#ports.shelf
    const use = { freeBytes: this.#freeBytes, boxes, limit, owedBytes: this.#owedBytes }
    return boxesAllowed(this.#quotaBytes, this.#marks, use)
  }

  get #owedBytes(): number {
    return this.#leftBytes + (this.#ports.shelf.removed - this.#givenBack) * STORED_BOX_BYTES
  }

  get #isLow(): boolean {
    return this.#freeBytes < this.#marks.lowBytes
  }

  /**
   * On a disk that is nearly full the tables cannot be rewritten: what is written anew would fill it. Nor is anything let go
   * there: it would give nothing back, and a hundred thousand deletions are 13 MB themselves.
   */
  get #canReclaim(): boolean {
    return this.#freeBytes >= RECLAIM_FREE_BYTES
  }

  get #isShedDue(): boolean {
    const { clock, shelf } = this.#ports
    return this.#canReclaim && shelf.count > this.#allowed && clock.monotonic() >= this.#shedFrom
  }

  get #isReclaimDue(): boolean {
    return this.#isLow && this.#isWorthReclaiming
  }

  get #isWorthReclaiming(): boolean {
    return (
      this.#canReclaim &&
      this.#owedBytes >= RECLAIM_MIN_BYTES &&
      this.#ports.clock.monotonic() >= this.#reclaimFrom
    )
  }

  /** As long as more are here than may be, each that comes takes the place of another one. */
  #limit(): void {
    const { shelf } = this.#ports
    shelf.setRoom({
      maxBoxes: Math.max(this.#allowed, shelf.count),
      isClosed: this.#freeBytes < this.#marks.noneBytes,
    })
  }

  async #makeRoom(signal: AbortSignal): Promise<void> {
    const { clock, log, shelf } = this.#ports
    const before = shelf.count
    if (this.#isShedDue) {
      this.#shedFrom = clock.monotonic() + SHED_INTERVAL_MS
      await shelf.shedTo(this.#allowed, signal)
      this.#limit()
      log.info('boxes were let go for want of room', {
        boxes: before - shelf.count,
        left: shelf.count,
      })
    }
    const isDue = shelf.count < before ? this.#isWorthReclaiming : this.#isReclaimDue
    if (isDue && !signal.aborted) await this.#reclaim(signal)
  }

  async #reclaim(signal: AbortSignal): Promise<void> {
    const { clock, log, shelf, store } = this.#ports
    const { removed } = shelf
    this.#hasRewritten = true
    try {
      for (const bucket of [BUCKETS.boxes, BUCKETS.boxExpiry, BUCKETS.hotBoxes]) {
        await store.reclaim(bucket, signal)
      }
    } catch (error) {
      if (signal.aborted) return
      this.#reclaimFrom = clock.monotonic() + RECLAIM_RETRY_MS
      const code = isHearsayError(error) ? error.code : 'bug'
      log.warn('space cannot be given back now', { code })
      return
    }
    this.#leftBytes = 0
    this.#givenBack = removed
    // The last look at the disk may be older than what it has got back.
    this.#shedFrom = clock.monotonic() + SHED_INTERVAL_MS
  }
}
