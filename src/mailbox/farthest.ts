import type { BoxEntry } from './box-entry.ts'

interface Head {
  readonly rest: AsyncGenerator<BoxEntry>
  readonly entry: BoxEntry
  readonly distance: number
}

/** Merges lists that are each in descending order of distance. Each is read as far as something of it is taken. */
export async function* farthestFirst(
  lists: readonly AsyncGenerator<BoxEntry>[],
  distanceOf: (entry: BoxEntry) => number,
): AsyncGenerator<BoxEntry> {
  const next = async (rest: AsyncGenerator<BoxEntry>): Promise<Head | undefined> => {
    const step = await rest.next()
    if (step.done === true) return undefined
    return { rest, entry: step.value, distance: distanceOf(step.value) }
  }
  try {
    let heads = (await Promise.all(lists.map(next))).filter((head) => head !== undefined)
    while (heads.length > 0) {
      const farthest = heads.reduce((a, b) => (b.distance > a.distance ? b : a))
      yield farthest.entry
      const follower = await next(farthest.rest)
      heads = heads.flatMap((head) => {
        if (head !== farthest) return [head]
        return follower === undefined ? [] : [follower]
      })
    }
  } finally {
    await Promise.all(lists.map((list) => list.return(undefined)))
  }
}
