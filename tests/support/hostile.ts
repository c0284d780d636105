import {
  type Address,
  type BoxBytes,
  concat,
  type NetworkId,
  type NodeId,
  type Rng,
  u32be,
} from '../../src/base/index.ts'
import { decodeReader, decodeWriter } from '../../src/conversation/contact-codec.ts'
import { sign, signKeyPairFromSeed } from '../../src/crypto/index.ts'
import { epochAt, type Network } from '../../src/directory/index.ts'
import { encodePublication } from '../../src/gossip/index.ts'
import { encodeHeader, publicationDigest } from '../../src/gossip/publication.ts'
import type { Session } from '../../src/node/session.ts'
import { BUCKETS, type Store } from '../../src/store/index.ts'
import {
  advanceChain,
  BOX_BYTES,
  BOX_PAYLOAD_BYTES,
  BOX_VERSION,
  boxHash,
  sealBox,
} from '../../src/stream/index.ts'

const DAY_MS = 86_400_000

/** A node with the store behind it: what its owner, and whoever bribes the owner, can read. */
export interface Insider {
  readonly session: Session
  readonly store: Store
}

/** The addresses at which `contact`'s next boxes will appear, out of the reader's own keys. */
export async function nextAddresses(
  { session, store }: Insider,
  contact: string,
  network: Network,
): Promise<Address[]> {
  const { id } = session.conversations.contact(contact)
  const bytes = await store.get(BUCKETS.readWindows, id)
  if (bytes === undefined) throw new Error('this contact writes no stream')
  const windowSize = network.parameters.addressWindow
  const { reader } = decodeReader({ networkId: network.id, windowSize }, bytes, () => [])
  reader?.extend(windowSize)
  const watched = reader?.watched() ?? []
  // Those of the newest epoch: it is the one that is written.
  const tag = watched.at(-1)?.tag
  return watched.filter((entry) => entry.tag === tag).map(({ address }) => address)
}

/** Boxes with `payloads` under one and the same next address of a writer: what only the writer can make. */
export async function equivocate(
  { session, store }: Insider,
  contact: string,
  network: Network,
  o: { now: number; payloads: readonly Uint8Array[] },
): Promise<BoxBytes[]> {
  const { id } = session.conversations.contact(contact)
  const bytes = await store.get(BUCKETS.streams, id)
  if (bytes === undefined) throw new Error('no stream to this contact')
  const { epoch } = decodeWriter(bytes)
  const { chainKey, index } = epoch.chain
  return o.payloads.map((payload) => {
    const { keys } = advanceChain({ index, chainKey: chainKey.slice() })
    const expiryDay = Math.floor(o.now / DAY_MS) + network.parameters.ttlDays
    const { rootSeed } = epoch
    return sealBox({ networkId: network.id, expiryDay, rootSeed, keys, payload })
  })
}

export function noise(rng: Rng): Uint8Array {
  return rng.bytes(BOX_PAYLOAD_BYTES)
}

/** A box under a chosen address whose contents and signature are noise: all that a non-writer can make. */
export function garbageBox(network: Network, address: Address, now: number, rng: Rng): BoxBytes {
  const expiryDay = Math.floor(now / DAY_MS) + network.parameters.ttlDays
  const header = concat(Uint8Array.of(BOX_VERSION), u32be(expiryDay), address)
  return concat(header, rng.bytes(BOX_BYTES - header.length)) as BoxBytes
}

/** Signs publications in the name of one key, whatever is in them. */
export class Courier {
  readonly nodeId: NodeId
  readonly #seed: Uint8Array
  #counter: number

  /** Counters begin at `firstCounter`: above those of an honest node of the same key. */
  constructor(seed: Uint8Array, firstCounter = 1_000_000) {
    this.nodeId = signKeyPairFromSeed(seed).publicKey as NodeId
    this.#seed = seed
    this.#counter = firstCounter
  }

  publish(
    network: Network,
    box: BoxBytes,
    now: number,
    o: { networkId?: NetworkId; epoch?: number; counter?: number } = {},
  ): Uint8Array {
    const header = {
      networkId: o.networkId ?? network.id,
      epoch: o.epoch ?? epochAt(network, now),
      courier: this.nodeId,
      counter: o.counter ?? this.#counter++,
    }
    const digest = publicationDigest(encodeHeader(header), boxHash(box))
    const signature = sign(digest, signKeyPairFromSeed(this.#seed).secretKey)
    return encodePublication({ ...header, box, signature })
  }
}
