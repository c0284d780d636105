import {
  type Address,
  asNetworkId,
  asNodeId,
  type BoxBytes,
  concat,
  type NetworkId,
  type NodeId,
  silentLogger,
  toHex,
  u32be,
} from '../../src/base/index.ts'
import { sign, signKeyPairFromSeed } from '../../src/crypto/index.ts'
import {
  type BoxPort,
  type CourierAnswer,
  encodePublication,
  Gossip,
  type GossipOptions,
  type GossipPorts,
  type MisbehaviourProof,
  type Publication,
  type ReceivedPublication,
} from '../../src/gossip/index.ts'
import { encodeHeader, publicationDigest } from '../../src/gossip/publication.ts'
import { BOX_BYTES } from '../../src/stream/index.ts'
import type { MemoryNetwork, MemoryNode } from './memory-net.ts'
import { seededRng } from './seeded-rng.ts'
import { sha256 } from './test-nets.ts'
import { VirtualClock } from './virtual-clock.ts'

export const NETWORK: NetworkId = asNetworkId(new Uint8Array(32).fill(0xaa))
export const TTL_DAYS = 2
export const EPOCH_MS = 300_000
export const DAY_MS = 86_400_000
/** 12:02:30, the middle of an epoch of five minutes. */
export const START_MS = Date.UTC(2026, 0, 15, 12, 2, 30)

export const epochs = {
  epochAt: (ms: number) => Math.floor((ms - Date.UTC(2026, 0, 1)) / EPOCH_MS),
}
export const EPOCH = epochs.epochAt(START_MS)
export const EXPIRY_DAY = Math.floor(START_MS / DAY_MS) + TTL_DAYS

/** A courier with its own key; `n` is its seed. */
export function courier(n: number) {
  const keys = signKeyPairFromSeed(sha256(u32be(n)))
  return {
    nodeId: asNodeId(keys.publicKey),
    sign: (message: Uint8Array) => sign(message, keys.secretKey),
  }
}
export type Courier = ReturnType<typeof courier>

/** A box that `countingBoxes` takes for valid unless its last byte is 0xff. */
export function fakeBox(
  address: number,
  content = 0,
  o: { day?: number; version?: number; valid?: boolean } = {},
): BoxBytes {
  const filler = seededRng(`${address}/${content}`).bytes(BOX_BYTES - 38)
  return concat(
    Uint8Array.of(o.version ?? 1),
    u32be(o.day ?? EXPIRY_DAY),
    sha256(u32be(address)),
    filler,
    Uint8Array.of(o.valid === false ? 0xff : 0),
  ) as BoxBytes
}

/** Boxes as gossip sees them, counting how often each was verified. */
export class CountingBoxes implements BoxPort {
  verified = 0
  hashed = 0

  header(box: BoxBytes) {
    if (box[0] !== 1) return undefined
    const expiryDay = new DataView(box.buffer, box.byteOffset).getUint32(1)
    return { expiryDay, address: box.slice(5, 37) as Address }
  }

  hash(box: BoxBytes): Uint8Array {
    this.hashed += 1
    return sha256(box)
  }

  verify(box: BoxBytes): boolean {
    this.verified += 1
    return box[BOX_BYTES - 1] !== 0xff
  }
}

/** A publication signed by `by`; fields can be falsified after or before signing. */
export function publication(
  by: Courier,
  box: BoxBytes,
  o: { epoch?: number; counter?: number; networkId?: NetworkId; signature?: Uint8Array } = {},
): Uint8Array {
  const fields = {
    networkId: o.networkId ?? NETWORK,
    epoch: o.epoch ?? EPOCH,
    courier: by.nodeId,
    counter: o.counter ?? 0,
  }
  const digest = publicationDigest(encodeHeader(fields), sha256(box))
  const whole: Publication = { ...fields, box, signature: o.signature ?? by.sign(digest) }
  return encodePublication(whole)
}

/** Counters that live as long as the object. */
export class MemoryCounters {
  readonly reserved = new Map<number, number>()
  readonly calls: string[] = []

  async next(epoch: number): Promise<number> {
    return this.reserved.get(epoch) ?? 0
  }

  async reserve(epoch: number, from: number, count: number): Promise<void> {
    this.calls.push(`${epoch}:${from}+${count}`)
    this.reserved.set(epoch, from + count)
  }
}

export interface GossipRig {
  gossip: Gossip
  node: MemoryNode
  self: Courier
  boxes: CountingBoxes
  store: MemoryCounters
  heard: { publication: ReceivedPublication; from: NodeId }[]
  proofs: MisbehaviourProof[]
  known: Map<string, Uint8Array[]>
  couriers: Map<string, CourierAnswer>
}

/** A node with gossip on a memory network. Every node is a courier with quota 100 unless a test says no. */
export function gossipNode(
  network: MemoryNetwork,
  n: number,
  o: Partial<GossipOptions> & { quota?: number; ports?: Partial<GossipPorts> } = {},
): GossipRig {
  const self = courier(n)
  const node = network.join(self.nodeId)
  const boxes = new CountingBoxes()
  const store = new MemoryCounters()
  const known = new Map<string, Uint8Array[]>()
  const couriers = new Map<string, CourierAnswer>()
  const proofs: MisbehaviourProof[] = []
  const heard: GossipRig['heard'] = []
  const gossip = new Gossip(
    {
      pubsub: node.pubsub,
      clock: network.clock,
      log: silentLogger,
      epochs,
      boxes,
      store,
      key: self,
      peers: node.peers,
      known: { lookup: (address) => known.get(toHex(address)) ?? [] },
      couriers: {
        isCourier: (nodeId) => couriers.get(toHex(nodeId)) ?? 'yes',
        quota: () => o.quota ?? 100,
      },
      onMisbehaviour: (proof) => proofs.push(proof),
      ...o.ports,
    },
    { networkId: NETWORK, ttlDays: TTL_DAYS, publicationsPerSecond: 5, ...o },
  )
  gossip.onPublication((received, from) => heard.push({ publication: received, from }))
  gossip.start()
  return { gossip, node, self, boxes, store, heard, proofs, known, couriers }
}

export function gossipClock(): VirtualClock {
  return new VirtualClock(START_MS)
}
