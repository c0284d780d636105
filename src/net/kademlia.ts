import { type KadDHT, type KadDHTComponents, kadDHT } from '@libp2p/kad-dht'
import type { NodeId } from '../base/index.ts'
import { KAD_ALPHA, KAD_BUCKET_SIZE, KAD_STREAMS_PER_CONNECTION } from './constants.ts'
import { nodeIdOf } from './node-id.ts'
import type { Kademlia } from './ports.ts'
import { protocolId } from './protocol-id.ts'
import { refusingDatastore } from './refusing-datastore.ts'

const refuseRecord = (): never => {
  throw new Error('no records in this network')
}

/** kad-dht as a router only: server mode, private addresses kept, and nothing is ever stored. */
export function createKadDht(options: {
  networkTag: string
}): (components: KadDHTComponents) => KadDHT {
  const create = kadDHT({
    protocol: protocolId(options.networkTag, 'kad'),
    clientMode: false,
    kBucketSize: KAD_BUCKET_SIZE,
    alpha: KAD_ALPHA,
    disjointPaths: KAD_ALPHA,
    allowQueryWithZeroPeers: true,
    // The default drops loopback and private addresses.
    peerInfoMapper: (peer) => peer,
    validators: { pk: refuseRecord },
    maxInboundStreams: KAD_STREAMS_PER_CONNECTION,
    maxOutboundStreams: KAD_STREAMS_PER_CONNECTION,
    routingTableUpdateMaxQueueSize: 1_024,
    reprovide: { concurrency: 1, maxQueueSize: 1, interval: 86_400_000 },
  })
  return (components) =>
    create(
      new Proxy(components, {
        get: (target, property) =>
          property === 'datastore' ? refusingDatastore : Reflect.get(target, property),
      }),
    )
}

/** Look-ups for others; the key is hashed by kad-dht itself, so callers pass the preimage. */
export class KadRouter implements Kademlia {
  readonly #dht: () => KadDHT | undefined

  constructor(ports: { dht(): KadDHT | undefined }) {
    this.#dht = () => ports.dht()
  }

  async closest(key: Uint8Array, signal: AbortSignal): Promise<NodeId[]> {
    const found: NodeId[] = []
    const dht = this.#dht()
    if (dht === undefined) return found
    for await (const event of dht.getClosestPeers(key, { signal })) {
      if (event.name !== 'FINAL_PEER') continue
      const nodeId = nodeIdOf(event.peer.id)
      if (nodeId !== undefined) found.push(nodeId)
    }
    return found
  }
}
