import type { Bucket } from './buckets.ts'
import type { JsonObject } from './json.ts'

/** Bounds over keys inside a bucket; none means the whole bucket. */
export interface KeyRange {
  readonly gte?: Uint8Array
  readonly gt?: Uint8Array
  readonly lt?: Uint8Array
  readonly lte?: Uint8Array
  readonly limit?: number
  readonly reverse?: boolean
}

export interface EventDraft {
  /** Lower-case words with dots, at most 64 characters: `message.received`. */
  readonly type: string
  readonly data: JsonObject
}

export interface JournalEvent extends EventDraft {
  /** Gap-free from 1, in the order of commits. */
  readonly seq: number
  /** The database generation; a sequence number means nothing in another. */
  readonly epoch: string
  /** Unique, 22 characters of base64url: readers drop repetitions by it. */
  readonly id: string
  /** Wall clock of the commit, milliseconds. */
  readonly time: number
  /** Chain value of the event before, 43 characters of base64url. */
  readonly prev: string
  /** The data was removed by `redact`; `data` is empty. */
  readonly redacted?: true
}

export interface CommitResult {
  readonly events: readonly { readonly seq: number; readonly id: string; readonly time: number }[]
}

/**
 * Changes that reach the disk together or not at all. Values are copied or sealed when they are added, so the
 * caller may reuse its buffers at once. The last change of one key wins. Usable once.
 */
export interface Batch {
  /** @throws HearsayError `too-large`; `bad-length` for an empty key. */
  put(bucket: Bucket, key: Uint8Array, value: Uint8Array): this
  /** Removes a value of either kind; a secret is erased as with `delSecret`. */
  del(bucket: Bucket, key: Uint8Array): this
  /**
   * Seals under a fresh key of the secret shelf. Once the commit that overwrites or deletes the value has
   * resolved, no byte copy of the home opens the old value.
   */
  putSecret(bucket: Bucket, key: Uint8Array, value: Uint8Array): this
  delSecret(bucket: Bucket, key: Uint8Array): this
  /** Adds an event to the journal. It gets its number at the commit. */
  append(event: EventDraft): this
  /**
   * Removes the data of a journal event; its number, id, type and time stay. Unknown numbers are ignored.
   * @throws HearsayError `too-large` beyond `MAX_REDACTIONS` in one batch.
   */
  redact(seq: number): this
  /**
   * Resolves once everything is on disk (synced), in the order of the calls.
   * @throws HearsayError `storage-full` or `storage-failed` for the write that broke the handle,
   * `storage-poisoned` for those behind it and later ones, `not-running` after `close`.
   */
  commit(): Promise<CommitResult>
}

export interface StoreSpace {
  readonly bytes: number
  readonly freeBytes: number
  /** Secrets whose key was lost to damage; reading them fails with `storage-corrupt`. */
  readonly damagedSecrets: number
  /** Values that did not open when they were read, since the opening. They may have been replaced or erased since. */
  readonly damagedValues: number
}

export interface StoreStats extends StoreSpace {
  readonly keys: Readonly<Record<string, number>>
  readonly headSeq: number
  readonly oldestSeq: number
  readonly secrets: number
  readonly reserve: boolean
}
