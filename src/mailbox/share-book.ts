import { MAX_SHARES } from './constants.ts'
import type { Share } from './ports.ts'

/**
 * How many boxes each courier has put here in each epoch by other ways than gossip. Gossip has its own quotas; without
 * these a peer could bring any number of boxes that it made and signed itself, and fill every mailbox with them. Kept
 * in memory: a restart begins anew.
 */
export class ShareBook {
  /** Boxes of couriers that are not known, of all epochs together. */
  maxStrangers: number
  readonly #counts = new Map<string, { count: number; readonly until: number; pool: string }>()
  #strangers = 0

  constructor(options: { maxStrangers: number }) {
    this.maxStrangers = options.maxStrangers
  }

  hasRoom(share: Share, epoch: number): boolean {
    if (share.pool === '' && this.#strangers >= this.maxStrangers) return false
    return (this.#counts.get(keyOf(share, epoch))?.count ?? 0) < share.limit
  }

  add(share: Share, epoch: number): void {
    const key = keyOf(share, epoch)
    const entry = this.#counts.get(key) ?? { count: 0, until: share.until, pool: share.pool }
    entry.count++
    this.#counts.set(key, entry)
    if (share.pool === '') this.#strangers++
    if (this.#counts.size <= MAX_SHARES) return
    const [oldest] = this.#counts.keys()
    if (oldest !== undefined) this.#drop(oldest)
  }

  /** One that was added was not taken: it may come again when there is room. */
  giveBack(share: Share, epoch: number): void {
    const entry = this.#counts.get(keyOf(share, epoch))
    if (entry === undefined || entry.count === 0) return
    entry.count--
    if (share.pool === '') this.#strangers--
  }

  /** Forgets the epochs that ended before `time`. */
  dropBefore(time: number): void {
    for (const [key, { until }] of this.#counts) if (until < time) this.#drop(key)
  }

  #drop(key: string): void {
    const entry = this.#counts.get(key)
    if (entry?.pool === '') this.#strangers -= entry.count
    this.#counts.delete(key)
  }
}

const keyOf = (share: Share, epoch: number) => `${share.pool} ${epoch}`
