import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { type BoxBytes, silentLogger } from '../../../src/base/index.ts'
import { type BoxEntry, itemOf } from '../../../src/mailbox/box-entry.ts'
import { BoxShelf, type Origin } from '../../../src/mailbox/box-shelf.ts'
import { EVICT_BATCH, SHED_MEMORY_MS, STORED_BOX_BYTES } from '../../../src/mailbox/constants.ts'
import { decodeBoxes, encodeReconcileRequest } from '../../../src/mailbox/reconcile-codec.ts'
import { SharedSets } from '../../../src/mailbox/shared-sets.ts'
import { openMemoryStore } from '../../../src/store/index.ts'
import { boxHash } from '../../../src/stream/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import {
  addressOf,
  box,
  epochAt,
  EXPIRY,
  nodeIdAt,
  publication,
  publications,
  signal,
  START,
  TODAY,
  TTL_DAYS,
  world,
  type WorldOptions,
} from './fixtures.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const PEER = nodeIdAt(3)

const farOf = (each: BoxBytes) => addressOf(each)[0] ?? 0

/** A shelf of so many boxes. Boxes that begin alike are equally far. */
async function shelf(maxBoxes: number, isKept = true) {
  const clock = new VirtualClock(START)
  const store = await openMemoryStore({ clock, rng: seededRng('shed'), log: silentLogger })
  const listeners = new Set<(entry: BoxEntry) => void>()
  const placement = {
    keepers: () => [nodeIdAt(0), PEER],
    isKeeper: () => isKept,
    distance: (address: Uint8Array) => (address[0] ?? 0) << 8,
    neighbours: () => [],
    successor: () => undefined,
    size: () => 10,
    isKnown: () => true,
    requestKey: () => undefined,
    share: () => ({ pool: 'known', limit: 1_000, until: START + 48 * HOUR }),
  }
  const made = new BoxShelf(
    {
      store,
      clock,
      log: silentLogger,
      publications,
      verifyBox: () => true,
      onUnconfirmed: () => undefined,
      onGone: (entry) => {
        for (const listener of listeners) listener(entry)
      },
      placement,
    },
    { ttlDays: TTL_DAYS, hotMs: HOUR, maxBoxes },
  )
  const take = async (each: BoxBytes, origin: Origin = { source: 'gossip' }) => {
    const outcome = await made.take(publication(each), origin)
    return outcome.kind === 'kept' ? 'kept' : outcome.reason
  }
  const fill = async (count: number, expiryDay = EXPIRY) => {
    const boxes = Array.from({ length: count }, () => box(expiryDay))
    for (const each of boxes) expect(await take(each)).toBe('kept')
    return boxes
  }
  const left = async (boxes: readonly BoxBytes[]) => {
    const found: BoxBytes[] = []
    for (const each of boxes) if ((await made.all(addressOf(each))).length > 0) found.push(each)
    return found
  }
  return { clock, made, take, fill, left, placement, listeners }
}

