import { HearsayError, toBase64Url } from '../base/index.ts'
import { Removals } from '../conversation/index.ts'
import type { Store } from '../store/index.ts'
import type { Idempotency } from './idempotency.ts'

/** Entries of the journal that are looked at, and at most redacted, at a time. */
const EVENTS_AT_ONCE = 500

export interface ContactErasurePorts {
  readonly store: Store
  readonly idempotency: Idempotency
  /** The node stops: what is under way is left for the next start. */
  readonly signal: AbortSignal
}

/**
 * Erases what a removed contact has left: messages, the events that mention it and recorded answers, in commits of
 * bounded size, then the tables that held them. A stop or a crash between two of them is made up for by `finishAll`.
 * Everything may run again.
 */
export class ContactErasure {
  readonly #ports: ContactErasurePorts
  readonly #removals: Removals
  #lane: Promise<unknown> = Promise.resolve()

  constructor(ports: ContactErasurePorts) {
    this.#ports = ports
    this.#removals = new Removals(ports)
  }

  /**
   * Resolves when nothing of a contact that was removed can be read any more, in the node or in its files: only that a
   * contact of this id was removed. @throws HearsayError `not-running` when the node stops, and the store's codes.
   */
  finish(contactId: Uint8Array): Promise<void> {
    return this.alone(() => this.#erase(contactId))
  }

  /**
   * As `finish` for every contact whose removal was begun and is not done; one that fails does not keep the others
   * waiting. Cheap when there is none. @throws the first failure, at the end.
   */
  async finishAll(): Promise<void> {
    await this.#lane
    const failures: unknown[] = []
    for (const contactId of await this.#removals.pending()) {
      try {
        await this.finish(contactId)
      } catch (error) {
        // When the node stops it is the same with all of them.
        if (this.#ports.signal.aborted) throw error
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  /** Runs `work` while nothing is erased here: what was asked for before comes before it, all else after it. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#lane.then(work)
    this.#lane = done.catch(() => undefined)
    return done
  }

  async #erase(contactId: Uint8Array): Promise<void> {
    const { store, idempotency } = this.#ports
    const text = toBase64Url(contactId)
    do this.#checkRunning()
    while (await this.#removals.eraseSome(contactId))
    await this.#redact(text)
    // The answer of the removal itself says no more than the event that stays.
    await idempotency.forget(text, { contactId: text })
    this.#checkRunning()
    // What was overwritten lies in the tables until they are rewritten.
    await store.compact()
    await this.#removals.done(contactId)
  }

  /** Redacts the events that mention a contact; that it was removed stays known, by its id alone. */
  async #redact(contactId: string): Promise<void> {
    const { journal } = this.#ports.store
    let after = journal.oldestSeq() - 1
    while (after < journal.headSeq()) {
      this.#checkRunning()
      const { entries, scannedTo } = await journal.entries(after, EVENTS_AT_ONCE)
      after = scannedTo
      const batch = this.#ports.store.batch()
      let any = false
      for (const { seq, event } of entries) {
        // A damaged entry cannot be read here, but most of its text may still be there.
        const isOver = event === undefined || event.data['contactId'] === contactId
        if (!isOver || event?.type === 'contact.removed') continue
        batch.redact(seq)
        any = true
      }
      if (any) await batch.commit()
    }
  }

  #checkRunning(): void {
    if (!this.#ports.signal.aborted) return
    throw new HearsayError('not-running', 'the node stops: the rest is erased after its next start')
  }
}
