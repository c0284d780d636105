import { beforeEach, describe, expect, it } from 'vitest'
import { asNetworkId, toHex, u32be } from '../../../src/base/index.ts'
import { EpochLedgers } from '../../../src/gossip/epoch-ledger.ts'
import { gossipTopics, type Reason, REASONS } from '../../../src/gossip/index.ts'
import { RecentBoxes } from '../../../src/gossip/recent-boxes.ts'
import { type Outcome, PublicationValidator } from '../../../src/gossip/validator.ts'
import { TimeWindow } from '../../../src/gossip/window.ts'
import {
  CountingBoxes,
  courier,
  EPOCH,
  epochs,
  EXPIRY_DAY,
  fakeBox,
  gossipClock,
  gossipNode,
  type GossipRig,
  NETWORK,
  publication,
  TTL_DAYS,
} from '../../support/gossip-rig.ts'
import { MemoryNetwork, type MemoryNode } from '../../support/memory-net.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { sha256 } from '../../support/test-nets.ts'
import type { VirtualClock } from '../../support/virtual-clock.ts'

const topic = gossipTopics(NETWORK).publications
const alice = courier(50)
const bob = courier(51)

let clock: VirtualClock
let network: MemoryNetwork
let rig: GossipRig
let neighbour: MemoryNode

beforeEach(() => {
  clock = gossipClock()
  network = new MemoryNetwork({ clock, rng: seededRng('validation') })
  rig = gossipNode(network, 1, { quota: 3 })
  neighbour = network.join(courier(99).nodeId)
})

/** Sends the bytes from a neighbour and returns the one reason that was counted for them. */
async function verdictOn(bytes: Uint8Array): Promise<Reason | undefined> {
  const before = rig.gossip.metrics.snapshot()
  neighbour.pubsub.inject(rig.node.nodeId, topic, bytes)
  await clock.advance(10)
  const after = rig.gossip.metrics.snapshot()
  const changed = Object.keys(REASONS).filter(
    (reason) => after[reason as Reason] !== before[reason as Reason],
  )
  expect(changed.length).toBeLessThan(2)
  return changed[0] as Reason | undefined
}

/** Runs `act` and tells whether the (expensive) box signature was looked at. */
async function boxVerifications(act: () => Promise<unknown>): Promise<number> {
  const before = rig.boxes.verified
  await act()
  return rig.boxes.verified - before
}

describe('a valid publication', () => {
  it('is handed over once with its parts and its neighbour', async () => {
    const box = fakeBox(1)
    const bytes = publication(alice, box, { counter: 9 })
    expect(await verdictOn(bytes)).toBe('accepted')
    expect(rig.heard.length).toBe(1)
    const { publication: heard, from } = rig.heard[0] as (typeof rig.heard)[0]
    expect(toHex(from)).toBe(toHex(neighbour.nodeId))
    expect(heard).toMatchObject({ epoch: EPOCH, counter: 9, conflict: false })
    expect(toHex(heard.courier)).toBe(toHex(alice.nodeId))
    expect(toHex(heard.address)).toBe(toHex(sha256(u32be(1))))
    expect(toHex(heard.bytes)).toBe(toHex(bytes))
    expect(toHex(heard.boxHash)).toBe(toHex(sha256(box)))
  })

  it('is not even counted when the same bytes come again', async () => {
    const bytes = publication(alice, fakeBox(1))
    await verdictOn(bytes)
    expect(await verdictOn(bytes)).toBeUndefined()
    expect(rig.heard.length).toBe(1)
  })
})

describe('malformed publications', () => {
  const falsified = (at: number, value: number) => {
    const bytes = publication(alice, fakeBox(1))
    bytes[at] = value
    return bytes
  }

  it.each<[Reason, () => Uint8Array]>([
    ['bad-size', () => publication(alice, fakeBox(1)).subarray(1)],
    ['bad-size', () => new Uint8Array(0)],
    ['bad-size', () => new Uint8Array([...publication(alice, fakeBox(1)), 0])],
    ['bad-version', () => falsified(0, 2)],
    ['wrong-network', () => falsified(1, 0)],
    ['bad-counter', () => falsified(69, 0xff)],
    ['bad-box-version', () => publication(alice, fakeBox(1, 0, { version: 7 }))],
    ['bad-courier-signature', () => falsified(2_188, 0xff)],
    ['bad-courier-signature', () => falsified(100, 0)],
    ['bad-courier-signature', () => falsified(76, 1)],
    ['bad-box-signature', () => publication(alice, fakeBox(1, 0, { valid: false }))],
    [
      'bad-courier-signature',
      () => publication(alice, fakeBox(1), { signature: bob.sign(new Uint8Array(32)) }),
    ],
  ])('are rejected as %s', async (reason, bytes) => {
    expect(await verdictOn(bytes())).toBe(reason)
    expect(REASONS[reason]).toBe('reject')
    expect(rig.heard).toEqual([])
  })

  it('of another network are rejected even with good signatures', async () => {
    const networkId = asNetworkId(new Uint8Array(32).fill(0xbb))
    expect(await verdictOn(publication(alice, fakeBox(1), { networkId }))).toBe('wrong-network')
  })
})