describe('boxes that are let go', () => {
  it('are the expired ones, then the farthest that are not hot, then those heard first', async () => {
    const { clock, made, fill, left } = await shelf(1_000)
    const kept = await fill(40)
    await clock.advance(70 * MINUTE)
    await made.sweep(signal)
    expect(made.hot.size).toBe(0)
    const expired = await fill(5, TODAY)
    await clock.advance(13 * HOUR)
    const older = await fill(10)
    await clock.advance(10 * MINUTE)
    const younger = await fill(10)

    await made.shedTo(62, signal)
    expect(await left(expired)).toHaveLength(2)
    expect(made.count).toBe(62)
    await made.shedTo(40, signal)
    expect(await left(expired)).toEqual([])
    const near = await left(kept)
    expect(near).toHaveLength(20)
    const away = kept.filter((each) => !near.includes(each))
    expect(Math.max(...near.map(farOf))).toBeLessThanOrEqual(Math.min(...away.map(farOf)))
    await made.shedTo(15, signal)
    expect(await left(kept)).toEqual([])
    expect(await left(older)).toHaveLength(5)
    expect(await left(younger)).toEqual(younger)
    expect([made.count, made.removed]).toEqual([15, 50])
    expect(made.hotFrom).toBe(START + 70 * MINUTE + 13 * HOUR)
  })

  it('make no room for what neighbours bring', async () => {
    const { clock, made, take, fill } = await shelf(1_000)
    await fill(100)
    await clock.advance(70 * MINUTE)
    await made.sweep(signal)
    await made.shedTo(40, signal)
    expect([made.count, made.freeRoom]).toEqual([40, 0])
    expect(await take(box(), { source: 'handoff', peer: PEER, heardAt: START })).toBe('full')
  })

  it('are no more than are too many, and none when the node stops', async () => {
    const { made, fill } = await shelf(1_000)
    await fill(30)
    await made.shedTo(30, signal)
    await made.shedTo(3, AbortSignal.abort())
    expect([made.count, made.removed, made.hasShedLately]).toEqual([30, 0, false])
  })

  it('leave the lists for neighbours at once, also one that is being made', async () => {
    const { clock, made, fill, left, placement, listeners } = await shelf(1_000)
    const sets = new SharedSets({ clock, shelf: made, placement, onUnconfirmed: () => undefined })
    listeners.add((entry) => sets.forget(entry))
    const boxes = await fill(100)
    await clock.advance(70 * MINUTE)
    await made.sweep(signal)
    let isMade = false
    const begun = sets.get(PEER, EXPIRY).finally(() => {
      isMade = true
    })
    // It gives way after the first boxes, and time stands still.
    await nextTurn()
    await made.shedTo(60, signal)
    expect(isMade).toBe(false)
    await clock.advance(1)
    const set = await begun
    const items = async () =>
      (await left(boxes)).map((each) =>
        itemOf({ address: addressOf(each), boxHash: boxHash(each) }),
      )
    expect([...set.items('')]).toEqual((await items()).toSorted())
    expect(set.size).toBe(60)
    await made.shedTo(10, signal)
    expect([...set.items('')]).toEqual((await items()).toSorted())
    expect(set.size).toBe(10)
  })
})

describe('a mailbox without room', () => {
  it('takes of what neighbours bring only what is free, and evicts nothing for it', async () => {
    const { clock, made, take, fill } = await shelf(100)
    await fill(80)
    await clock.advance(70 * MINUTE)
    await made.sweep(signal)
    const handed: Origin = { source: 'handoff', peer: PEER, heardAt: START }
    const outcomes = []
    for (let i = 0; i < 12; i++) outcomes.push(await take(box(), handed))
    // Eight is what is left beside the part that evicting makes free.
    expect(outcomes.filter((each) => each === 'kept')).toHaveLength(8)
    expect(outcomes.slice(8)).toEqual(['full', 'full', 'full', 'full'])
    expect([made.count, made.removed, made.freeRoom]).toEqual([88, 0, 0])
    await fill(13)
    expect(made.removed).toBe(EVICT_BATCH)
    expect(made.count).toBe(101 - EVICT_BATCH)
  })

  it('does not count what it has no room for against its courier', async () => {
    const { clock, made, take, fill, placement } = await shelf(100)
    await fill(88)
    await clock.advance(70 * MINUTE)
    await made.sweep(signal)
    placement.share = () => ({ pool: 'known', limit: 1, until: START + 48 * HOUR })
    const handed: Origin = { source: 'handoff', peer: PEER, heardAt: START }
    const each = box()
    expect([await take(each, handed), await take(each, handed)]).toEqual(['full', 'full'])
    made.setRoom({ maxBoxes: 1_000, isClosed: false })
    expect([await take(each, handed), await take(box(), handed)]).toEqual(['kept', 'quota'])
  })

  it('takes hot boxes of peers in the place of older ones, never of younger ones', async () => {
    const { clock, made, take, fill } = await shelf(80, false)
    await fill(80)
    await clock.advance(10 * MINUTE)
    const older: Origin = { source: 'reconcile', peer: PEER, heardAt: START - 5 * MINUTE }
    expect(await take(box(), older)).toBe('full')
    expect(made.removed).toBe(0)
    expect(await take(box(), { ...older, heardAt: clock.now() })).toBe('kept')
    expect([made.removed, made.hotFrom]).toEqual([EVICT_BATCH, START])
    // Peers may still have them on a list.
    expect(made.hasShedLately).toBe(true)
  })

  it('takes nothing at all while it is closed, and still knows what it has', async () => {
    const { made, take, fill } = await shelf(80)
    const [one] = await fill(1)
    made.setRoom({ maxBoxes: 80, isClosed: true })
    expect(await take(box())).toBe('full')
    expect(await take(one as BoxBytes)).toBe('known')
    expect([made.freeRoom, made.hotRoom, made.count]).toEqual([0, 0, 1])
    made.setRoom({ maxBoxes: 80, isClosed: false })
    expect(await take(box())).toBe('kept')
  })
})

