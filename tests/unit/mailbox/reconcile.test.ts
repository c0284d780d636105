import { afterEach, describe, expect, it } from 'vitest'
import { BoxRows } from '../../../src/mailbox/box-rows.ts'
import { type BoxBytes, toHex } from '../../../src/base/index.ts'
import { itemOf } from '../../../src/mailbox/box-entry.ts'
import {
  decodeBoxes,
  decodeReconcileRequest,
  encodeBoxes,
  encodeReconcileRequest,
} from '../../../src/mailbox/reconcile-codec.ts'
import { answerRanges, ItemIndex } from '../../../src/reconcile/index.ts'
import { boxHash } from '../../../src/stream/index.ts'
import {
  addressOf,
  box,
  conflict,
  EXPIRY,
  nodeIdAt,
  publication,
  signal,
  TODAY,
  world,
  type WorldOptions,
} from './fixtures.ts'

const worlds: ReturnType<typeof world>[] = []

function newWorld(options: WorldOptions) {
  const made = world(options)
  worlds.push(made)
  return made
}

afterEach(async () => {
  await Promise.all(worlds.splice(0).map((each) => each.close()))
})

const MINUTE = 60_000
const PROTOCOL = 'mailbox/reconcile'

/** Answers reconciliation with these publications, whatever they are. */
function liar(
  made: ReturnType<typeof world>,
  at: number,
  lies: { box: BoxBytes; sent: Uint8Array | undefined }[],
) {
  const link = made.net.join(nodeIdAt(at))
  const index = new ItemIndex()
  const sent = new Map<string, Uint8Array | undefined>()
  for (const lie of lies) {
    const item = itemOf({ address: addressOf(lie.box), boxHash: boxHash(lie.box) })
    index.set(item, 0)
    sent.set(item, lie.sent)
  }
  link.requests.handle(
    PROTOCOL,
    { maxRequestBytes: 100_000, maxConcurrentPerPeer: 9 },
    async (_peer, payload) => {
      const request = decodeReconcileRequest(payload)
      if (request.op === 'ranges') return answerRanges(request.ranges, index, async () => undefined)
      return encodeBoxes(
        request.items.map((item) => {
          const bytes = sent.get(item)
          const heardMinute = Math.floor(made.clock.now() / MINUTE)
          return bytes === undefined ? undefined : { heardMinute, publication: bytes }
        }),
      )
    },
  )
  return link
}

