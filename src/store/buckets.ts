/**
 * Numbers of the buckets: the first byte of every key on disk. A number is never given a second meaning;
 * a bucket that goes leaves its number in `TOMBSTONES`.
 */
export const BUCKETS = {
  // conversation
  contacts: 16,
  conversations: 17,
  sendGroups: 18,
  streams: 19,
  readWindows: 20,
  partialRecords: 21,
  outbox: 22,
  messages: 23,
  messageIndex: 24,
  invitations: 25,
  manifests: 26,
  keyPackages: 27,
  welcomes: 28,
  resets: 29,
  identity: 30,
  waitClock: 31,
  removals: 32,
  // mailbox
  boxes: 48,
  boxExpiry: 49,
  boxPlacement: 50,
  wanted: 51,
  audits: 52,
  keeperTrust: 53,
  hotBoxes: 54,
  mailboxCount: 55,
  // gossip
  courierCounters: 64,
  knownBoxes: 65,
  misbehaviour: 66,
  // mix
  mixKeys: 80,
  replayTags: 81,
  surbs: 82,
  // directory
  networks: 96,
  descriptors: 97,
  frozenSets: 98,
  admissions: 99,
  revocations: 100,
  descriptorConflicts: 101,
  // net
  peerAddresses: 112,
  peerBans: 113,
  libp2p: 114,
  // node, rpc, daemon
  settings: 128,
  idempotency: 129,
  tokens: 130,
  nodeKeys: 131,
  jobs: 132,
  runningClock: 133,
  eventMarks: 134,
  // tests and experiments; a released node never writes it
  scratch: 250,
} as const

export type Bucket = (typeof BUCKETS)[keyof typeof BUCKETS]

/** The store's own buckets; callers cannot name them. */
export const SYSTEM_BUCKETS = {
  meta: 0,
  journal: 1,
  consumers: 2,
  secretIndex: 3,
  /** Marks of the last group commits, in the clear. */
  marks: 4,
  /** Written by `compact` only, so that one table spans all keys. */
  sentinel: 255,
} as const

export type SystemBucket = (typeof SYSTEM_BUCKETS)[keyof typeof SYSTEM_BUCKETS]

/** Numbers of removed buckets. */
export const TOMBSTONES: readonly number[] = []
