import { noise } from '@chainsafe/libp2p-noise'
import type { GossipSubComponents } from '@libp2p/gossipsub'
import { type Identify, identify } from '@libp2p/identify'
import type { Libp2p, PeerId, PrivateKey } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { type Ping, ping } from '@libp2p/ping'
import { preSharedKey } from '@libp2p/pnet'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import { yamux } from '@libp2p/yamux'
import type { Multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { HearsayError, type NodeId, toHex, utf8 } from '../base/index.ts'
import {
  ADDRESS_DIAL_TIMEOUT_MS,
  DIAL_TIMEOUT_MS,
  INBOUND_ON_LOOPBACK_PER_SECOND,
  MAX_ADDRESSES_PER_DIAL,
  MAX_CONNECTIONS,
  MAX_DIAL_QUEUE,
  MAX_PARALLEL_DIALS,
  MAX_PENDING_INBOUND,
  MAX_READ_BUFFER_BYTES,
  MAX_STREAM_WINDOW_BYTES,
  MAX_STREAMS_PER_CONNECTION,
  NEGOTIATION_TIMEOUT_MS,
  PING_INTERVAL_MS,
  PNET_KEY_BYTES,
  SOCKET_INACTIVITY_MS,
  STREAM_WINDOW_BYTES,
  UPGRADE_TIMEOUT_MS,
} from './constants.ts'
import type { GossipSubFactory, ScoredGossipSub } from './gossipsub.ts'
import { createKadDht } from './kademlia.ts'
import { nodeIdOf } from './node-id.ts'
import { noiseCrypto } from './noise-crypto.ts'
import { silentComponentLogger } from './silent-log.ts'

export interface Libp2pServices extends Record<string, unknown> {
  identify: Identify
  ping: Ping
  pubsub: ScoredGossipSub
  dht: KadDHT
}

export type HearsayLibp2p = Libp2p<Libp2pServices>

export interface Libp2pNodeOptions {
  privateKey: PrivateKey
  listen: readonly string[]
  announce: readonly string[]
  pnetKey: Uint8Array
  networkTag: string
  maxConnections: number | undefined
}

/**
 * A libp2p node that is created but not started. Nothing is left to a default that reaches out or trusts:
 * no discovery but our own dials and Kademlia, no relay, no port mapping, no public bootstrap, and every
 * limit is one of constants.ts.
 */
export async function createLibp2pNode(
  ports: {
    pubsub: GossipSubFactory
    allowPeer(nodeId: NodeId): boolean
    refusesDial(address: Multiaddr): boolean
    refusesHost(address: Multiaddr): boolean
    refusesInbound(nodeId: NodeId, address: Multiaddr): boolean
  },
  options: Libp2pNodeOptions,
): Promise<HearsayLibp2p> {
  const refuse = (peerId: PeerId): boolean => {
    const nodeId = nodeIdOf(peerId)
    return nodeId === undefined || !ports.allowPeer(nodeId)
  }
  const protocolPrefix = `hearsay/${options.networkTag}`
  return await createLibp2p<Libp2pServices>({
    start: false,
    logger: silentComponentLogger,
    privateKey: options.privateKey,
    // The default tells every peer our exact versions and platform.
    nodeInfo: { name: 'hearsay', version: '1', userAgent: 'hearsay/1' },
    addresses: {
      listen: [...options.listen],
      announce: [...options.announce],
      maxObservedAddresses: 1,
    },
    transports: [
      tcp({
        inboundSocketInactivityTimeout: SOCKET_INACTIVITY_MS,
        outboundSocketInactivityTimeout: SOCKET_INACTIVITY_MS,
        backlog: MAX_PENDING_INBOUND,
        maxConnections: 2 * (options.maxConnections ?? MAX_CONNECTIONS),
      }),
      webSockets(),
    ],
    connectionProtector: preSharedKey({ psk: encodePnetKey(options.pnetKey) }),
    connectionEncrypters: [noise({ crypto: noiseCrypto })],
    streamMuxers: [
      yamux({
        maxInboundStreams: MAX_STREAMS_PER_CONNECTION,
        maxOutboundStreams: MAX_STREAMS_PER_CONNECTION,
        maxEarlyStreams: 16,
        streamOptions: {
          initialStreamWindowSize: STREAM_WINDOW_BYTES,
          maxStreamWindowSize: MAX_STREAM_WINDOW_BYTES,
          maxReadBufferLength: MAX_READ_BUFFER_BYTES,
        },
      }),
    ],
    connectionManager: {
      maxConnections: options.maxConnections ?? MAX_CONNECTIONS,
      maxParallelDials: MAX_PARALLEL_DIALS,
      maxDialQueueLength: MAX_DIAL_QUEUE,
      maxPeerAddrsToDial: MAX_ADDRESSES_PER_DIAL,
      maxIncomingPendingConnections: MAX_PENDING_INBOUND,
      // Elsewhere the gater counts, an IPv6 /64 as one.
      inboundConnectionThreshold: INBOUND_ON_LOOPBACK_PER_SECOND,
      dialTimeout: DIAL_TIMEOUT_MS,
      addressDialTimeout: ADDRESS_DIAL_TIMEOUT_MS,
      inboundUpgradeTimeout: UPGRADE_TIMEOUT_MS,
      inboundStreamProtocolNegotiationTimeout: NEGOTIATION_TIMEOUT_MS,
      outboundStreamProtocolNegotiationTimeout: NEGOTIATION_TIMEOUT_MS,
      // Our connector redials, with jitter; dnsaddr records are not followed.
      reconnectRetries: 0,
      resolvers: {},
    },
    connectionMonitor: { pingInterval: PING_INTERVAL_MS, protocolPrefix },
    connectionGater: {
      denyDialPeer: refuse,
      denyDialMultiaddr: (address) => ports.refusesDial(address),
      denyInboundConnection: ({ remoteAddr }) => ports.refusesHost(remoteAddr),
      denyInboundEncryptedConnection: (peerId, { remoteAddr }) => {
        const nodeId = nodeIdOf(peerId)
        return nodeId === undefined || refuse(peerId) || ports.refusesInbound(nodeId, remoteAddr)
      },
      denyOutboundEncryptedConnection: refuse,
    },
    services: {
      identify: identify({ protocolPrefix, maxInboundStreams: 2, maxOutboundStreams: 2 }),
      ping: ping({ protocolPrefix, maxInboundStreams: 2, maxOutboundStreams: 4 }),
      // The published type of gossipsub hides the methods of its class that scores are read with.
      pubsub: (components: GossipSubComponents) => ports.pubsub(components) as ScoredGossipSub,
      dht: createKadDht({ networkTag: options.networkTag }),
    },
  })
}

function encodePnetKey(key: Uint8Array): Uint8Array {
  if (key.length !== PNET_KEY_BYTES) {
    throw new HearsayError('bad-length', 'network key is 32 bytes', { length: key.length })
  }
  return utf8(`/key/swarm/psk/1.0.0/\n/base16/\n${toHex(key)}`)
}
