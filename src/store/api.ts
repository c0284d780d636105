import type { BackupOptions, BackupResult } from './backup.ts'
import type { Batch, KeyRange, StoreSpace, StoreStats } from './batch-api.ts'
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
  /**
   * As `iterate`, but a value that does not open is undefined and costs no other: for whoever can go on without it,
   * and says so. What was damaged is counted (`StoreSpace.damagedValues`).
   */
  entries(
    bucket: Bucket,
    range?: KeyRange,
  ): AsyncIterable<readonly [key: Uint8Array, value: Uint8Array | undefined]>
  /** As `entries`, a page at a time: for whoever reads a hundred thousand. Secrets are read as of their page. */
  pages(
    bucket: Bucket,
    range?: KeyRange,
  ): AsyncIterable<readonly (readonly [key: Uint8Array, value: Uint8Array | undefined])[]>
  /** Keys alone, in their order as of the first step: also those of damaged values. */
  keys(bucket: Bucket, range?: KeyRange): AsyncIterable<Uint8Array>
  batch(): Batch
  /** A PRF of the parts, 20 bytes: a key that says nothing about a name or an id to a reader of the disk. */
  keyFor(bucket: Bucket, ...parts: readonly Uint8Array[]): Uint8Array
  /** Random id of this database generation, 22 characters of base64url. Changes when a restore is accepted. */
  readonly epoch: string
  /**
   * This opening, or the last healing, began a new generation: keys and counters of the one before may be in use
   * elsewhere. A stop before the caller has acted would hide it: compare `epoch` with one that you stored.
   */
  readonly restored: boolean
  /** Number of the last event on disk, 0 before the first. */
  headSeq(): number
  state(): 'ok' | 'poisoned'
  /** Calls when the first write fails, and again after a healing. Returns the way to unsubscribe. */
  onPoisoned(listener: (cause: Error) => void): () => void
  /** Whether the disk of a poisoned store takes writes again. Never fails; reading goes on meanwhile. */
  isWritable(): Promise<boolean>
  /**
   * Makes the reserve file anew if it was given up to open on a full disk, and there is room again. Never fails; cheap
   * while it is there. Nothing happens in a poisoned store: the room is for its healing.
   */
  keepReserve(): Promise<void>
  /**
   * Gives the home a new mark of its own, by which a copy that is older than this is told even when it is put back file by file
   * after a crash. A failing write poisons the store, like any other. @throws HearsayError as a commit.
   */
  renewWitness(): Promise<void>
  /**
   * Closes the files of a poisoned store and opens them again, once; reads wait for it. Afterwards everything is as
   * the disk has it: the group whose write failed is there or not, whole. What callers keep in memory may be ahead
   * of it and has to be read again. Nothing happens while the store is `ok`.
   * @throws HearsayError as `openStore`; the store then stays poisoned and closed to reads. Try again later, but
   * for `storage-corrupt`.
   */
  heal(): Promise<void>
  readonly journal: Journal
  readonly consumers: Consumers
  /** A pull feed of a durable consumer or of an anonymous reader. */
  feed(options: FeedOptions): Promise<ConsumerFeed>
  /** Rewrites all tables, so that overwritten and deleted values leave the disk. */
  compact(): Promise<void>
  /** What a bucket takes on the disk, about: deleted values whose space is not given back yet, too. */
  bytesOf(bucket: Bucket): Promise<number>
  /**
   * Gives the space of what was deleted from a bucket back to the disk, part by part: by itself LevelDB does so only when
   * much else has been written. Reads and commits go on meanwhile. Ends early when the signal aborts or a write has failed.
   * @throws HearsayError `storage-full` before a part for which less than `RECLAIM_ROOM_BYTES` are free: a step that finds no
   * room poisons the store. `overloaded` while a backup is written: what it reads stays, beside what is rewritten. `not-running`,
   * `storage-failed`.
   */
  reclaim(bucket: Bucket, signal: AbortSignal): Promise<void>
  /**
   * Removes old journal entries, see `RetentionPolicy`: by default those beyond the limits of number and size. Call it
   * now and then, and again while some are `left`.
   */
  retain(policy?: RetentionPolicy): Promise<RetentionResult>
  /** Opens every value and walks the journal's chain. */
  check(): Promise<CheckResult>
  /** Counts the keys of all buckets: work in proportion to the store. */
  stats(): Promise<StoreStats>
  /** What a status shows: cheap, however much is stored. */
  space(): Promise<StoreSpace>
  /**
   * Writes one consistent snapshot, secrets included, to a new file of mode 0600; commits wait only while it begins. What
   * earlier ones to this path left when they were killed is removed. @throws HearsayError `bad-value` {field: 'path'} when
   * there is such a file or none can be made, `storage-full` {field: 'path'} when there is no room in this place; `storage-failed`.
   */
  backup(options: BackupOptions): Promise<BackupResult>
  /** Waits for the commits under way, then closes the files. Safe to call twice. */
  close(): Promise<void>
}
