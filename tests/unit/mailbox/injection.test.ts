import { afterEach, describe, expect, it } from 'vitest'
import {
  type BoxBytes,
  HearsayError,
  type NodeId,
  silentLogger,
  toHex,
} from '../../../src/base/index.ts'
import { itemOf } from '../../../src/mailbox/box-entry.ts'
import { BoxShelf } from '../../../src/mailbox/box-shelf.ts'
import { Confirmations } from '../../../src/mailbox/confirmations.ts'
import type { Share } from '../../../src/mailbox/ports.ts'
import {
  decodeReconcileRequest,
  encodeBoxes,
  encodeReconcileRequest,
} from '../../../src/mailbox/reconcile-codec.ts'
import { ShareBook } from '../../../src/mailbox/share-book.ts'
import { answerRanges, ItemIndex } from '../../../src/reconcile/index.ts'
import { openMemoryStore } from '../../../src/store/index.ts'
import { boxHash, verifyBox } from '../../../src/stream/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { Carrier } from './carrier.ts'
import {
  addressOf,
  box,
  conflict,
  epochAt,
  EXPIRY,
  NETWORK,
  nodeIdAt,
  publication,
  publications,
  signal,
  START,
  TODAY,
  TTL_DAYS,
  world,
} from './fixtures.ts'

const worlds: ReturnType<typeof world>[] = []

afterEach(async () => {
  await Promise.all(worlds.splice(0).map((each) => each.close()))
})

const HOUR = 3_600_000
const MINUTE = 60_000

/** A peer that lists these items and gives these publications for them. */
function lister(
  made: ReturnType<typeof world>,
  at: number,
  index: ItemIndex,
  sent: ReadonlyMap<string, Uint8Array>,
  onGet: () => void = () => undefined,
) {
  const link = made.net.join(nodeIdAt(at))
  const options = { maxRequestBytes: 100_000, maxConcurrentPerPeer: 9 }
  link.requests.handle('mailbox/reconcile', options, async (_peer, payload) => {
    const request = decodeReconcileRequest(payload)
    if (request.op === 'ranges') return answerRanges(request.ranges, index, async () => undefined)
    onGet()
    const heardMinute = Math.floor(made.clock.now() / MINUTE)
    return encodeBoxes(
      request.items.map((item) => ({
        heardMinute,
        publication: sent.get(item) ?? new Uint8Array(),
      })),
    )
  })
  return link
}

async function shelf(limit = 3, maxBoxes = 1_000) {
  const clock = new VirtualClock(START)
  const store = await openMemoryStore({ clock, rng: seededRng('shelf'), log: silentLogger })
  const gone: string[] = []
  const made = new BoxShelf(
    {
      store,
      clock,
      log: silentLogger,
      publications,
      verifyBox: (bytes) => verifyBox(NETWORK, bytes),
      onUnconfirmed: () => undefined,
      onGone: (entry) => gone.push(itemOf(entry)),
      placement: {
        keepers: () => [],
        isKeeper: () => true,
        distance: () => 0,
        neighbours: () => [],
        successor: () => undefined,
        size: () => 10,
        isKnown: (node) => node[0] === nodeIdAt(0)[0],
        requestKey: () => undefined,
        share: (courier, epoch, day): Share | undefined =>
          day > TODAY
            ? undefined
            : {
                pool: courier[0] === nodeIdAt(0)[0] ? 'known' : '',
                limit,
                until: START - 10 * 24 * HOUR + (epoch + 1) * 5 * MINUTE,
              },
      },
    },
    { ttlDays: TTL_DAYS, hotMs: HOUR, maxBoxes },
  )
  const take = (bytes: BoxBytes, o: { courier?: NodeId; epoch?: number; signed?: boolean } = {}) =>
    made
      .take(publication(bytes, o.signed ?? true, o), { source: 'reconcile', heardAt: clock.now() })
      .then((outcome) => (outcome.kind === 'dropped' ? outcome.reason : outcome.kind))
  return { clock, made, take, gone }
}

