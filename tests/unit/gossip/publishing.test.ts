import { beforeEach, describe, expect, it } from 'vitest'
import { HearsayError, isHearsayError, toHex } from '../../../src/base/index.ts'
import { decodeProof, encodeProof, gossipTopics, verifyProof } from '../../../src/gossip/index.ts'
import {
  courier,
  EPOCH,
  EPOCH_MS,
  fakeBox,
  gossipClock,
  gossipNode,
  type GossipRig,
  MemoryCounters,
  NETWORK,
  publication,
} from '../../support/gossip-rig.ts'
import { MemoryNetwork } from '../../support/memory-net.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import type { VirtualClock } from '../../support/virtual-clock.ts'

const topics = gossipTopics(NETWORK)

let clock: VirtualClock
let network: MemoryNetwork
let rigs: GossipRig[]
let first: GossipRig

beforeEach(() => {
  clock = gossipClock()
  network = new MemoryNetwork({ clock, rng: seededRng('publishing') })
  rigs = [1, 2, 3, 4, 5].map((n) => gossipNode(network, n))
  first = rigs[0] as GossipRig
})

describe('publishing a box', () => {
  it('reaches every node once, the courier included', async () => {
    expect(await first.gossip.publish(fakeBox(1))).toEqual({ peers: 4 })
    await clock.advance(50)
    for (const rig of rigs) {
      expect(rig.heard.length).toBe(1)
      expect(toHex(rig.heard[0]?.publication.courier ?? new Uint8Array())).toBe(
        toHex(first.self.nodeId),
      )
    }
  })

  it('says 0 when nobody is there, and the node has heard it all the same', async () => {
    for (const other of rigs.slice(1)) network.setOnline(other.node.nodeId, false)
    expect(await first.gossip.publish(fakeBox(1))).toEqual({ peers: 0 })
    expect(first.heard.length).toBe(1)
  })

  it('that the node knows already goes out again but is handed over once', async () => {
    const box = fakeBox(1)
    await first.gossip.publish(box)
    await clock.advance(50)
    expect(await rigs[1]?.gossip.publish(box)).toEqual({ peers: 4 })
    await clock.advance(50)
    for (const rig of rigs) expect(rig.heard.length).toBe(1)
  })

  it('heals a partition for those that had not heard it', async () => {
    const ids = rigs.map((rig) => rig.node.nodeId)
    network.setPartition(ids.slice(0, 2), ids.slice(2), false)
    const box = fakeBox(1)
    await first.gossip.publish(box)
    await clock.advance(50)
    expect(rigs.map((rig) => rig.heard.length)).toEqual([1, 1, 0, 0, 0])
    network.setPartition(ids.slice(0, 2), ids.slice(2), true)
    await rigs[1]?.gossip.publish(box)
    await clock.advance(50)
    expect(rigs.map((rig) => rig.heard.length)).toEqual([1, 1, 1, 1, 1])
  })

  it('is refused for a box that others would reject', async () => {
    const error = await first.gossip.publish(fakeBox(1, 0, { valid: false })).catch((e) => e)
    expect(isHearsayError(error, 'bad-value')).toBe(true)
    expect(error.details).toEqual({ reason: 'bad-box-signature' })
  })

  it('is refused to a node that is no courier, and beyond its quota', async () => {
    first.couriers.set(toHex(first.self.nodeId), 'no')
    await expect(first.gossip.publish(fakeBox(1))).rejects.toMatchObject({ code: 'not-courier' })
    const small = gossipNode(network, 9, { quota: 1 })
    await small.gossip.publish(fakeBox(2))
    await expect(small.gossip.publish(fakeBox(3))).rejects.toMatchObject({
      code: 'not-courier',
      details: { reason: 'quota' },
    })
  })

  it('uses the last epoch while clocks may still show it, when this one has no place', async () => {
    await clock.advance(EPOCH_MS / 2 + 10_000)
    const rig = gossipNode(network, 9, {
      ports: {
        couriers: {
          isCourier: (_, epoch) => (epoch === EPOCH ? 'yes' : 'no'),
          quota: () => 100,
        },
      },
    })
    await rig.gossip.publish(fakeBox(1))
    expect(rig.heard[0]?.publication.epoch).toBe(EPOCH)
    await clock.advance(EPOCH_MS / 2)
    await expect(rig.gossip.publish(fakeBox(2))).rejects.toMatchObject({ code: 'not-courier' })
  })
})

