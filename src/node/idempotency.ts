import { concat, equalBytes, fromUtf8, HearsayError, toHex, utf8 } from '../base/index.ts'
import { type Batch, BUCKETS, type JsonObject, type Store } from '../store/index.ts'
import type { CallContext, Mutated } from './api.ts'

const HASH_BYTES = 32

/** Fills a batch and returns what the call answers, given the numbers of its events once they are known. */
export type Effect<T> = (batch: Batch) => (events: readonly { seq: number }[]) => T

/**
 * Runs mutations once. The record of a key lands in the batch of its effect, so a crash leaves both or
 * neither; a second call with the same key and request answers the same, with `replayed`.
 */
export class Idempotency {
  readonly #store: Store
  readonly #running = new Map<string, Promise<unknown>>()

  constructor(ports: { store: Store }) {
    this.#store = ports.store
  }

  /**
   * `prepare` runs only when the key is new; it may wait, the effect that it returns must not. What the
   * commit adds to the answer (the number of an event) reaches the record in a second batch.
   * @throws HearsayError `idempotency-conflict` for the same key with another request.
   */
  async run<T extends object>(
    ctx: CallContext,
    prepare: () => Effect<T> | Promise<Effect<T>>,
  ): Promise<Mutated<T>> {
    const { idempotency } = ctx
    if (idempotency === undefined) return this.#apply(await prepare())
    const { scope, key: name, requestHash } = idempotency
    const key = this.#store.keyFor(BUCKETS.idempotency, utf8(scope), utf8(name))
    const lane = toHex(key)
    // Two calls with one key at the same time: the second waits for the record of the first.
    while (this.#running.has(lane)) await Promise.allSettled([this.#running.get(lane)])
    const running = this.#once(key, requestHash, prepare)
    this.#running.set(lane, running)
    try {
      return await running
    } finally {
      this.#running.delete(lane)
    }
  }

  async #once<T extends object>(
    key: Uint8Array,
    requestHash: Uint8Array,
    prepare: () => Effect<T> | Promise<Effect<T>>,
  ): Promise<Mutated<T>> {
    const record = await this.#store.get(BUCKETS.idempotency, key)
    if (record !== undefined) {
      if (!equalBytes(record.subarray(0, HASH_BYTES), requestHash)) {
        throw new HearsayError('idempotency-conflict', 'this key was used for another request')
      }
      return { ...(JSON.parse(fromUtf8(record.subarray(HASH_BYTES))) as T), replayed: true }
    }
    const first: { text?: string } = {}
    const attach = (batch: Batch, result: T) => {
      const text = JSON.stringify(result)
      if (text === first.text) return
      first.text = text
      batch.put(BUCKETS.idempotency, key, concat(requestHash, utf8(text)))
    }
    const result = await this.#apply(await prepare(), attach)
    const before = first.text
    const batch = this.#store.batch()
    attach(batch, result)
    if (first.text !== before) await batch.commit()
    return result
  }

  async #apply<T extends object>(
    effect: Effect<T>,
    attach?: (batch: Batch, result: T) => void,
  ): Promise<Mutated<T>> {
    const batch = this.#store.batch()
    const finish = effect(batch)
    attach?.(batch, finish([]))
    const { events } = await batch.commit()
    return finish(events)
  }

  /** For effects outside the store (configuration): the record follows the effect. */
  async remember<T extends JsonObject>(
    ctx: CallContext,
    effect: () => Promise<T>,
  ): Promise<Mutated<T>> {
    return this.run<T>(ctx, async () => {
      const result = await effect()
      return () => () => result
    })
  }
}