describe('boxes that did not come by gossip', () => {
  it('are no more than their courier can have published in the epoch', async () => {
    const { take } = await shelf(3)
    for (let i = 0; i < 3; i++) expect(await take(box())).toBe('kept')
    expect(await take(box())).toBe('quota')
    expect(await take(box(), { epoch: epochAt(START) - 1 })).toBe('kept')
  })

  it('of couriers that nobody knows share one quota, whatever keys they make', async () => {
    const { take } = await shelf(3)
    const fresh = (i: number) => ({ courier: nodeIdAt(100 + i) })
    const outcomes = []
    for (let i = 0; i < 6; i++) outcomes.push(await take(box(), fresh(i)))
    expect(outcomes).toEqual(['kept', 'kept', 'kept', 'quota', 'quota', 'quota'])
  })

  it('cannot use up a share when they are forged', async () => {
    const { take } = await shelf(3)
    for (let i = 0; i < 9; i++) expect(await take(box(), { signed: false })).toBe('forged')
    expect(await take(box())).toBe('kept')
  })

  it('are refused when their day is not one of their epoch', async () => {
    const { take } = await shelf()
    expect(await take(box(EXPIRY + 1))).toBe('misdated')
  })

  it('do not become hot again, whatever the peer says of the time', async () => {
    const { take, made } = await shelf()
    expect(await take(box(), { epoch: epochAt(START - 5 * HOUR) })).toBe('kept')
    expect(made.hot.size).toBe(0)
  })

  it('of strangers never fill more than their part of the mailbox', () => {
    const book = new ShareBook({ maxStrangers: 5 })
    const share = { pool: '', limit: 4, until: 1_000 }
    for (let i = 0; i < 4; i++) book.add(share, 1)
    expect(book.hasRoom(share, 1)).toBe(false)
    book.add(share, 2)
    expect(book.hasRoom(share, 3)).toBe(false)
    expect(book.hasRoom({ ...share, pool: 'known' }, 3)).toBe(true)
    book.dropBefore(1_001)
    expect(book.hasRoom(share, 1)).toBe(true)
  })

  it('end a session that brings more than the network can have published', async () => {
    const made = world({ nodes: 10 })
    worlds.push(made)
    const victim = await made.add(0)
    const index = new ItemIndex()
    const sent = new Map<string, Uint8Array>()
    for (let i = 0; i < 600; i++) {
      const each = box()
      const item = itemOf({ address: addressOf(each), boxHash: boxHash(each) })
      index.set(item, 0)
      // An epoch of another day.
      sent.set(item, publication(each, true, { epoch: 3 }))
    }
    let gets = 0
    lister(made, 9, index, sent, () => gets++)
    await made.settle(victim.mailbox.reconcileHot(nodeIdAt(9), signal))
    expect(victim.mailbox.status().boxes).toBe(0)
    expect(gets).toBe(5)
  })
})

