import { toHex } from '../../../src/base/index.ts'
import { ReplaySet } from '../../../src/mix/replay-set.ts'
import {
  type Batch,
  BUCKETS,
  type CommitResult,
  ConsumerFeed,
  type EventDraft,
  type Store,
} from '../../../src/store/index.ts'
import type { Operation } from '../../../src/store/engine.ts'
import { ReadWindow } from '../../../src/stream/index.ts'
import { type Fate, FaultDisk } from './disk.ts'

/** Bugs that the simulator puts in, to see that it finds them. */
export const PLANTED = [
  'ack-before-sync',
  'event-outside-batch',
  'forgotten-index',
  'key-after-effect',
  'kept-packets',
  'ack-ahead',
] as const
export type Planted = (typeof PLANTED)[number]

const SYNC_MS = 300
const FORGOTTEN_EVERY = 5

/** A disk that says that it has written, and writes a little later. */
export class HastyDisk extends FaultDisk {
  /** What undoes the batches that are not on disk yet, the oldest first. */
  #unsynced: Operation[][] = []

  protected override async commit(operations: readonly Operation[]): Promise<void> {
    const undo = operations.map(({ key }): Operation => {
      const value = this.value(key)
      return value === undefined ? { type: 'del', key } : { type: 'put', key, value }
    })
    undo.reverse()
    this.#unsynced.push(undo)
    this.apply(operations)
    this.clock.setTimer(SYNC_MS, () => {
      this.#unsynced = this.#unsynced.filter((other) => other !== undo)
    })
  }

  override cut(fate: Fate): void {
    super.cut(fate)
    for (const undo of this.#unsynced.toReversed()) this.apply(undo)
    this.#unsynced = []
  }
}

/** The store as a node with a planted bug sees it. */
export function plantedStore(planted: Planted | undefined): ((store: Store) => Store) | undefined {
  if (planted === 'event-outside-batch') return (store) => withBatches(store, tornBatch)
  if (planted === 'key-after-effect') return (store) => withBatches(store, lateKeyBatch)
  return undefined
}

function withBatches(store: Store, batchOf: (store: Store) => Batch): Store {
  return new Proxy(store, {
    get: (target, name) => {
      if (name === 'batch') return () => batchOf(target)
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** Commits the record of an idempotency key after its effect. */
function lateKeyBatch(store: Store): Batch {
  const batch = store.batch()
  const records: (readonly [Uint8Array, Uint8Array])[] = []
  const put = batch.put.bind(batch)
  const commit = batch.commit.bind(batch)
  batch.put = (bucket, key, value) => {
    if (bucket !== BUCKETS.idempotency) return put(bucket, key, value)
    records.push([key, value])
    return batch
  }
  batch.commit = async () => {
    const result = await commit()
    const late = store.batch()
    for (const [key, value] of records) late.put(BUCKETS.idempotency, key, value)
    if (records.length > 0) await late.commit()
    return result
  }
  return batch
}

/** Commits its events after its changes. */
function tornBatch(store: Store): Batch {
  const batch = store.batch()
  const events: EventDraft[] = []
  const commit = async (): Promise<CommitResult> => {
    const result = await batch.commit()
    if (events.length === 0) return result
    const late = store.batch()
    for (const event of events) late.append(event)
    return late.commit()
  }
  const torn: Batch = new Proxy(batch, {
    get: (target, name) => {
      if (name === 'commit') return commit
      if (name === 'append') {
        return (event: EventDraft) => {
          events.push(event)
          return torn
        }
      }
      const value = Reflect.get(target, name, target) as (...args: unknown[]) => unknown
      return (...args: unknown[]) => {
        value.apply(target, args)
        return torn
      }
    },
  })
  return torn
}

/** Changes the code of nodes, from now on until what is returned is called. */
export function plantedPatch(planted: Planted | undefined): (() => void) | undefined {
  if (planted === 'forgotten-index') return forgetIndices()
  if (planted === 'kept-packets') return keepPackets()
  if (planted === 'ack-ahead') return acknowledgeAhead()
  return undefined
}

/** From now on nodes remember every packet that they ever took. */
function keepPackets(): () => void {
  const { prototype } = ReplaySet
  const take = Object.getOwnPropertyDescriptor(prototype, 'take')
  const original = take?.value as ReplaySet['take']
  prototype.take = function (this: ReplaySet & { kept?: Set<string> }, ...args) {
    this.kept ??= new Set()
    this.kept.add(toHex(args[1]))
    return original.apply(this, args)
  }
  return () => {
    prototype.take = original
  }
}

/** From now on windows do not tell of some of the addresses that they derive. Returns what ends it. */
function forgetIndices(): () => void {
  const { prototype } = ReadWindow
  const extend = Object.getOwnPropertyDescriptor(prototype, 'extend')
  const original = extend?.value as ReadWindow['extend']
  prototype.extend = function (this: ReadWindow, count: number) {
    return original.call(this, count).filter(({ index }) => index % FORGOTTEN_EVERY !== 3)
  }
  return () => {
    prototype.extend = original
  }
}

/** From now on a feed acknowledges what it has read before anybody has got it. */
function acknowledgeAhead(): () => void {
  const { prototype } = ConsumerFeed
  const next = Object.getOwnPropertyDescriptor(prototype, 'next')
  const original = next?.value as ConsumerFeed['next']
  prototype.next = async function (this: ConsumerFeed, ...args) {
    const events = await original.apply(this, args)
    const last = events.at(-1)
    if (last !== undefined) await this.ack(last.seq)
    return events
  }
  return () => {
    prototype.next = original
  }
}
