/**
 * store: durable state behind one interface. Sealed values, group commits, the secret shelf, the event
 * journal and its consumers. See SPEC.md.
 */
export type { Store } from './api.ts'
export type { BackupOptions, BackupResult } from './backup.ts'
export type {
  Batch,
  CommitResult,
  EventDraft,
  JournalEvent,
  KeyRange,
  StoreSpace,
  StoreStats,
} from './batch-api.ts'
export type { CheckResult } from './check.ts'
export type { RetentionPolicy, RetentionResult } from './retention.ts'
export { RECLAIM_ROOM_BYTES, RETENTION_MAX_BYTES, RETENTION_MAX_EVENTS } from './constants.ts'
export { BUCKETS } from './buckets.ts'
export type { Bucket } from './buckets.ts'
export { ConsumerFeed } from './consumer-feed.ts'
export type { FeedOptions } from './consumer-feed.ts'
export type { Consumer, Consumers, Losses } from './consumers.ts'
export type { FileIdentity, FilePort, FileStatus, OpenFile } from './files.ts'
export { DAMAGED_EVENT } from './journal.ts'
export type { EventPage, Journal } from './journal.ts'
export type { JsonObject, JsonValue } from './json.ts'
export { holdLock } from './level-engine.ts'
export { memoryDisk, openMemoryStore } from './open-memory.ts'
export type { MemoryDisk, MemoryStoreOptions } from './open-memory.ts'
export { openStore } from './open-store.ts'
export type { StoreOptions } from './open-store.ts'
export type { StorePorts } from './parts.ts'
export { backupKey, renewHome, restoreBackup } from './restore.ts'
export type { RestoreOptions, RestoreResult } from './restore.ts'
export { systemFiles } from './system-files.ts'
export { createVaultKey, readVaultKey } from './vault-key.ts'