describe('confirmation', () => {
  const entry = {
    address: addressOf(box()),
    boxHash: new Uint8Array(32),
    expiryDay: EXPIRY,
    slot: 0,
    heardAt: START,
    confirmed: false,
    kept: false,
  }

  it('does not come from keys that the directory does not know', () => {
    const waiting = new Confirmations({ networkSize: () => 10, isKnown: (id) => (id[0] ?? 0) < 9 })
    const node = (n: number) => new Uint8Array(32).fill(n) as NodeId
    waiting.add(entry, { isHot: true, origin: node(1) })
    const item = itemOf(entry)
    for (let n = 9; n < 20; n++) expect(waiting.listed(item, node(n))).toBeUndefined()
    expect(waiting.listed(item, node(2))).toBeUndefined()
    expect(waiting.listed(item, node(3))).toBe(entry)
  })

  it('is no longer waited for when the box is gone', async () => {
    const { clock, made, take, gone } = await shelf()
    const one = box()
    await take(one)
    await clock.advance(0)
    const running = made.sweep(signal)
    await clock.advance(1_000)
    await running
    expect(gone).toEqual([])
    for (let day = 0; day < 4; day++) await clock.advance(24 * HOUR)
    const sweeping = made.sweep(signal)
    await clock.advance(1_000)
    await sweeping
    expect(gone).toHaveLength(1)
  })

  const OTHERS = [1, 2, 3, 4, 5]

  /** Node 0 of six, and five that have these boxes. */
  async function sixNodes(boxes: readonly BoxBytes[], keepers?: number) {
    const made = world({ nodes: 6, ...(keepers === undefined ? {} : { keepers }) })
    worlds.push(made)
    const here = await made.add(0)
    const others = await Promise.all(OTHERS.map((at) => made.add(at)))
    for (const { mailbox } of others) {
      for (const each of boxes) await mailbox.accept(publication(each))
    }
    await made.clock.advance(11_000)
    return { made, here, others }
  }

  it('outlives a session that breaks after the peer has shown what it has', async () => {
    const boxes = Array.from({ length: 300 }, () => box())
    const { made, here, others } = await sixNodes(boxes)
    const [one, two, three, four] = others
    for (const { nodeId } of [one!, two!]) {
      await made.settle(here.mailbox.reconcileHot(nodeId, signal))
    }
    const { request } = here.link.requests
    let asked = 0
    here.link.requests.request = async (peer, protocol, payload, options) => {
      if (++asked > 1) throw new HearsayError('request-failed', 'cut')
      return request.call(here.link.requests, peer, protocol, payload, options)
    }
    // It lacks one: the session goes on after the ranges that are the same.
    await here.mailbox.accept(publication(box()))
    await made.clock.advance(11_000)
    const broken = await made.settle(here.mailbox.reconcileHot(three!.nodeId, signal))
    expect(broken).toBeUndefined()
    expect(asked).toBeGreaterThan(1)
    here.link.requests.request = request
    await made.settle(here.mailbox.reconcileHot(four!.nodeId, signal))
    expect(await here.mailbox.find(boxes.map(addressOf))).toHaveLength(300)
    expect(here.mailbox.status().unconfirmed).toBe(0)
  })

  it('comes to a box that was brought together with a forged one', async () => {
    const good = [box(), box(), box()]
    const { made, here, others } = await sixNodes(good)
    const index = new ItemIndex()
    const sent = new Map<string, Uint8Array>()
    for (const each of [...good, box()]) {
      const item = itemOf({ address: addressOf(each), boxHash: boxHash(each) })
      index.set(item, 0)
      sent.set(item, publication(each, good.includes(each)))
    }
    made.net.setOnline(others[4]!.nodeId, false)
    const link = lister(made, 5, index, sent)
    expect(await made.settle(here.mailbox.reconcileHot(link.nodeId, signal))).toBeUndefined()
    for (const { nodeId } of others.slice(0, 2)) {
      await made.settle(here.mailbox.reconcileHot(nodeId, signal))
    }
    expect(await here.mailbox.find(good.map(addressOf))).toHaveLength(3)
  })

  it('goes on after a restart, also of boxes that are no longer hot', async () => {
    const boxes = Array.from({ length: 20 }, () => box())
    const { made, here, others } = await sixNodes(boxes, 6)
    for (const { nodeId } of others) made.net.setLink(here.nodeId, nodeId, false)
    await made.clock.advance(80 * MINUTE)
    const [first, ...further] = others
    made.net.setLink(here.nodeId, first!.nodeId, true)
    await made.settle(here.mailbox.reconcileShared(first!.nodeId, EXPIRY, signal))
    expect(here.mailbox.status()).toMatchObject({ boxes: 20, hot: 0, unconfirmed: 20 })
    await here.mailbox.stop()
    await here.store.close()
    const again = await made.add(0)
    for (const { nodeId } of further) {
      made.net.setLink(again.nodeId, nodeId, true)
      await made.settle(again.mailbox.reconcileShared(nodeId, EXPIRY, signal))
    }
    expect(await again.mailbox.find(boxes.map(addressOf))).toHaveLength(20)
  })

  it('comes within half a minute after a network that was in two is whole again', async () => {
    const { made, here, others } = await sixNodes([])
    const [near, ...far] = others
    for (const a of [here, near!]) {
      for (const b of far) made.net.setLink(a.nodeId, b.nodeId, false)
    }
    await made.clock.advance(3 * MINUTE)
    const boxes = Array.from({ length: 20 }, () => box())
    for (const { mailbox } of far) {
      for (const each of boxes) await mailbox.accept(publication(each))
    }
    await made.clock.advance(61_000)
    for (const a of [here, near!]) {
      for (const b of far) made.net.setLink(a.nodeId, b.nodeId, true)
    }
    await made.clock.advance(30_000)
    for (const { mailbox } of [here, near!]) {
      expect(await mailbox.find(boxes.map(addressOf))).toHaveLength(20)
    }
  })

  it('is not kept away by peers that come and go all the time', async () => {
    const { made, here, others } = await sixNodes([])
    const [a, b, c, ...restless] = others
    const boxes = Array.from({ length: 20 }, () => box())
    for (const { mailbox } of [a!, b!, c!]) {
      for (const each of boxes) await mailbox.accept(publication(each))
    }
    for (let i = 0; i < 60; i++) {
      for (const { nodeId } of restless) made.net.setLink(here.nodeId, nodeId, i % 2 === 0)
      await made.clock.advance(5_000)
    }
    expect(await here.mailbox.find(boxes.map(addressOf))).toHaveLength(20)
  })

  it('is asked for within seconds once there is somebody to ask', async () => {
    const one = box()
    const { made, here, others } = await sixNodes([one])
    for (const { nodeId } of others.slice(1)) made.net.setOnline(nodeId, false)
    await made.settle(here.mailbox.catchUp(signal))
    expect(await here.mailbox.find([addressOf(one)])).toEqual([])
    for (const { nodeId } of others.slice(1)) made.net.setOnline(nodeId, true)
    await made.clock.advance(30_000)
    expect(await here.mailbox.find([addressOf(one)])).toEqual([one])
  })

  it('of what only one peer has does not hurry the node for ever', async () => {
    const made = world({ nodes: 10 })
    worlds.push(made)
    const [a, b] = [await made.add(0), await made.add(1)]
    await a.mailbox.accept(publication(box()))
    await made.clock.advance(11_000)
    await made.settle(b.mailbox.reconcileHot(a.nodeId, signal))
    expect(b.mailbox.status().unconfirmed).toBe(1)
    await made.clock.advance(12 * MINUTE)
    let requests = 0
    made.net.tap(({ kind, from }) => {
      if (kind === 'request' && from[0] === b.nodeId[0]) requests++
    })
    await made.clock.advance(10 * MINUTE)
    expect(requests).toBeLessThan(16)
  })
})

