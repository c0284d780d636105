import { HearsayError, utf8 } from '../base/index.ts'
import type { Batch, CommitResult, EventDraft } from './batch-api.ts'
import type { Bucket } from './buckets.ts'
import { MAX_EVENT_DATA_BYTES, MAX_REDACTIONS, MAX_VALUE_BYTES } from './constants.ts'
import { mapKey, physicalKey } from './physical-key.ts'
import type { Vault } from './vault.ts'

export type Change =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly sealed: Uint8Array }
  | { readonly type: 'secret'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array }

/** What a batch hands to the committer. */
export interface Work {
  readonly changes: ReadonlyMap<string, Change>
  readonly events: readonly { readonly type: string; readonly json: Uint8Array }[]
  readonly redactions: readonly number[]
  /** Journal entries below this number go, as far as one group may take them. */
  readonly trimBefore?: number
  readonly bytes: number
}

const EVENT_TYPE = /^[a-z][a-zA-Z0-9.-]{0,63}$/

/** See `Batch`. Plain values are sealed when they are added, which spreads the work over the callers. */
export class WorkBatch implements Batch {
  readonly #vault: Vault
  readonly #submit: (work: Work) => Promise<CommitResult>
  readonly #changes = new Map<string, Change>()
  readonly #events: { type: string; json: Uint8Array }[] = []
  readonly #redactions: number[] = []
  #bytes = 0
  #used = false

  constructor(ports: {
    readonly vault: Vault
    readonly submit: (work: Work) => Promise<CommitResult>
  }) {
    this.#vault = ports.vault
    this.#submit = ports.submit
  }

  put(bucket: Bucket, key: Uint8Array, value: Uint8Array): this {
    return this.putAt(bucket, key, value)
  }

  /** `put` for the store's own buckets too. */
  putAt(bucket: number, key: Uint8Array, value: Uint8Array): this {
    checkSize(value.length, MAX_VALUE_BYTES)
    const whole = physicalKey(bucket, key)
    return this.#add({ type: 'put', key: whole, sealed: this.#vault.seal(whole, value) })
  }

  del(bucket: Bucket, key: Uint8Array): this {
    return this.delAt(bucket, key)
  }

  delAt(bucket: number, key: Uint8Array): this {
    return this.#add({ type: 'del', key: physicalKey(bucket, key) })
  }

  putSecret(bucket: Bucket, key: Uint8Array, value: Uint8Array): this {
    checkSize(value.length, MAX_VALUE_BYTES)
    return this.#add({ type: 'secret', key: physicalKey(bucket, key), value: value.slice() })
  }

  delSecret(bucket: Bucket, key: Uint8Array): this {
    return this.del(bucket, key)
  }

  append(event: EventDraft): this {
    if (!EVENT_TYPE.test(event.type)) throw new HearsayError('bad-value', 'not an event type')
    const json = utf8(JSON.stringify(event.data))
    checkSize(json.length, MAX_EVENT_DATA_BYTES)
    this.#bytes += json.length
    this.#events.push({ type: event.type, json })
    return this
  }

  redact(seq: number): this {
    if (this.#redactions.length >= MAX_REDACTIONS) {
      throw new HearsayError('too-large', 'too many redactions for one batch', {
        limit: MAX_REDACTIONS,
      })
    }
    this.#redactions.push(seq)
    return this
  }

  async commit(): Promise<CommitResult> {
    if (this.#used) throw new HearsayError('bug', 'a batch is committed once')
    this.#used = true
    return this.#submit({
      changes: this.#changes,
      events: this.#events,
      redactions: this.#redactions,
      bytes: this.#bytes,
    })
  }

  #add(change: Change): this {
    if (this.#used) throw new HearsayError('bug', 'the batch has been committed')
    this.#changes.set(mapKey(change.key), change)
    this.#bytes += change.key.length + bytesOf(change)
    return this
  }
}

function bytesOf(change: Change): number {
  if (change.type === 'put') return change.sealed.length
  return change.type === 'secret' ? change.value.length : 0
}

function checkSize(length: number, limit: number): void {
  if (length > limit) {
    throw new HearsayError('too-large', 'a value exceeds the limit of the store', { limit })
  }
}