const worlds: ReturnType<typeof world>[] = []

function newWorld(options: WorldOptions) {
  const made = world(options)
  worlds.push(made)
  return made
}

afterEach(async () => {
  await Promise.all(worlds.splice(0).map((each) => each.close()))
})

describe('a mailbox on a disk that is nearly full', () => {
  const marks = { noneBytes: 1_000_000, lowBytes: 2_000_000, enoughBytes: 3_000_000 }

  it('takes no box, from its start on, and goes on when there is room', async () => {
    const made = newWorld({ nodes: 1 })
    const { mailbox } = await made.add(0, { marks, freeBytes: 900_000 })
    await mailbox.accept(publication(box()))
    expect(mailbox.status()).toMatchObject({ boxes: 0, roomBytes: 0, dropped: { full: 1 } })
    mailbox.fit(marks.noneBytes + 30 * STORED_BOX_BYTES)
    for (let i = 0; i < 200; i++) await mailbox.accept(publication(box()))
    const { boxes, roomBytes } = mailbox.status()
    expect(roomBytes).toBe(30 * STORED_BOX_BYTES)
    expect(boxes).toBeGreaterThan(0)
    expect(boxes).toBeLessThanOrEqual(30)
    mailbox.fit(1_000_000_000)
    for (let i = 0; i < 100; i++) await mailbox.accept(publication(box()))
    expect(mailbox.status()).toMatchObject({ boxes: boxes + 100, dropped: { full: 1 } })
  })

  it('asks its peers for what it has room for, and never again for what is too old for that', async () => {
    const made = newWorld({ nodes: 10 })
    const a = await made.add(0)
    // A hundred boxes are those of ten minutes.
    const b = await made.add(1, { maxBytes: 100 * STORED_BOX_BYTES, boxRate: 1 / 6 })
    made.net.setLink(a.nodeId, b.nodeId, false)
    for (let i = 0; i < 120; i++) await a.mailbox.accept(publication(box()))
    await made.clock.advance(20 * MINUTE)
    const epoch = epochAt(made.clock.now())
    for (let i = 0; i < 90; i++) await a.mailbox.accept(publication(box(), true, { epoch }))
    await made.clock.advance(11_000)
    made.net.setLink(a.nodeId, b.nodeId, true)
    const session = () => made.settle(b.mailbox.reconcileHot(a.nodeId, signal))
    expect(await session()).toEqual({ received: 90, complete: true })
    for (let i = 0; i < 3; i++) expect(await session()).toEqual({ received: 0, complete: true })
    expect(b.mailbox.status()).toMatchObject({ boxes: 90, dropped: {} })
  })

  it('asks for no box while it takes none', async () => {
    const made = newWorld({ nodes: 10 })
    const [a, b] = [await made.add(0), await made.add(1, { marks, freeBytes: 0 })]
    for (let i = 0; i < 20; i++) await a.mailbox.accept(publication(box()))
    await made.clock.advance(11_000)
    let gets = 0
    made.net.tap(({ kind, bytes }) => {
      // The second byte of a request: 1 asks for boxes.
      if (kind === 'request' && bytes[1] === 1) gets++
    })
    const result = await made.settle(b.mailbox.reconcileHot(a.nodeId, signal))
    expect([result, gets]).toEqual([{ received: 0, complete: false }, 0])
  })

  it('blames no list that was given before, by failing where a box has had to go since', async () => {
    const made = newWorld({ nodes: 10 })
    const [a, b] = [await made.add(0), await made.add(1)]
    const boxes = Array.from({ length: 60 }, () => box())
    for (const each of boxes) await a.mailbox.accept(publication(each))
    const ask = async (each: BoxBytes) => {
      const item = itemOf({ address: addressOf(each), boxHash: boxHash(each) })
      const scope = { kind: 'hot', from: 0, to: made.clock.now() } as const
      const payload = encodeReconcileRequest({ op: 'get', scope, items: [item] })
      const request = b.link.requests.request(a.nodeId, 'mailbox/reconcile', payload, {
        maxResponseBytes: 10_000,
        timeoutMs: 5_000,
      })
      return made.settle(request).then(
        (answer) => (decodeBoxes(answer, 1)[0] === undefined ? 'not here' : 'here'),
        () => 'refused',
      )
    }
    a.mailbox.setQuota(50 * STORED_BOX_BYTES)
    await made.clock.advance(100)
    const found = await Promise.all(boxes.map((each) => a.mailbox.find([addressOf(each)])))
    const [gone] = boxes.filter((_, i) => found[i]?.length === 0)
    const [held] = boxes.filter((_, i) => found[i]?.length === 1)
    expect(a.mailbox.status().boxes).toBe(50)
    expect(await ask(held as BoxBytes)).toBe('here')
    expect(await ask(gone as BoxBytes)).toBe('refused')
    await made.clock.advance(SHED_MEMORY_MS)
    expect(await ask(gone as BoxBytes)).toBe('not here')
  })
})