describe('a box that gossip brings after a peer did', () => {
  it('is hot for as long as with everybody else, whatever the peer said of the time', async () => {
    const { clock, made } = await shelf()
    const one = publication(box())
    const heardAt = clock.now() - HOUR + MINUTE
    await made.take(one, { source: 'reconcile', heardAt })
    await made.take(one, { source: 'gossip' })
    for (let i = 0; i < 5; i++) {
      await clock.advance(10 * MINUTE)
      await made.sweep(signal)
      expect(made.hot.size).toBe(1)
    }
    await clock.advance(20 * MINUTE)
    await made.sweep(signal)
    expect(made.hot.size).toBe(0)
  })
})

describe('the second box of a conflict', () => {
  it('gives way to one that everybody has when one peer alone has brought it', async () => {
    const { made, take, gone } = await shelf(100)
    const [one, two, three, four] = conflict(4) as [BoxBytes, BoxBytes, BoxBytes, BoxBytes]
    for (const each of [one, two]) expect(await take(each)).toBe('kept')
    const gossip = async (each: BoxBytes) => {
      const outcome = await made.take(publication(each), { source: 'gossip' })
      return outcome.kind === 'kept' ? 'kept' : outcome.reason
    }
    expect(await gossip(three)).toBe('kept')
    expect(await gossip(four)).toBe('kept')
    const hashes = (await made.all(addressOf(one))).map(({ entry }) => toHex(entry.boxHash))
    expect(hashes.toSorted()).toEqual([three, four].map((each) => toHex(boxHash(each))).toSorted())
    expect(await gossip(one)).toBe('third')
    expect(await take(two)).toBe('third')
    expect(made.count).toBe(2)
    expect(gone).toHaveLength(2)
  })

  it('is still found, and not written over, when the first was evicted', async () => {
    const { made, take } = await shelf(100)
    const [one, two, three] = conflict(3) as [BoxBytes, BoxBytes, BoxBytes]
    await take(one)
    await take(two)
    const [first] = await made.all(addressOf(one))
    const batch = made.rows.batch()
    made.rows.delete(batch, first!.entry)
    await batch.commit()
    expect(await made.all(addressOf(one))).toHaveLength(1)
    await take(three)
    expect((await made.all(addressOf(one))).map(({ entry }) => entry.slot)).toEqual([0, 1])
  })
})

describe('shared sets', () => {
  it('are built for strangers never, and for a neighbour a few times', async () => {
    const made = world({ nodes: 10 })
    worlds.push(made)
    const victim = await made.add(0)
    await victim.mailbox.accept(publication(box()))
    const ask = async (from: number, day: number) => {
      const link = made.net.find(nodeIdAt(from)) ?? made.net.join(nodeIdAt(from))
      const payload = encodeReconcileRequest({
        op: 'get',
        scope: { kind: 'shared', day },
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
    const neighbour = []
    for (let day = 0; day < 6; day++) neighbour.push(await ask(1, EXPIRY + day))
    expect(neighbour).toEqual([
      'answered',
      'answered',
      'answered',
      'answered',
      'refused',
      'refused',
    ])
    expect(await ask(77, EXPIRY)).toBe('answered')
  })
})

describe('fetching', () => {
  it('does not take a box that only one peer brought for found', async () => {
    const made = world({ nodes: 10 })
    worlds.push(made)
    const victim = await made.add(0)
    const one = box()
    const source = await made.add(1)
    await source.mailbox.accept(publication(one))
    await made.clock.advance(11_000)
    await made.settle(victim.mailbox.reconcileHot(source.nodeId, signal))
    expect(victim.mailbox.status()).toMatchObject({ boxes: 1, unconfirmed: 1 })
    expect(await victim.mailbox.find([addressOf(one)])).toEqual([])
    // No keeper is here to answer.
    const lookUp = victim.mailbox.fetch(addressOf(one), TODAY, signal)
    const result = await new Carrier().until(victim.mailbox, lookUp)
    expect(result.status).toBe('unreachable')
  })
})
