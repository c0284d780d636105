import { isHearsayError, readU64be, u64be, utf8 } from '../base/index.ts'
import { BUCKETS, type Store } from '../store/index.ts'
import { MESSAGES_PER_LOOK } from './constants.ts'
import type { History } from './history.ts'
import { isFinal, type Message } from './message.ts'
import type { Outbox } from './outbox.ts'

export interface OrphansPorts {
  readonly store: Store
  readonly history: Pick<History, 'count' | 'after' | 'tryGet'>
  readonly outbox: Pick<Outbox, 'live'>
}

/**
 * Finds, once after every start, the messages that are not final and have no record: a row of the outbox that stands
 * under the key of another bucket is seen by nobody, and nothing would ever end its message. Up to which message all
 * have ended is on disk, so that a long history is read once, and not at every start.
 */
export class Orphans {
  readonly #ports: OrphansPorts
  #found: Message[] = []
  /** Looked at up to here; undefined before the first look. */
  #at: number | undefined
  /** Messages that were there at the first look: later ones have their records in memory. */
  #last = 0
  /** All up to here have ended. */
  #settled = 0
  #isSettling = true

  constructor(ports: OrphansPorts) {
    this.#ports = ports
  }

  /** Looks at `MESSAGES_PER_LOOK` more at most; at none when all were. One call at a time. */
  async look(): Promise<void> {
    this.#at ??= await this.#begin()
    const at = this.#at
    if (at >= this.#last) return
    const rows = await this.#ports.history.after(at, MESSAGES_PER_LOOK)
    const suspects: number[] = []
    const before = this.#settled
    for (const { number, message } of rows) {
      if (number > this.#last) break
      const isOpen = message?.direction === 'out' && !isFinal(message.state)
      if (isOpen && this.#ports.outbox.live(number) === undefined) suspects.push(number)
      if (isOpen) this.#isSettling = false
      else if (this.#isSettling) this.#settled = number
    }
    const isOver = rows.length < MESSAGES_PER_LOOK
    if (suspects.length > 0 || this.#settled > before) await this.#save()
    const found = await Promise.all(suspects.map((number) => this.#ifOpen(number)))
    this.#found.push(...found.filter((message) => message !== undefined))
    this.#at = isOver ? this.#last : (rows.at(-1)?.number ?? this.#last)
  }

  /** What was found since the last call: to be ended. */
  take(): readonly Message[] {
    const found = this.#found
    if (found.length > 0) this.#found = []
    return found
  }

  async #begin(): Promise<number> {
    this.#last = this.#ports.history.count
    const settled = await this.#stored()
    // Beyond the newest message it is of another history.
    this.#settled = settled > this.#last ? 0 : settled
    return this.#settled
  }

  /** Where it is damaged all is looked at anew. */
  async #stored(): Promise<number> {
    const { store } = this.#ports
    try {
      const bytes = await store.get(BUCKETS.messageIndex, this.#key())
      return bytes === undefined ? 0 : readU64be(bytes)
    } catch (error) {
      if (!isHearsayError(error, 'storage-corrupt')) throw error
      return 0
    }
  }

  /** Everything that was to be written before is on disk when it resolves. */
  async #save(): Promise<void> {
    const batch = this.#ports.store.batch()
    await batch.put(BUCKETS.messageIndex, this.#key(), u64be(this.#settled)).commit()
  }

  /** What ended while it was read is final on disk by now. */
  async #ifOpen(number: number): Promise<Message | undefined> {
    const message = await this.#ports.history.tryGet(number)
    return message === undefined || isFinal(message.state) ? undefined : message
  }

  #key(): Uint8Array {
    return this.#ports.store.keyFor(BUCKETS.messageIndex, utf8('settled'))
  }
}
