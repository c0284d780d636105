import { decodeRequest, encodeAnswer, type RangeAnswer } from './codec.ts'
import { FANOUT, LEAF_ITEMS, MAX_DEPTH, SKIPS_PER_TURN } from './constants.ts'
import { fingerprint, Pacer, type Pause } from './fingerprint.ts'
import type { ItemSource } from './item-index.ts'

/**
 * Answers one request out of `source`, without any state of a session: at most one pass over the set, at most
 * `MAX_ANSWER_BYTES`. `source` may change during the pauses; the asker then finds a difference that is gone
 * the next time.
 * @throws HearsayError of the class `peer` for a malformed request.
 */
export async function answerRanges(
  request: Uint8Array,
  source: ItemSource,
  pause: Pause,
): Promise<Uint8Array> {
  const { key, prefixes } = decodeRequest(request)
  const pacer = new Pacer(pause)
  const answers: RangeAnswer[] = []
  for (const prefix of prefixes) answers.push(await answerRange(key, prefix, source, pacer))
  return encodeAnswer(answers)
}

async function answerRange(
  key: Uint8Array,
  prefix: string,
  source: ItemSource,
  pacer: Pacer,
): Promise<RangeAnswer> {
  const items: string[] = []
  let more = false
  for (const item of source.items(prefix)) {
    if (item === undefined) {
      await pacer.spend(SKIPS_PER_TURN)
      continue
    }
    // The set may have changed in a pause: an item that came twice would look like a lie.
    if (item <= (items.at(-1) ?? '')) continue
    more = items.length === LEAF_ITEMS
    if (more) break
    items.push(item)
  }
  if (!more || prefix.length === MAX_DEPTH) return { kind: 'items', items }
  const fingerprints: Uint8Array[] = []
  for (const child of childrenOf(prefix)) {
    fingerprints.push(await fingerprint(key, source.items(child), pacer))
  }
  return { kind: 'split', fingerprints }
}

/** The ranges one digit narrower, in order. */
export function childrenOf(prefix: string): string[] {
  return Array.from({ length: FANOUT }, (_, digit) => prefix + digit.toString(16))
}

/**
 * The share of the set (0 to 1) that a request makes its answerer look at, if items spread evenly: what an answerer
 * charges for.
 * @throws HearsayError of the class `peer` for a malformed request.
 */
export function shareOf(request: Uint8Array): number {
  return decodeRequest(request).prefixes.reduce((sum, prefix) => sum + FANOUT ** -prefix.length, 0)
}
