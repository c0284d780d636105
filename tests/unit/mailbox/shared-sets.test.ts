import { afterEach, describe, expect, it } from 'vitest'
import { asAddress, type NodeId, silentLogger, toHex } from '../../../src/base/index.ts'
import { itemOf } from '../../../src/mailbox/box-entry.ts'
import { BoxShelf } from '../../../src/mailbox/box-shelf.ts'
import { SHARED_SET_BURST, SHARED_SET_REFILL_S } from '../../../src/mailbox/constants.ts'
import { encodeReconcileRequest } from '../../../src/mailbox/reconcile-codec.ts'
import { SharedSets } from '../../../src/mailbox/shared-sets.ts'
import { ALL_DISTANCES, DISTANCES, seenFrom, type Span } from '../../../src/mailbox/span.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { box, EXPIRY, nodeIdAt, publication, publications, world } from './fixtures.ts'

const worlds: ReturnType<typeof world>[] = []

afterEach(async () => {
  await Promise.all(worlds.splice(0).map((each) => each.close()))
})

describe('a span of distances', () => {
  it('is the same boxes seen from another node', () => {
    const rng = seededRng('spans')
    const number = () => (rng.bytes(1)[0] ?? 0) * 256 + (rng.bytes(1)[0] ?? 0)
    for (let i = 0; i < 200; i++) {
      const [a, b] = [number(), number()]
      const span = { from: Math.min(a, b), to: Math.max(a, b) + 1 }
      const between = number()
      const seen = seenFrom(span, between)
      const inside = (distance: number, { from, to }: Span) => distance >= from && distance < to
      expect(seen.length).toBeLessThanOrEqual(30)
      expect(seen.reduce((sum, { from, to }) => sum + to - from, 0)).toBe(span.to - span.from)
      for (let k = 0; k < 50; k++) {
        const distance = k < 2 ? [span.from, span.to - 1][k]! : number()
        const isSeen = seen.some((each) => inside(distance ^ between, each))
        expect(isSeen).toBe(inside(distance, span))
      }
    }
  })

  it('is one span when it is all of them', () => {
    expect(seenFrom(ALL_DISTANCES, 12_345)).toEqual([ALL_DISTANCES])
  })
})

const MAX_ITEMS = 256
const MAX_ROWS = 1_024

/** Two neighbours that keep the same boxes of a day, with the sets that each builds. */
async function neighbours(boxes: number) {
  const made = world({ nodes: 7 })
  worlds.push(made)
  const first = await made.add(0)
  const [nearest] = first.placement.neighbours()
  const at = [1, 2, 3, 4, 5, 6].find((each) => toHex(nodeIdAt(each)) === toHex(nearest!))
  const nodes = [first, await made.add(at!)]
  const rng = seededRng('rows')
  const entries = Array.from({ length: boxes }, () => ({
    address: asAddress(rng.bytes(32)),
    boxHash: rng.bytes(32),
    expiryDay: EXPIRY,
    slot: 0,
    heardAt: made.clock.now(),
    confirmed: true,
    kept: true,
  }))
  const sides = nodes.map(({ store, placement, nodeId }) => {
    const ports = { store, placement, publications, clock: made.clock, log: silentLogger }
    const shelf = new BoxShelf(
      { ...ports, verifyBox: () => true, onGone: () => undefined, isVouched: () => false },
      { ttlDays: 2, hotMs: 3_600_000, maxBoxes: 1_000_000 },
    )
    return {
      shelf,
      store,
      placement,
      nodeId,
      sets: new SharedSets(
        { ...ports, shelf, onUnconfirmed: () => undefined },
        { maxItems: MAX_ITEMS, maxRows: MAX_ROWS },
      ),
    }
  })
  for (const { shelf } of sides) {
    const batch = shelf.rows.batch()
    for (const entry of entries) {
      shelf.rows.put(batch, { entry, publication: new Uint8Array(1) }, false)
    }
    await batch.commit()
  }
  const [a, b] = sides as [(typeof sides)[0], (typeof sides)[0]]
  const shared = entries
    .filter(({ address }) =>
      sides.every(({ placement }) => placement.isKeeper(address, EXPIRY - 2)),
    )
    .map(itemOf)
    .toSorted()
  return { made, a, b, shared }
}

describe('shared sets', () => {
  it('together are all boxes of a day that both keep, on both sides, a bounded number at a time', async () => {
    const boxes = 4_000
    const { made, a, b, shared } = await neighbours(boxes)
    expect(shared.length).toBeGreaterThan(2 * MAX_ITEMS)
    const own: string[] = []
    let sets = 0
    for (let from = 0; from < DISTANCES; sets++) {
      const { set, span } = await made.settle(a.sets.next(b.nodeId, EXPIRY, from))
      const theirs = await made.settle(b.sets.answer(a.nodeId, EXPIRY, span))
      expect([...theirs.items('')]).toEqual([...set.items('')])
      expect(span.from).toBe(from)
      // Those at one distance are not parted.
      expect(set.size).toBeLessThan(MAX_ITEMS + 4)
      own.push(...set.items(''))
      from = span.to
    }
    expect(own.toSorted()).toEqual(shared)
    expect(sets).toBeGreaterThanOrEqual(boxes / MAX_ROWS)
  })

  it('of an answerer that has much more are a part, whatever the asker has', async () => {
    const { made, a, b, shared } = await neighbours(4_000)
    const set = await made.settle(b.sets.answer(a.nodeId, EXPIRY, ALL_DISTANCES))
    expect(set.size).toBeGreaterThan(100)
    expect(set.size).toBeLessThanOrEqual(2 * MAX_ITEMS)
    expect(set.size).toBeLessThan(shared.length)
    for (const item of set.items('')) expect(shared).toContain(item)
  })

  it('are built for strangers never, and for a neighbour a number of times', async () => {
    const made = world({ nodes: 10 })
    worlds.push(made)
    const victim = await made.add(0)
    await victim.mailbox.accept(publication(box()))
    const ask = async (from: number, span: Span) => {
      const node: NodeId = nodeIdAt(from)
      const link = made.net.find(node) ?? made.net.join(node)
      const payload = encodeReconcileRequest({
        op: 'get',
        scope: { kind: 'shared', day: EXPIRY, span },
        items: ['ab'.repeat(32)],
      })
      const request = link.requests.request(victim.nodeId, 'mailbox/reconcile', payload, {
        maxResponseBytes: 1_000,
        timeoutMs: 60_000,
      })
      return made.settle(request).then(
        () => 'answered',
        () => 'refused',
      )
    }
    const began = made.clock.now()
    for (let from = 0; from < SHARED_SET_BURST + 3; from++) await ask(1, { from, to: from + 1 })
    expect(made.clock.now() - began).toBeGreaterThan(2 * SHARED_SET_REFILL_S * 1_000)
    expect(await ask(77, ALL_DISTANCES)).toBe('answered')
  })
})
