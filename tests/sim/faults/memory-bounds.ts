import type { Held } from './held.ts'

/** Of any field of a node: nothing grows with what passes through it. Measured: at most 63 with five nodes. */
const ENTRIES = 64
/** What is known of the other nodes, and of their keys of several epochs. */
const ENTRIES_PER_NODE = 16

/** A run is shorter than boxes live: what knows them holds all that came. Measured: at most 255 in three minutes. */
const BOXES = 4_096
const BY_FIELD: Readonly<Record<string, number>> = {
  'HotWindow.#latest': BOXES,
  'ItemIndex.#buckets[].items': BOXES,
  'ItemIndex.#buckets[].marks': BOXES,
  'PublicationLog.#slots[]': BOXES,
  'RecentBoxes.#hashes': BOXES,
  // The network of the tests.
  'MemoryPubSub.#seen': 4 * BOXES,
  // As long as this from the start.
  'ItemIndex.#buckets': 8_192,
  // 256 for each epoch whose key is not erased yet.
  'TagTable.#shards': 4 * 256,
}

/** What a node of a network of so many keeps beyond what it may. */
export function overBounds(held: Held, nodes: number): string[] {
  const most = ENTRIES + ENTRIES_PER_NODE * nodes
  return [...held].flatMap(([field, entries]) => {
    const bound = BY_FIELD[field] ?? most
    return entries > bound ? `${field} holds ${entries} entries, ${bound} are allowed` : []
  })
}