describe('the window of time', () => {
  it('accepts what an honest clock may show and ignores the rest', async () => {
    let address = 0
    const at = async (epoch: number) =>
      await verdictOn(publication(alice, fakeBox(address++), { epoch }))
    expect(await at(EPOCH)).toBe('accepted')
    expect(await at(EPOCH - 1)).toBe('epoch-near')
    expect(await at(EPOCH + 1)).toBe('epoch-near')
    expect(await at(EPOCH - 2)).toBe('epoch-far')
    expect(await at(EPOCH + 2)).toBe('epoch-far')
    expect(REASONS['epoch-near']).toBe('ignore')
    // A node with a wrong clock must not punish everybody else for it.
    expect(REASONS['epoch-far']).toBe('ignore')
    expect(REASONS['day-far']).toBe('ignore')
    await clock.advance(90_000)
    expect(await at(EPOCH + 1)).toBe('accepted')
    expect(await at(EPOCH + 3)).toBe('epoch-far')
  })

  it('holds for the day of publishing too', async () => {
    const at = async (day: number) =>
      await verdictOn(publication(alice, fakeBox(day, 0, { day }), { counter: day }))
    expect(await at(EXPIRY_DAY)).toBe('accepted')
    expect(await at(EXPIRY_DAY - 1)).toBe('day-near')
    expect(await at(EXPIRY_DAY + 1)).toBe('day-near')
    expect(await at(EXPIRY_DAY + 2)).toBe('day-far')
    expect(await at(0)).toBe('day-far')
    expect(await at(0xffff_ffff)).toBe('day-far')
  })

  it('never has a signature checked outside of it', async () => {
    const cases = [
      publication(alice, fakeBox(1, 0, { day: EXPIRY_DAY + 1 })),
      publication(alice, fakeBox(2, 0, { day: 3 })),
      publication(alice, fakeBox(3), { epoch: EPOCH - 1 }),
      publication(alice, fakeBox(4), { epoch: 0 }),
    ]
    for (const bytes of cases) {
      // A false courier signature would be named if it had been looked at.
      bytes[2_188] = (bytes[2_188] ?? 0) ^ 1
      expect(await boxVerifications(() => verdictOn(bytes))).toBe(0)
    }
    expect(rig.gossip.metrics.of('bad-courier-signature')).toBe(0)
  })
})

describe('known boxes', () => {
  it('are ignored under another courier, without a look at any signature', async () => {
    const box = fakeBox(1)
    await verdictOn(publication(alice, box))
    const copy = publication(bob, box)
    copy[2_188] = (copy[2_188] ?? 0) ^ 1
    expect(await boxVerifications(async () => expect(await verdictOn(copy)).toBe('known'))).toBe(0)
    expect(rig.heard.length).toBe(1)
  })

  it('are ignored when only the mailbox remembers them', async () => {
    const box = fakeBox(1)
    rig.known.set(toHex(sha256(u32be(1))), [sha256(box)])
    expect(await verdictOn(publication(alice, box))).toBe('known')
  })

  it('let one other valid box under the address pass as a conflict, and no third', async () => {
    expect(await verdictOn(publication(alice, fakeBox(1, 0), { counter: 0 }))).toBe('accepted')
    expect(await verdictOn(publication(alice, fakeBox(1, 1), { counter: 1 }))).toBe(
      'accepted-conflict',
    )
    expect(await verdictOn(publication(bob, fakeBox(1, 2), { counter: 0 }))).toBe('third-box')
    expect(rig.heard.map(({ publication: { conflict } }) => conflict)).toEqual([false, true])
  })

  it('mark nothing before a publication is fully valid', async () => {
    const box = fakeBox(1, 0, { valid: false })
    expect(await verdictOn(publication(alice, box, { counter: 0 }))).toBe('bad-box-signature')
    // Were it marked, this one would be a conflict, or its counter an equivocation.
    expect(await verdictOn(publication(alice, fakeBox(1, 1), { counter: 0 }))).toBe('accepted')
  })

  it('that arrive together by two couriers are handed over once', async () => {
    const box = fakeBox(1)
    for (const by of [alice, bob]) {
      neighbour.pubsub.inject(rig.node.nodeId, topic, publication(by, box))
    }
    await clock.advance(20)
    expect(rig.heard.length).toBe(1)
    expect(rig.gossip.metrics.snapshot()).toEqual({ accepted: 1, known: 1 })
  })
})

