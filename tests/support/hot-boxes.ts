import { type Address, asAddress, type Rng } from '../../src/base/index.ts'
import { BoxRows } from '../../src/mailbox/box-rows.ts'
import { openHome } from './old-events.ts'

export interface HotBoxes {
  readonly boxes: number
  /** They were heard at even intervals of the time before `now`. */
  readonly now: number
  readonly overMs: number
  readonly ttlDays: number
  /** Kept until they expire, all of them. */
  readonly kept: boolean
}

const DAY_MS = 86_400_000
/** A publication: a box of 2 KiB and its envelope. */
const PUBLICATION_BYTES = 2_300
const BATCH = 500

/**
 * Writes boxes that nobody can read into the store of a stopped node, beside what it holds. Two nodes with the same
 * `rng` and options hold the same boxes, and have nothing to tell each other.
 */
export async function addHotBoxes(home: string, rng: Rng, options: HotBoxes): Promise<void> {
  const { boxes, now, overMs, ttlDays, kept } = options
  const store = await openHome(home)
  try {
    const rows = new BoxRows(store, () => 7)
    const publication = rng.bytes(PUBLICATION_BYTES)
    const before = await rows.count()
    for (let done = 0; done < boxes; ) {
      const batch = rows.batch()
      const next = Math.min(boxes, done + BATCH)
      for (; done < next; done++) {
        const address: Address = asAddress(rng.bytes(32))
        const entry = {
          address,
          boxHash: rng.bytes(32),
          expiryDay: Math.floor(now / DAY_MS) + ttlDays,
          slot: 0,
          heardAt: now - Math.floor(((done + 1) / boxes) * overMs),
          confirmed: true,
          kept,
        }
        rows.put(batch, { entry, publication }, true)
      }
      rows.putCount(batch, before + done)
      await batch.commit()
    }
  } finally {
    await store.close()
  }
}
