import { equalBytes, type Rng } from '../base/index.ts'
import { childrenOf } from './answer.ts'
import { decodeAnswer, encodeRequest, type RangeAnswer } from './codec.ts'
import {
  MAX_RANGES,
  MAX_SESSION_ITEMS,
  MAX_SESSION_REQUESTS,
  SESSION_KEY_BYTES,
} from './constants.ts'
import { fingerprint, Pacer, type Pause } from './fingerprint.ts'
import type { ItemSource } from './item-index.ts'

export interface ReconcilePorts {
  readonly rng: Rng
  readonly source: ItemSource
  /** One request to the peer, one answer. Its errors end the session. */
  readonly ask: (request: Uint8Array) => Promise<Uint8Array>
  readonly pause: Pause
  /** The peer has exactly the items that `source` has in this range. */
  readonly onSame?: (prefix: string) => void
  /** The peer says it has this item. */
  readonly onListed?: (item: string) => void
}

export interface ReconcileLimits {
  readonly maxRequests?: number
  /** Stop when this many items are known to be missing. */
  readonly maxMissing?: number
}

export interface ReconcileResult {
  /** What the peer says it has and `source.has` does not know. */
  readonly missing: readonly string[]
  /** False when a limit ended the session: there may be more. */
  readonly complete: boolean
  readonly requests: number
}

/**
 * Finds what a peer has and we have not. It tells the peer nothing but the ranges in which we differ. A peer that
 * lies can make us believe in items that do not exist and waste up to `maxRequests` requests; it cannot make us
 * loop, hold more than `maxMissing` items, or skip items of a range it does not know (the key is fresh).
 * @throws HearsayError of the class `peer` for a malformed answer, and what `ask` throws.
 */
export async function reconcile(
  ports: ReconcilePorts,
  limits: ReconcileLimits = {},
): Promise<ReconcileResult> {
  const { rng } = ports
  const maxRequests = limits.maxRequests ?? MAX_SESSION_REQUESTS
  const maxMissing = limits.maxMissing ?? MAX_SESSION_ITEMS
  const key = rng.bytes(SESSION_KEY_BYTES)
  const pacer = new Pacer(ports.pause)
  const missing: string[] = []
  // Disjoint at all times: a range is replaced by its children. Taken from the end, depth first, so that a peer
  // which differs everywhere cannot make it long.
  const open = ['']
  let requests = 0
  while (open.length > 0 && requests < maxRequests && missing.length < maxMissing) {
    const prefixes = open.splice(-MAX_RANGES).toSorted()
    const answer = await ports.ask(encodeRequest({ key, prefixes }))
    requests++
    const answers = decodeAnswer(answer, prefixes)
    for (const [index, range] of answers.entries()) {
      const prefix = prefixes[index] ?? ''
      if (range.kind === 'split') open.push(...(await differing(ports, key, prefix, range, pacer)))
      else missing.push(...missingOf(ports, range.items).slice(0, maxMissing - missing.length))
    }
  }
  return { missing, complete: open.length === 0 && missing.length < maxMissing, requests }
}

function missingOf(ports: ReconcilePorts, items: readonly string[]): string[] {
  for (const item of items) ports.onListed?.(item)
  return items.filter((item) => !ports.source.has(item))
}

async function differing(
  { source, onSame }: ReconcilePorts,
  key: Uint8Array,
  prefix: string,
  answer: Extract<RangeAnswer, { kind: 'split' }>,
  pacer: Pacer,
): Promise<string[]> {
  const open: string[] = []
  for (const [digit, child] of childrenOf(prefix).entries()) {
    const own = await fingerprint(key, source.items(child), pacer)
    if (equalBytes(own, answer.fingerprints[digit] ?? own.subarray(0, 0))) onSame?.(child)
    else open.push(child)
  }
  return open
}
