import { type Batch, type Bucket, BUCKETS, type Store } from '../store/index.ts'

/**
 * What outlives a network: settings, the node's keys, which networks are known, and the courier's counters,
 * because a counter that is used twice proves a misbehaviour that would exclude this node for good.
 */
const KEPT: ReadonlySet<Bucket> = new Set([
  BUCKETS.settings,
  BUCKETS.tokens,
  BUCKETS.nodeKeys,
  BUCKETS.networks,
  BUCKETS.courierCounters,
])

/** What only makes sense in the network that it came from, and is nobody's own. */
const CACHES = [
  BUCKETS.boxes,
  BUCKETS.boxExpiry,
  BUCKETS.boxPlacement,
  BUCKETS.wanted,
  BUCKETS.audits,
  BUCKETS.keeperTrust,
  BUCKETS.hotBoxes,
  BUCKETS.mailboxCount,
  BUCKETS.knownBoxes,
  BUCKETS.misbehaviour,
  BUCKETS.mixKeys,
  BUCKETS.replayTags,
  BUCKETS.descriptors,
  BUCKETS.frozenSets,
  BUCKETS.admissions,
  BUCKETS.revocations,
  BUCKETS.descriptorConflicts,
  BUCKETS.peerAddresses,
] as const

/** Keys whose deletions one batch carries. */
const STEP = 256

/** Whether contacts of the network that was left are still here. */
export async function hasContacts(store: Store): Promise<boolean> {
  for await (const _ of store.keys(BUCKETS.contacts, { limit: 1 })) return true
  return false
}

/** Erases boxes and directory of the network that was left. */
export async function eraseCaches(store: Store): Promise<void> {
  for (const bucket of CACHES) await eraseBucket(store, bucket)
}

/**
 * Erases all that a network left in this home: contacts, messages, boxes, events, answers that were recorded.
 * Can be repeated after a crash. `last` joins the batch after which nothing is left; then the tables are
 * rewritten. Consumers go on behind the events that are gone, and none of them counts as lost.
 */
export async function eraseAll(store: Store, last: (batch: Batch) => void): Promise<void> {
  for (const bucket of Object.values(BUCKETS)) {
    if (!KEPT.has(bucket)) await eraseBucket(store, bucket)
  }
  const head = store.headSeq()
  for (const { name } of store.consumers.list()) {
    await store.consumers.ack(name, head)
    await store.consumers.forgetLosses(name)
  }
  await store.journal.trim(head + 1)
  const batch = store.batch()
  last(batch)
  await batch.commit()
  await store.compact()
}

async function eraseBucket(store: Store, bucket: Bucket): Promise<void> {
  let batch = store.batch()
  let count = 0
  for await (const key of store.keys(bucket)) {
    batch.del(bucket, key)
    if (++count % STEP !== 0) continue
    await batch.commit()
    batch = store.batch()
  }
  if (count % STEP !== 0) await batch.commit()
}