describe('couriers', () => {
  it('that are none in the epoch are ignored before any signature', async () => {
    rig.couriers.set(toHex(alice.nodeId), 'no')
    const bytes = publication(alice, fakeBox(1))
    expect(await boxVerifications(async () => verdictOn(bytes))).toBe(0)
    expect(rig.gossip.metrics.snapshot()).toEqual({ 'not-courier': 1 })
  })

  it('are heard up to their quota, which forgeries do not use up', async () => {
    for (let counter = 0; counter < 10; counter++) {
      const forged = publication(alice, fakeBox(100 + counter), {
        counter,
        signature: bob.sign(new Uint8Array(32)),
      })
      expect(await verdictOn(forged)).toBe('bad-courier-signature')
    }
    for (let counter = 0; counter < 3; counter++) {
      expect(await verdictOn(publication(alice, fakeBox(counter), { counter }))).toBe('accepted')
    }
    expect(await verdictOn(publication(alice, fakeBox(3), { counter: 3 }))).toBe('quota')
    expect(await verdictOn(publication(bob, fakeBox(4)))).toBe('accepted')
  })

  it('are heard again when the work is shared by fewer, and what was too much stays ignored', async () => {
    let fewest = 3
    let isHere = true
    rig = gossipNode(network, 2, {
      ports: {
        couriers: { isCourier: () => (isHere ? 'yes' : 'no'), quota: () => Math.floor(6 / fewest) },
      },
    })
    const publish = (n: number) => verdictOn(publication(alice, fakeBox(n), { counter: n }))
    expect([await publish(0), await publish(1), await publish(2)]).toEqual([
      'accepted',
      'accepted',
      'quota',
    ])
    fewest = 2
    expect([await publish(3), await publish(4)]).toEqual(['accepted', 'quota'])
    expect(rig.heard).toHaveLength(3)
    isHere = false
    expect(await publish(5)).toBe('not-courier')
  })

  it('that the directory does not know share one quota', async () => {
    let heard = 0
    for (let n = 0; n < 600; n++) {
      const stranger = courier(1_000 + n)
      rig.couriers.set(toHex(stranger.nodeId), 'unknown')
      neighbour.pubsub.inject(
        rig.node.nodeId,
        topic,
        publication(stranger, fakeBox(n), { counter: n }),
      )
      if (n % 50 === 0) await clock.advance(10)
    }
    await clock.advance(20)
    heard = rig.gossip.metrics.of('accepted')
    expect(heard).toBe(512)
    expect(rig.gossip.metrics.of('quota')).toBe(88)
    expect(await verdictOn(publication(alice, fakeBox(9_999)))).toBe('accepted')
  })

  it('that repeat a box under its counter are replays, even when the box itself is forgotten', () => {
    const ledgers = new EpochLedgers()
    const validator = new PublicationValidator(
      {
        ledgers,
        window: new TimeWindow({ clock, epochs }, { ttlDays: TTL_DAYS }),
        boxes: new CountingBoxes(),
        known: { lookup: () => [] },
        recent: new RecentBoxes({ maxAddresses: 1 }),
        couriers: { isCourier: () => 'yes', quota: () => 10 },
      },
      { networkId: NETWORK },
    )
    const judge = (bytes: Uint8Array) => (validator.judge(bytes) as Outcome).reason
    expect(judge(publication(alice, fakeBox(1), { counter: 0 }))).toBe('accepted')
    expect(judge(publication(alice, fakeBox(2), { counter: 1 }))).toBe('accepted')
    expect(judge(publication(alice, fakeBox(1), { counter: 0 }))).toBe('known')
    expect(judge(publication(alice, fakeBox(3), { counter: 1 }))).toBe('equivocation')
    expect(ledgers.size).toBe(1)
  })
})

describe('ignored messages', () => {
  it('cost a flooding neighbour points, and a normal one nothing', async () => {
    const box = fakeBox(1)
    await verdictOn(publication(alice, box))
    for (let n = 0; n < 700; n++) {
      neighbour.pubsub.inject(rig.node.nodeId, topic, publication(bob, box, { counter: n }))
    }
    await clock.advance(20)
    expect(rig.node.peers.penalties.get(toHex(neighbour.nodeId))).toBeUndefined()
    for (let n = 700; n < 800; n++) {
      neighbour.pubsub.inject(rig.node.nodeId, topic, publication(bob, box, { counter: n }))
    }
    await clock.advance(20)
    expect(rig.node.peers.penalties.get(toHex(neighbour.nodeId))).toBeGreaterThan(10)
  })
})
