import type { Held } from './held.ts'

/**
 * Of any field of a node: nothing grows with what passes through it. Measured at the end of 58 seeds, 242 nodes of short
 * ones and 10 of whole ones: 35 to 64 where the network does not matter, 59, 72 and 88 keys of 5, 6 and 8 nodes. Counts
 * are the same in every run of a seed, so there is no noise; this is twice as much, for seeds that were not measured.
 */
const ENTRIES = 64
/** What is known of the other nodes, and of their keys of several epochs. */
const ENTRIES_PER_NODE = 16

/** A run is shorter than boxes live: what knows them holds all that came. Measured: at most 305 in four minutes. */
const BOXES = 2_048
const BY_FIELD: Readonly<Record<string, number>> = {
  'HotWindow.#latest': BOXES,
  'ItemIndex.#buckets[].items': BOXES,
  'ItemIndex.#buckets[].marks': BOXES,
  'PublicationLog.#slots[]': BOXES,
  'RecentBoxes.#hashes': BOXES,
  // The network of the tests.
  'MemoryPubSub.#seen': 4 * BOXES,
  'MemoryMesh.#told': BOXES,
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
