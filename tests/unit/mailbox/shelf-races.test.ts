import { expect, it } from 'vitest'
import { type BoxBytes, type NodeId, silentLogger } from '../../../src/base/index.ts'
import { itemOf } from '../../../src/mailbox/box-entry.ts'
import { BoxShelf } from '../../../src/mailbox/box-shelf.ts'
import { BUCKETS, openMemoryStore } from '../../../src/store/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import {
  addressOf,
  box,
  conflict,
  nodeIdAt,
  publication,
  publications,
  signal,
  START,
  TTL_DAYS,
} from './fixtures.ts'

const HOUR = 3_600_000
const ROUNDS = 200
const ACTS = 24

/** Boxes of which some share an address: they are what the races are about, and dear to make. */
const POOL: BoxBytes[] = [...Array.from({ length: 6 }, () => box()), ...conflict(4), ...conflict(4)]

async function shelf(seed: string) {
  const clock = new VirtualClock(START)
  const rng = seededRng(seed)
  const store = await openMemoryStore({ clock, rng, log: silentLogger })
  const counted = new Set<string>()
  const made = new BoxShelf(
    {
      store,
      clock,
      log: silentLogger,
      publications,
      verifyBox: () => true,
      onUnconfirmed: (entry) => counted.add(itemOf(entry)),
      onGone: (entry) => counted.delete(itemOf(entry)),
      placement: {
        keepers: () => [],
        isKeeper: (address) => (address[0] ?? 0) % 2 === 0,
        distance: () => 0,
        neighbours: () => [],
        successor: () => undefined,
        size: () => 10,
        isKnown: () => true,
        requestKey: () => undefined,
        share: () => ({ pool: 'known', limit: 1_000, until: START + 24 * HOUR }),
      },
    },
    { ttlDays: TTL_DAYS, hotMs: HOUR, maxBoxes: 8 },
  )
  return { clock, rng, store, made, counted }
}

it('what is in memory, counted and on disk is the same, however its work is interleaved', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const { clock, rng, store, made, counted } = await shelf(`round ${round}`)
    const draw = (below: number) => (rng.bytes(1)[0] ?? 0) % below
    const peer: NodeId = nodeIdAt(3)
    const under: Promise<unknown>[] = []
    for (let i = 0; i < ACTS; i++) {
      const each = publication(POOL[draw(POOL.length)]!)
      const act = draw(8)
      if (act < 3) under.push(made.take(each, { source: 'gossip' }))
      else if (act < 5) {
        const heardAt = clock.now() - draw(60) * 60_000
        under.push(made.take(each, { source: 'reconcile', peer, heardAt }))
      } else if (act === 5) {
        const [held] = await made.all(addressOf(POOL[draw(POOL.length)]!))
        if (held !== undefined) under.push(made.confirm(held.entry))
      } else if (act === 6) under.push(made.sweep(signal))
      else await clock.advance(draw(20) * 60_000)
      for (let turns = draw(12); turns > 0; turns--) await Promise.resolve()
    }
    await clock.advance(0)
    await Promise.all(under)

    const stored = new Map<string, boolean>()
    for (const each of POOL) {
      for (const { entry } of await made.all(addressOf(each))) {
        stored.set(itemOf(entry), entry.confirmed)
      }
    }
    const keys = { boxes: 0, hotBoxes: 0, boxExpiry: 0 }
    for await (const _ of store.keys(BUCKETS.boxes)) keys.boxes++
    for await (const _ of store.keys(BUCKETS.hotBoxes)) keys.hotBoxes++
    for await (const _ of store.keys(BUCKETS.boxExpiry)) keys.boxExpiry++
    expect([made.count, keys.boxes]).toEqual([stored.size, stored.size])
    expect(made.count).toBeLessThanOrEqual(8 + 1)
    expect(keys.hotBoxes).toBe(made.hot.size)
    const hot = [...made.hot.items.items('')]
    for (const item of hot) expect(stored.has(item)).toBe(true)
    const reachable = new Set(hot)
    for (let day = 0; day < 4; day++) {
      const today = Math.floor(START / 86_400_000)
      for await (const entry of made.rows.kept(today + day)) reachable.add(itemOf(entry))
    }
    // Whatever is stored expires one day.
    expect([...stored.keys()].filter((item) => !reachable.has(item))).toEqual([])
    const unconfirmed = [...stored].filter(([, confirmed]) => !confirmed).map(([item]) => item)
    expect([...counted].filter((item) => !stored.has(item))).toEqual([])
    for (const item of unconfirmed) expect(counted.has(item)).toBe(true)
    await store.close()
  }
})
