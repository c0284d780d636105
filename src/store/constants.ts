/** Version of the layout of keys and values. A store with a higher one is refused. */
export const SCHEMA_VERSION = 4
/** Keys inside a bucket are 1 to 255 bytes. */
export const MAX_KEY_BYTES = 255
/** One value, before sealing. Above the largest record (256 KiB) and far below LevelDB's comfort. */
export const MAX_VALUE_BYTES = 2 * 1024 * 1024
/** The JSON of one event's data. */
export const MAX_EVENT_DATA_BYTES = 2 * 1024 * 1024
/** Batches that one synced write may carry: bounds the time one group blocks the main loop. */
export const MAX_GROUP_BATCHES = 256
/** Sealed bytes after which a group is closed. One batch may be larger. */
export const MAX_GROUP_BYTES = 4 * 1024 * 1024
/** Journal entries that one group deletes at most. */
export const TRIM_STEP = 512
/** Events that one call of `retain` removes at most: a clean stop waits for it. */
export const MAX_TRIM = 16_384
/** Redactions of one batch, and of one group: each reads an entry, and commits wait meanwhile. */
export const MAX_REDACTIONS = 512
/** Damaged values that are told apart when they are counted. */
export const DAMAGED_MAX = 1024
/** Records that one call of `events` decodes at most, matching or not. */
export const MAX_SCAN = 1024
/** Data of one page of events, after which it ends early: a thousand of the largest would be 2 GiB. */
export const MAX_PAGE_BYTES = 4 * 1024 * 1024
/** Marks of the last group commits. More than a log of LevelDB holds (4 MiB of at least 250 bytes each). */
export const MARK_RING = 16384
/** Written at init and given up to open on a full disk. */
export const RESERVE_BYTES = 4 * 1024 * 1024
/** Below this much free space a failed opening is taken for a full disk. */
export const FULL_DISK_BYTES = 256 * 1024
/** A store that broke on a full disk is opened again once this much is free: twice the reserve. */
export const HEAL_FREE_BYTES = 2 * RESERVE_BYTES
/** Written and synced to see whether the disk takes writes again. */
export const PROBE_BYTES = 64 * 1024
/**
 * Tables that are rewritten at a stretch to give back the space of deleted values: a stop waits for it, and so much more is taken
 * while a reader holds the old ones.
 */
export const RECLAIM_PART_BYTES = 16 * 1024 * 1024
/** With less free bytes no part is begun: one step of LevelDB writes up to 25 tables of 2 MiB before it deletes the old ones. */
export const RECLAIM_ROOM_BYTES = 50 * 1024 * 1024
/** Content of one chunk of a backup, before sealing. One entry may be larger. */
export const BACKUP_CHUNK_BYTES = 256 * 1024
/** Bound of a reader's memory: the largest entry and a whole chunk. */
export const BACKUP_CHUNK_MAX_BYTES = BACKUP_CHUNK_BYTES + MAX_VALUE_BYTES + 64 * 1024
/** One half of a slot: generation 8 | key 32 | check 16 | zero 8. Divides a 512-byte sector. */
export const SHELF_HALF_BYTES = 64
export const SHELF_SLOT_BYTES = 2 * SHELF_HALF_BYTES
/** Slots that the file grows by. */
export const SHELF_GROW_SLOTS = 64
/** 65536 live secrets, an 8 MiB file. */
export const SHELF_MAX_SLOTS = 65536
export const SHELF_KEY_BYTES = 32
export const SHELF_GENERATION_BYTES = 8
export const SHELF_CHECK_BYTES = 16
/** The key file's content before its encoding. */
export const VAULT_KEY_BYTES = 32
/** Consumers that a store keeps. */
export const MAX_CONSUMERS = 256
/** Default of events that a durable consumer may leave unacknowledged. */
export const DEFAULT_MAX_IN_FLIGHT = 256
/** A filtered consumer's cursor is written at least once per this many skipped events. */
export const ADVANCE_STRIDE = 256
/** Events that are kept at most. */
export const RETENTION_MAX_EVENTS = 1_000_000
/** Journal bytes that are kept at most (approximate). */
export const RETENTION_MAX_BYTES = 1024 * 1024 * 1024
