import {
  type Address,
  compareBytes,
  concat,
  type NodeId,
  u32be,
  xorDistance,
} from '../base/index.ts'
import { sha256 } from '../crypto/index.ts'
import {
  DIVERSITY_NETS_PER_KEEPER,
  MAX_KEEPERS_PER_HOST,
  MAX_KEEPERS_PER_NET,
} from './constants.ts'
import { addressGroups } from './multiaddr.ts'

// Identity multihash of the protobuf of an Ed25519 public key: what a libp2p peer id consists of.
const PEER_ID_PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)

/** A node's place in the Kademlia metric, 32 bytes: SHA-256 of the bytes of its libp2p peer id, as kad-dht. */
export function kadId(nodeId: NodeId): Uint8Array {
  return sha256(concat(PEER_ID_PREFIX, nodeId))
}

/** address 32 | day 4. kad-dht hashes the keys it is given, so this is what its look-ups take. */
export function placementPreimage(address: Address, day: number): Uint8Array {
  return concat(address, u32be(day))
}

/** A box's place in the Kademlia metric, 32 bytes. `day`: UTC day of publishing. It moves a stream every day. */
export function placementKey(address: Address, day: number): Uint8Array {
  return sha256(placementPreimage(address, day))
}

/** A node that may keep boxes. */
export interface KeeperCandidate {
  readonly nodeId: NodeId
  readonly addresses: readonly string[]
}

interface Placed {
  readonly nodeId: NodeId
  readonly kadId: Uint8Array
  readonly nets: readonly string[]
  readonly hosts: readonly string[]
}

/**
 * The places of a set of nodes. A pure function of the set: nodes that agree on the set agree on every
 * keeper. Look-ups take O(K log N).
 */
export class PlacementIndex {
  /** In the order of kadId. */
  readonly #nodes: readonly Placed[]
  readonly #nets: number

  constructor(candidates: readonly KeeperCandidate[]) {
    this.#nodes = candidates
      .map(({ nodeId, addresses }) => {
        const { nets, hosts } = addressGroups(addresses)
        const isPlaced = nets.length > 0
        return {
          nodeId,
          kadId: kadId(nodeId),
          nets: isPlaced ? nets : [''],
          hosts: isPlaced ? hosts : [''],
        }
      })
      .toSorted((a, b) => compareBytes(a.kadId, b.kadId))
    this.#nets = new Set(this.#nodes.map(({ nets: [first] }) => first)).size
  }

  get size(): number {
    return this.#nodes.length
  }

  /**
   * The `count` nodes closest to `key` by XOR, nearest first; fewer when there are fewer. When the nodes are
   * spread over enough networks, a node whose /16 or host is used up is passed over.
   */
  closest(key: Uint8Array, count: number): NodeId[] {
    const diverse = this.#nets >= DIVERSITY_NETS_PER_KEEPER * count
    const perNet = new Map<string, number>()
    const perHost = new Map<string, number>()
    const chosen: NodeId[] = []
    if (count === 0) return chosen
    for (const node of this.#walk(key, 0, this.#nodes.length, 0)) {
      const inNet = node.nets.some((net) => (perNet.get(net) ?? 0) >= MAX_KEEPERS_PER_NET)
      const onHost = node.hosts.some((host) => (perHost.get(host) ?? 0) >= MAX_KEEPERS_PER_HOST)
      if (diverse && (inNet || onHost)) continue
      for (const net of node.nets) perNet.set(net, (perNet.get(net) ?? 0) + 1)
      for (const host of node.hosts) perHost.set(host, (perHost.get(host) ?? 0) + 1)
      chosen.push(node.nodeId)
      if (chosen.length === count) break
    }
    return chosen
  }

  /** The nodes of a range in the order of their distance: at each bit, the half that agrees with the key first. */
  *#walk(key: Uint8Array, from: number, to: number, bit: number): Generator<Placed> {
    if (to - from <= 8 || bit === 256) {
      yield* this.#nodes
        .slice(from, to)
        .toSorted((a, b) => compareBytes(xorDistance(a.kadId, key), xorDistance(b.kadId, key)))
      return
    }
    let low = from
    let high = to
    while (low < high) {
      const middle = (low + high) >>> 1
      const place = this.#nodes[middle]?.kadId ?? key
      if (bitOf(place, bit) === 0) low = middle + 1
      else high = middle
    }
    if (bitOf(key, bit) === 0) {
      yield* this.#walk(key, from, low, bit + 1)
      yield* this.#walk(key, low, to, bit + 1)
    } else {
      yield* this.#walk(key, low, to, bit + 1)
      yield* this.#walk(key, from, low, bit + 1)
    }
  }
}

function bitOf(bytes: Uint8Array, bit: number): number {
  return ((bytes[bit >>> 3] ?? 0) >>> (7 - (bit & 7))) & 1
}
