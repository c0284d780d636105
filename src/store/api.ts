import type { Batch, KeyRange, StoreStats } from './batch-api.ts'
import type { Bucket } from './buckets.ts'
import type { CheckResult } from './check.ts'
import type { ConsumerFeed, FeedOptions } from './consumer-feed.ts'
import type { Consumers } from './consumers.ts'
import type { Journal } from './journal.ts'
import type { RetentionPolicy, RetentionResult } from './retention.ts'

export interface Store {
  /** A fresh copy of the committed value. @throws HearsayError `storage-corrupt`. */
  get(bucket: Bucket, key: Uint8Array): Promise<Uint8Array | undefined>
  /**
   * Entries in the order of their keys as of the first step. Secrets alone are read as of now.
   * @throws HearsayError `storage-corrupt`.
   */
  iterate(
    bucket: Bucket,
    range?: KeyRange,
  ): AsyncIterable<readonly [key: Uint8Array, value: Uint8Array]>
  batch(): Batch
  /** A PRF of the parts, 20 bytes: a key that says nothing about a name or an id to a reader of the disk. */
  keyFor(bucket: Bucket, ...parts: readonly Uint8Array[]): Uint8Array
  /** Random id of this database generation, 22 characters of base64url. Changes when a restore is accepted. */
  readonly epoch: string
  /** Number of the last event on disk, 0 before the first. */
  headSeq(): number
  state(): 'ok' | 'poisoned'
  /** Calls once, when the first write fails. Returns the way to unsubscribe. */
  onPoisoned(listener: (cause: Error) => void): () => void
  readonly journal: Journal
  readonly consumers: Consumers
  /** A pull feed of a durable consumer or of an anonymous reader. */
  feed(options: FeedOptions): Promise<ConsumerFeed>
  /** Rewrites all tables, so that overwritten and deleted values leave the disk. */
  compact(): Promise<void>
  /** Removes old journal entries, see `RetentionPolicy`. Call it now and then, and after acknowledgements. */
  retain(policy?: RetentionPolicy): Promise<RetentionResult>
  /** Opens every value and walks the journal's chain. */
  check(): Promise<CheckResult>
  stats(): Promise<StoreStats>
  /** Waits for the commits under way, then closes the files. Safe to call twice. */
  close(): Promise<void>
}