describe('reconciling the hot window', () => {
  it('brings a node that comes back everything it missed, as boxes that are not confirmed', async () => {
    const made = newWorld({ nodes: 10 })
    const [a, b] = [await made.add(0), await made.add(1)]
    const boxes = Array.from({ length: 150 }, () => box())
    for (const each of boxes) await a.mailbox.accept(publication(each))
    await made.clock.advance(11_000)
    const result = await made.settle(b.mailbox.reconcileHot(a.nodeId, signal))
    expect(result).toEqual({ received: 150, complete: true })
    expect(b.mailbox.status()).toMatchObject({ boxes: 150, unconfirmed: 150 })
    for (const each of boxes) {
      expect(await b.mailbox.find([addressOf(each)])).toEqual([])
    }
    const again = await made.settle(b.mailbox.reconcileHot(a.nodeId, signal))
    expect(again).toEqual({ received: 0, complete: true })
  })

  it('confirms a box when two further peers have it, and not when the same one says so again', async () => {
    const made = newWorld({ nodes: 10 })
    const nodes = await Promise.all([0, 1, 2, 3].map((at) => made.add(at)))
    const [a, b, c, d] = nodes as [
      (typeof nodes)[0],
      (typeof nodes)[0],
      (typeof nodes)[0],
      (typeof nodes)[0],
    ]
    const one = box()
    const others = Array.from({ length: 100 }, () => box())
    for (const holder of [a, c, d]) {
      for (const each of [one, ...others]) await holder.mailbox.accept(publication(each))
    }
    await made.clock.advance(11_000)
    const confirmed: string[] = []
    b.mailbox.onConfirmed((address) => confirmed.push(toHex(address)))
    for (const peer of [a, a, c, c]) {
      await made.settle(b.mailbox.reconcileHot(peer.nodeId, signal))
      expect(confirmed).toEqual([])
    }
    await made.settle(b.mailbox.reconcileHot(d.nodeId, signal))
    expect(confirmed).toHaveLength(101)
    expect(confirmed).toContain(toHex(addressOf(one)))
    expect(await b.mailbox.find([addressOf(one)])).toEqual([one])
    expect(b.mailbox.status().unconfirmed).toBe(0)
  })

  it('never confirms a box that one peer serves to this node alone', async () => {
    const made = newWorld({ nodes: 10 })
    const victim = await made.add(0)
    const honest = await Promise.all([1, 2, 3].map((at) => made.add(at)))
    const bait = box()
    const attacker = liar(made, 9, [{ box: bait, sent: publication(bait) }])
    // Peers pull from the victim too; cut them off so that the bait stays with it.
    await made.settle(victim.mailbox.reconcileHot(attacker.nodeId, signal))
    expect(await victim.mailbox.find([addressOf(bait)])).toEqual([])
    for (const { nodeId } of honest) await made.settle(victim.mailbox.reconcileHot(nodeId, signal))
    await made.settle(victim.mailbox.reconcileHot(attacker.nodeId, signal))
    expect(await victim.mailbox.find([addressOf(bait)])).toEqual([])
  })

  it.each([
    [2, 0],
    [3, 0],
    [5, 1],
    [6, 2],
    [200, 2],
  ])('in a network of %i nodes needs %i further peers', async (size, needed) => {
    const made = newWorld({ nodes: size })
    const [b, ...others] = await Promise.all([0, 1, 2, 3].slice(0, size).map((at) => made.add(at)))
    const one = box()
    for (const { mailbox } of others) await mailbox.accept(publication(one))
    await made.clock.advance(11_000)
    for (const [at, { nodeId }] of others.entries()) {
      await made.settle(b!.mailbox.reconcileHot(nodeId, signal))
      expect(await b!.mailbox.find([addressOf(one)])).toHaveLength(at < needed ? 0 : 1)
    }
  })

  it('confirms at once a box that gossip brings after all', async () => {
    const made = newWorld({ nodes: 10 })
    const [a, b] = [await made.add(0), await made.add(1)]
    const one = box()
    await a.mailbox.accept(publication(one))
    await made.clock.advance(11_000)
    await made.settle(b.mailbox.reconcileHot(a.nodeId, signal))
    const confirmed: string[] = []
    b.mailbox.onConfirmed((address) => confirmed.push(toHex(address)))
    await b.mailbox.accept(publication(one))
    expect(confirmed).toEqual([toHex(addressOf(one))])
    expect(await b.mailbox.find([addressOf(one)])).toEqual([one])
  })

  it('does not make an old box young: two nodes cannot keep a box hot for each other', async () => {
    const made = newWorld({ nodes: 40, keepers: 1 })
    const [a, b] = [await made.add(0), await made.add(1)]
    const boxes = Array.from({ length: 20 }, () => box())
    for (const each of boxes) await a.mailbox.accept(publication(each))
    await made.clock.advance(50 * MINUTE)
    await made.settle(b.mailbox.reconcileHot(a.nodeId, signal))
    expect(b.mailbox.status().hot).toBe(20)
    await made.clock.advance(30 * MINUTE)
    expect([a, b].map(({ mailbox }) => mailbox.status().hot)).toEqual([0, 0])
  })

  it('carries both boxes of a conflict', async () => {
    const made = newWorld({ nodes: 10 })
    const [a, b] = [await made.add(0), await made.add(1)]
    const pair = conflict(2)
    for (const each of pair) await a.mailbox.accept(publication(each))
    await made.clock.advance(11_000)
    await made.settle(b.mailbox.reconcileHot(a.nodeId, signal))
    expect(b.mailbox.status()).toMatchObject({ boxes: 2, unconfirmed: 2 })
    expect(await b.mailbox.lookup(addressOf(pair[0]!))).toEqual([])
    for (const each of pair) await b.mailbox.accept(publication(each))
    expect(await b.mailbox.find([addressOf(pair[0]!)])).toHaveLength(2)
    expect(await b.mailbox.lookup(addressOf(pair[0]!))).toHaveLength(2)
  })

  it('after an absence asks for the youngest boxes too, and goes on with peers that come later', async () => {
    const made = newWorld({ nodes: 10 })
    const [a, b, c, d] = await Promise.all([0, 1, 2, 3].map((at) => made.add(at)))
    for (const late of [c!, d!]) made.net.setOnline(late.nodeId, false)
    const one = box()
    for (const { mailbox } of [a!, c!, d!]) await mailbox.accept(publication(one))
    await made.settle(b!.mailbox.catchUp(signal))
    expect(await b!.mailbox.find([addressOf(one)])).toEqual([])
    for (const late of [c!, d!]) made.net.setOnline(late.nodeId, true)
    await made.clock.advance(3 * MINUTE)
    expect(await b!.mailbox.find([addressOf(one)])).toEqual([one])
  })

  it('catches up with random peers', async () => {
    const made = newWorld({ nodes: 10 })
    const nodes = await Promise.all([0, 1, 2, 3].map((at) => made.add(at)))
    const one = box()
    for (const { mailbox } of nodes.slice(1)) await mailbox.accept(publication(one))
    await made.clock.advance(11_000)
    await made.settle(nodes[0]!.mailbox.catchUp(signal))
    expect(await nodes[0]!.mailbox.find([addressOf(one)])).toEqual([one])
  })
})

