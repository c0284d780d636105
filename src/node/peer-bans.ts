import { asNodeId, type Clock, type NodeId, readU64be, toHex, u64be } from '../base/index.ts'
import { peerIdText } from '../net/index.ts'
import { type Batch, BUCKETS, type Store } from '../store/index.ts'

/** Until when, milliseconds, for a ban without an end. */
export const FOR_GOOD = Number.MAX_SAFE_INTEGER

/** Nodes that the owner wants nothing to do with: on disk, so that a restart does not forgive them. */
export class PeerBans {
  readonly #store: Store
  readonly #clock: Clock
  readonly #until = new Map<string, { readonly nodeId: NodeId; readonly until: number }>()

  constructor(ports: { store: Store; clock: Clock }) {
    this.#store = ports.store
    this.#clock = ports.clock
  }

  /** What the disk has takes the place of what was here. A ban whose end is damaged has none. */
  async load(): Promise<void> {
    const stored: [NodeId, number][] = []
    for await (const [key, value] of this.#store.entries(BUCKETS.peerBans)) {
      stored.push([asNodeId(key), value === undefined ? FOR_GOOD : readU64be(value)])
    }
    this.#until.clear()
    for (const [nodeId, until] of stored) this.#until.set(toHex(nodeId), { nodeId, until })
  }

  /** In force at once; the caller commits. A later ban of the same node replaces this one. */
  ban(batch: Batch, nodeId: NodeId, until: number): void {
    this.#until.set(toHex(nodeId), { nodeId, until })
    batch.put(BUCKETS.peerBans, nodeId, u64be(until))
  }

  has(nodeId: NodeId): boolean {
    const entry = this.#until.get(toHex(nodeId))
    return entry !== undefined && entry.until > this.#clock.now()
  }

  /** Those in force, as peer ids. */
  list(): string[] {
    const now = this.#clock.now()
    return [...this.#until.values()]
      .filter(({ until }) => until > now)
      .map(({ nodeId }) => peerIdText(nodeId))
  }

  /** Forgets all of them, here and not on disk. */
  clear(): void {
    this.#until.clear()
  }
}