describe('counters', () => {
  it('are reserved in blocks before the first is used', async () => {
    for (let n = 0; n < 65; n++) await first.gossip.publish(fakeBox(n))
    const from = clock.now()
    expect(first.store.calls).toEqual([`${EPOCH}:${from}+64`, `${EPOCH}:${from + 64}+64`])
    expect(first.heard.map(({ publication: { counter } }) => counter)).toEqual(
      Array.from({ length: 65 }, (_, n) => from + n),
    )
  })

  it('are distinct when boxes are published at once', async () => {
    await Promise.all([1, 2, 3, 4].map((n) => first.gossip.publish(fakeBox(n))))
    expect(first.heard.map(({ publication: { counter } }) => counter)).toEqual(
      [0, 1, 2, 3].map((n) => clock.now() + n),
    )
  })

  it('of a block that was begun before a crash are never used again', async () => {
    const store = new MemoryCounters()
    const before = gossipNode(network, 10, { ports: { store } })
    await before.gossip.publish(fakeBox(1))
    const clone = new MemoryNetwork({ clock, rng: seededRng('after the crash') })
    const after = gossipNode(clone, 10, { ports: { store } })
    await after.gossip.publish(fakeBox(2))
    expect(after.heard[0]?.publication.counter).toBe(clock.now() + 64)
  })

  it('of an older copy of the store are not used again', async () => {
    const copy = new MemoryCounters()
    const before = gossipNode(network, 10)
    await before.gossip.publish(fakeBox(1))
    await clock.advance(500)
    const other = new MemoryNetwork({ clock, rng: seededRng('restored') })
    const restored = gossipNode(other, 10, { ports: { store: copy } })
    await restored.gossip.publish(fakeBox(2))
    const [used, again] = [before, restored].map(({ heard }) => heard[0]?.publication.counter)
    expect(again).not.toBe(used)
  })

  it('are not used when the store cannot promise them', async () => {
    let broken = true
    const store = new MemoryCounters()
    const rig = gossipNode(network, 11, {
      ports: {
        store: {
          next: (epoch) => store.next(epoch),
          reserve: async (epoch, from, count) => {
            if (broken) throw new HearsayError('storage-failed', 'disk')
            await store.reserve(epoch, from, count)
          },
        },
      },
    })
    await expect(rig.gossip.publish(fakeBox(1))).rejects.toMatchObject({ code: 'storage-failed' })
    expect(rig.heard).toEqual([])
    broken = false
    await rig.gossip.publish(fakeBox(1))
    expect(rig.heard[0]?.publication.counter).toBe(clock.now())
  })
})