describe('a lying peer', () => {
  it.each([
    [
      'a forged box',
      () => {
        const good = box()
        const bad = good.slice() as BoxBytes
        bad[500]! ^= 1
        return { box: bad, sent: publication(bad) }
      },
    ],
    [
      'a publication that no courier signed',
      () => {
        const good = box()
        return { box: good, sent: publication(good, false) }
      },
    ],
    ['bytes of another length', () => ({ box: box(), sent: new Uint8Array(10) })],
  ])('that sends %s is blamed and believed nothing', async (_name, lie) => {
    const made = newWorld({ nodes: 10 })
    const victim = await made.add(0)
    const { box: bait, sent } = lie()
    const link = liar(made, 9, [{ box: bait, sent }])
    expect(await made.settle(victim.mailbox.reconcileHot(link.nodeId, signal))).toBeUndefined()
    expect(victim.link.peers.penalties.get(toHex(link.nodeId))).toBe(10)
    expect(victim.mailbox.status().boxes).toBe(0)
  })

  it('that lists boxes it does not have is blamed in the end', async () => {
    const made = newWorld({ nodes: 10 })
    const victim = await made.add(0)
    const lies = Array.from({ length: 300 }, () => ({ box: box(), sent: undefined }))
    const link = liar(made, 9, lies)
    await made.settle(victim.mailbox.reconcileHot(link.nodeId, signal))
    expect(victim.link.peers.penalties.get(toHex(link.nodeId))).toBe(10)
  })

  it('that answers with too many bytes or garbage costs one failed session', async () => {
    const made = newWorld({ nodes: 10 })
    const victim = await made.add(0)
    for (const [at, bytes] of [
      [8, 10_000_000],
      [9, 50],
    ] as const) {
      const link = made.net.join(nodeIdAt(at))
      link.requests.handle(
        PROTOCOL,
        { maxRequestBytes: 100_000, maxConcurrentPerPeer: 9 },
        async () => new Uint8Array(bytes).fill(7),
      )
      expect(await made.settle(victim.mailbox.reconcileHot(link.nodeId, signal))).toBeUndefined()
    }
  })

  it('that sends an old or foreign box for another item wastes only its own session', async () => {
    const made = newWorld({ nodes: 40, keepers: 1 })
    const victim = await made.add(0)
    const expired = box(TODAY - 1)
    const link = liar(made, 9, [{ box: expired, sent: publication(expired) }])
    expect(await made.settle(victim.mailbox.reconcileHot(link.nodeId, signal))).toEqual({
      received: 0,
      complete: true,
    })
  })
})

