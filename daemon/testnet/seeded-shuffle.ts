import { createHash } from 'node:crypto'

/** An order that depends on the seed alone, so that a run can be repeated. Not for secrets. */
export function seededShuffle<T>(items: readonly T[], seed: string): T[] {
  return items
    .map((item, index) => ({
      item,
      rank: createHash('sha256').update(`${seed}/${index}`).digest('hex'),
    }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .map(({ item }) => item)
}