describe('two boxes under one counter', () => {
  const cheat = courier(77)
  let attacker: ReturnType<MemoryNetwork['join']>

  beforeEach(() => {
    attacker = network.join(cheat.nodeId)
  })

  const send = (to: GossipRig, bytes: Uint8Array) =>
    attacker.pubsub.inject(to.node.nodeId, topics.publications, bytes)

  it('exclude the courier everywhere, by a proof that anyone can check', async () => {
    send(first, publication(cheat, fakeBox(1), { counter: 5 }))
    await clock.advance(50)
    send(first, publication(cheat, fakeBox(2), { counter: 5 }))
    await clock.advance(50)
    for (const rig of rigs) {
      expect(rig.proofs.length).toBe(1)
      expect(toHex(rig.proofs[0]?.courier ?? new Uint8Array())).toBe(toHex(cheat.nodeId))
    }
    send(first, publication(cheat, fakeBox(3), { counter: 6 }))
    await clock.advance(50)
    expect(first.gossip.metrics.of('excluded')).toBe(1)
    for (const rig of rigs) expect(rig.heard.length).toBe(1)
  })

  it('told to different nodes are found out when they meet', async () => {
    send(rigs[1] as GossipRig, publication(cheat, fakeBox(1), { counter: 5 }))
    send(rigs[3] as GossipRig, publication(cheat, fakeBox(2), { counter: 5 }))
    await clock.advance(100)
    for (const rig of rigs) expect(rig.proofs.length).toBe(1)
  })

  it('exclude for that epoch only', async () => {
    send(first, publication(cheat, fakeBox(1), { counter: 5 }))
    await clock.advance(50)
    send(first, publication(cheat, fakeBox(2), { counter: 5 }))
    await clock.advance(EPOCH_MS)
    send(first, publication(cheat, fakeBox(3), { counter: 5, epoch: EPOCH + 1 }))
    await clock.advance(50)
    expect(first.heard.length).toBe(2)
  })

  it('cannot be forged against an honest courier', async () => {
    await first.gossip.publish(fakeBox(1))
    await clock.advance(50)
    const honest = first.self
    const genuine = rigs[1]?.heard[0]?.publication
    if (genuine === undefined) throw new Error('nothing heard')
    const forgeries = [
      { boxHash: new Uint8Array(32), signature: genuine.signature },
      { boxHash: new Uint8Array(32), signature: cheat.sign(new Uint8Array(32)) },
      { boxHash: genuine.boxHash, signature: genuine.signature },
    ]
    for (const forged of forgeries) {
      const { boxHash, signature } = genuine
      const proof = { ...genuine, signed: [forged, { boxHash, signature }] as const }
      expect(verifyProof({ ...proof, courier: honest.nodeId })).toBe(false)
      attacker.pubsub.inject(first.node.nodeId, topics.proofs, encodeProof(proof))
    }
    await clock.advance(50)
    for (const rig of rigs) expect(rig.proofs).toEqual([])
  })

  it('of a stranger exclude nobody and are not passed on', async () => {
    const stranger = courier(78)
    for (const rig of rigs) rig.couriers.set(toHex(stranger.nodeId), 'unknown')
    const scratch = gossipNode(new MemoryNetwork({ clock, rng: seededRng(1) }), 6)
    const [one, two] = [fakeBox(1), fakeBox(2)].map((box) => publication(stranger, box))
    scratch.node.pubsub.receive(topics.publications, one as Uint8Array, cheat.nodeId)
    await clock.advance(1)
    scratch.node.pubsub.receive(topics.publications, two as Uint8Array, cheat.nodeId)
    await clock.advance(1)
    const [proof] = scratch.proofs
    if (proof === undefined) throw new Error('no proof')
    expect(verifyProof(decodeProof(encodeProof(proof)))).toBe(true)
    attacker.pubsub.inject(first.node.nodeId, topics.proofs, encodeProof(proof))
    await clock.advance(50)
    for (const rig of rigs) expect(rig.proofs).toEqual([])
  })
})

describe('poisoning the seen-cache', () => {
  it('with garbage under a known address silences no box', async () => {
    const attacker = network.join(courier(66).nodeId)
    const genuine = Array.from({ length: 10 }, (_, n) =>
      publication(first.self, fakeBox(n), { counter: n }),
    )
    for (const bytes of genuine) {
      for (const garble of [0, 40, 76, 100, 2_000, 2_124, 2_188]) {
        const poison = bytes.slice()
        poison[garble] = (poison[garble] ?? 0) ^ 1
        for (const rig of rigs) {
          attacker.pubsub.inject(rig.node.nodeId, topics.publications, poison)
        }
      }
    }
    await clock.advance(50)
    for (const rig of rigs) expect(rig.heard).toEqual([])
    for (const bytes of genuine) await first.node.pubsub.publish(topics.publications, bytes)
    await clock.advance(50)
    for (const rig of rigs.slice(1)) expect(rig.heard.length).toBe(10)
  })
})