describe('reconciling kept boxes', () => {
  it('repairs what a keeper missed, with boxes that both keep and no others', async () => {
    const made = newWorld({ nodes: 8, keepers: 3, hotHours: 1 })
    const a = await made.add(0)
    const [neighbour] = a.placement.neighbours()
    const b = await made.add(
      [1, 2, 3, 4, 5, 6, 7].find((at) => toHex(nodeIdAt(at)) === toHex(neighbour!))!,
    )
    const boxes = Array.from({ length: 120 }, () => box())
    for (const each of boxes) await a.mailbox.accept(publication(each))
    made.net.setLink(a.nodeId, b.nodeId, false)
    await made.clock.advance(70 * MINUTE)
    made.net.setLink(a.nodeId, b.nodeId, true)
    expect(b.mailbox.status().boxes).toBe(0)
    await made.settle(b.mailbox.reconcileShared(a.nodeId, EXPIRY, signal))
    const shared = boxes.filter((each) =>
      [a, b].every(({ placement }) => placement.isKeeper(addressOf(each), TODAY)),
    )
    expect(shared.length).toBeGreaterThan(5)
    expect(b.mailbox.status()).toMatchObject({ boxes: shared.length, hot: 0 })
    for (const each of shared)
      expect(await new BoxRows(b.store, () => 0).all(addressOf(each))).toHaveLength(1)
  })

  it('runs by itself, until all keepers have everything', async () => {
    const made = newWorld({ nodes: 4, keepers: 3 })
    const nodes = await Promise.all([0, 1, 2, 3].map((at) => made.add(at)))
    const boxes = Array.from({ length: 20 }, () => box())
    for (const each of boxes) await nodes[0]!.mailbox.accept(publication(each))
    made.net.setOnline(nodes[0]!.nodeId, false)
    await made.clock.advance(70 * MINUTE)
    made.net.setOnline(nodes[0]!.nodeId, true)
    await made.clock.advance(3 * 60 * MINUTE)
    for (const each of boxes) {
      if (!nodes[0]!.placement.isKeeper(addressOf(each), TODAY)) continue
      for (const { mailbox, placement } of nodes) {
        const found = await mailbox.find([addressOf(each)])
        expect(found.length).toBe(placement.isKeeper(addressOf(each), TODAY) ? 1 : 0)
      }
    }
  })
})

describe('handing over', () => {
  it('gives every kept box to the node that keeps it next', async () => {
    const made = newWorld({ nodes: 8, keepers: 2 })
    const nodes = await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map((at) => made.add(at)))
    const [leaving] = nodes
    const boxes = Array.from({ length: 60 }, () => box())
    const kept = boxes.filter((each) => leaving!.placement.isKeeper(addressOf(each), TODAY))
    for (const each of kept) await leaving!.mailbox.accept(publication(each))
    await made.clock.advance(1_000)
    // The others see the network without the node that leaves.
    for (const { placement } of nodes.slice(1)) {
      placement.isKeeper = (address, day) => {
        const successor = leaving!.placement.successor(address, day)
        return (
          successor !== undefined &&
          nodes.some(
            (each) => each.placement === placement && toHex(each.nodeId) === toHex(successor),
          )
        )
      }
    }
    const accepted = await made.settle(leaving!.mailbox.handOver(signal))
    expect(accepted).toBe(kept.length)
    const total = nodes.slice(1).reduce((sum, { mailbox }) => sum + mailbox.status().boxes, 0)
    expect(total).toBe(kept.length)
  })

  it('is refused by a node that is no keeper', async () => {
    const made = newWorld({ nodes: 8, keepers: 2 })
    const [a, b] = [await made.add(0), await made.add(1)]
    const foreign = Array.from({ length: 40 }, () => box()).filter(
      (each) => !b.placement.isKeeper(addressOf(each), TODAY),
    )
    const payload = encodeBoxes(
      foreign.slice(0, 8).map((each) => ({
        heardMinute: Math.floor(made.clock.now() / MINUTE),
        publication: publication(each),
      })),
    )
    const request = a.link.requests.request(
      b.nodeId,
      'mailbox/handoff',
      Uint8Array.of(8, ...payload),
      { maxResponseBytes: 1, timeoutMs: 5_000 },
    )
    expect(await made.settle(request)).toEqual(Uint8Array.of(0))
    expect(b.mailbox.status().boxes).toBe(0)
  })
})

describe('reconciliation frames of the mailbox', () => {
  it('re-encode to the same bytes and refuse cut or lengthened ones', () => {
    const request = encodeReconcileRequest({
      op: 'get',
      scope: { kind: 'hot', from: 5, to: 9 },
      items: ['ab'.repeat(32), 'cd'.repeat(32)],
    })
    expect(encodeReconcileRequest(decodeReconcileRequest(request))).toEqual(request)
    const boxes = encodeBoxes([undefined, { heardMinute: 7, publication: new Uint8Array(9) }])
    expect(encodeBoxes(decodeBoxes(boxes, 2))).toEqual(boxes)
    for (let length = 0; length < request.length; length++) {
      expect(() => decodeReconcileRequest(request.slice(0, length))).toThrow(Error)
    }
    expect(() => decodeReconcileRequest(Uint8Array.of(...request, 0))).toThrow(Error)
    expect(() => decodeBoxes(boxes, 1)).toThrow(Error)
    expect(() => decodeBoxes(boxes, 3)).toThrow(Error)
  })
})