describe('the status of a mailbox', () => {
  it('says what it may hold, and for how long at the measured rate', async () => {
    const made = newWorld({ nodes: 1 })
    const { mailbox, placement } = await made.add(0, { maxBytes: 100 * STORED_BOX_BYTES })
    for (let i = 0; i < 60; i++) await mailbox.accept(publication(box()))
    expect(mailbox.status()).not.toHaveProperty('intake')
    await made.clock.advance(2 * MINUTE)
    expect(placement.isKeeper(addressOf(box()), TODAY)).toBe(true)
    expect(mailbox.status()).toMatchObject({
      boxes: 60,
      bytes: 60 * STORED_BOX_BYTES,
      quotaBytes: 100 * STORED_BOX_BYTES,
      roomBytes: 100 * STORED_BOX_BYTES,
    })
    // Thirty a minute: the quota does not hold the hot hour.
    expect(mailbox.status().intake?.boxesPerHour).toBeCloseTo(1_800, 3)
    expect(mailbox.status().intake?.retentionMs).toBeCloseTo((100 * MINUTE) / 30, 3)
    mailbox.setQuota(2_400 * STORED_BOX_BYTES)
    // The hour of all, and what is left by what is kept, which is all in a network of one.
    expect(mailbox.status().intake?.retentionMs).toBeCloseTo(HOUR + (600 * MINUTE) / 30, 3)
    mailbox.setQuota(1_000_000 * STORED_BOX_BYTES)
    expect(mailbox.status().intake?.retentionMs).toBe(TTL_DAYS * 24 * HOUR)
  })

  it('counts neither what reconciliation brings nor what is known already', async () => {
    const made = newWorld({ nodes: 10 })
    const [a, b] = [await made.add(0), await made.add(1)]
    const boxes = Array.from({ length: 20 }, () => box())
    for (const each of boxes) await a.mailbox.accept(publication(each))
    for (const each of boxes) await a.mailbox.accept(publication(each))
    await made.clock.advance(11_000)
    await made.settle(b.mailbox.reconcileHot(a.nodeId, signal))
    await made.clock.advance(109_000 - 50)
    expect(a.mailbox.status().intake?.boxesPerHour).toBeLessThan(610)
    expect(a.mailbox.status().intake?.boxesPerHour).toBeGreaterThan(590)
    expect(b.mailbox.status().boxes).toBe(20)
    expect(b.mailbox.status()).not.toHaveProperty('intake')
  })
})
