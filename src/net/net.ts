import { multiaddr } from '@multiformats/multiaddr'
import {
  type Clock,
  equalBytes,
  HearsayError,
  isHearsayError,
  type Logger,
  type NodeId,
  type Rng,
  TaskGroup,
} from '../base/index.ts'
import { bootstrapTargets } from './bootstraps.ts'
import { Connector, type ConnectorStatus } from './connector.ts'
import {
  HEARTBEAT_MS,
  MAX_CONNECTIONS,
  MAX_PENALISED_PEERS,
  MESH_PENALTY_HALF_LIFE_MS,
  PENALTY_HALF_LIFE_MS,
  TARGET_CONNECTIONS,
} from './constants.ts'
import { DialGuard, isLoopback } from './dial-guard.ts'
import { createGossipSub } from './gossipsub.ts'
import { InboundGate } from './inbound-gate.ts'
import { KadRouter } from './kademlia.ts'
import { createLibp2pNode, type HearsayLibp2p } from './libp2p-node.ts'
import { StreamLinks } from './links.ts'
import { probeListenAddresses } from './listen-probe.ts'
import { nodeIdFromText, peerIdOf } from './node-id.ts'
import { type NodeKey, nodeKeyFromSeed } from './node-key.ts'
import { LivePeers } from './peers.ts'
import { Penalties } from './penalties.ts'
import type { DialTarget, Kademlia, Links, Peers, PubSub, Requests, TopicPlan } from './ports.ts'
import { TopicPubSub } from './pubsub.ts'
import { StreamRequests } from './requests.ts'

export interface NetPorts {
  clock: Clock
  rng: Rng
  log: Logger
  /** Nodes that the directory knows; asked whenever connections are missing. */
  dialTargets?: () => readonly DialTarget[]
  /** True for nodes of the directory, also those that cannot be dialled. By default those that can. */
  isKnown?: (nodeId: NodeId) => boolean
  /** False closes connections of excluded nodes as soon as they have proved who they are. */
  allowPeer?: (nodeId: NodeId) => boolean
}

export interface NetOptions {
  /** Ed25519 seed of the node key, 32 bytes. */
  privateKeySeed: Uint8Array
  /** Multiaddrs of TCP (`/ip4/…/tcp/…`) and WebSocket (`…/ws`) listeners. */
  listen: readonly string[]
  /** Told to others in place of the listen addresses. */
  announce?: readonly string[]
  /** Pre-shared key of the network, 32 bytes. */
  pnetKey: Uint8Array
  /** Short hex of the network id, part of every protocol id. */
  networkTag: string
  /** Multiaddrs that end in `/p2p/<peer id>`. */
  bootstraps: readonly string[]
  /** Every gossip topic of the node, with its size limit and scoring. */
  topics: readonly TopicPlan[]
  maxConnections?: number
  targetConnections?: number
  /** Gossip heartbeat; tests shorten it. */
  heartbeatMs?: number
}

export interface NetStatus extends ConnectorStatus {
  connected: number
  /** No connection, and every node that was reached has another network key. */
  networkMismatch: boolean
}

export interface Net {
  readonly nodeId: NodeId
  readonly peerId: string
  readonly pubsub: PubSub
  readonly requests: Requests
  readonly links: Links
  readonly peers: Peers
  readonly kademlia: Kademlia
  /**
   * Listens and begins to connect. A failed start leaves nothing running.
   * @throws HearsayError `address-in-use` or `listen-failed`, with `details.address`.
   */
  start(): Promise<void>
  /** Closes everything and waits for it. Safe to call twice. A stopped net is not started again. */
  stop(): Promise<void>
  /** Multiaddrs with `/p2p/` under which others can dial; empty before the start. */
  addresses(): string[]
  status(): NetStatus
  /** Gossip score of a node: below 0 it has no mesh place, below GRAYLIST_THRESHOLD it is not heard. */
  score(nodeId: NodeId): number
}

/** @throws HearsayError `bad-length` for a seed or key, `network-file-invalid` for a bootstrap. */
export function createNet(ports: NetPorts, options: NetOptions): Net {
  return new Libp2pNet(ports, options, nodeKeyFromSeed(options.privateKeySeed))
}

class Libp2pNet implements Net {
  readonly nodeId: NodeId
  readonly peerId: string
  readonly pubsub: TopicPubSub
  readonly requests: StreamRequests
  readonly links: StreamLinks
  readonly peers: LivePeers
  readonly kademlia: KadRouter
  readonly #ports: NetPorts
  readonly #options: NetOptions
  readonly #key: NodeKey
  readonly #connector: Connector
  readonly #tasks: TaskGroup
  #libp2p: HearsayLibp2p | undefined
  #state: 'created' | 'running' | 'stopped' = 'created'

  constructor(ports: NetPorts, options: NetOptions, key: NodeKey) {
    const { clock, rng } = ports
    const log = ports.log.child('net')
    const dialTargets = () => ports.dialTargets?.() ?? []
    const libp2p = () => (this.#state === 'running' ? this.#libp2p : undefined)
    const penalties = new Penalties(ports, {
      halfLifeMs: PENALTY_HALF_LIFE_MS,
      maxPeers: MAX_PENALISED_PEERS,
    })
    const meshPenalties = new Penalties(ports, {
      halfLifeMs: MESH_PENALTY_HALF_LIFE_MS,
      maxPeers: MAX_PENALISED_PEERS,
    })
    const peers = new LivePeers({ clock, penalties, libp2p, dialTargets })
    const connect = peers.connect.bind(peers)
    this.nodeId = key.nodeId
    this.peerId = peerIdOf(key.nodeId).toString()
    this.#key = key
    this.pubsub = new TopicPubSub({ clock, penalties, meshPenalties }, options)
    this.requests = new StreamRequests({ clock, libp2p, connect }, options)
    this.links = new StreamLinks({ clock, libp2p, connect }, options)
    this.kademlia = new KadRouter({ dht: () => libp2p()?.services.dht })
    this.peers = peers
    this.#ports = ports
    this.#options = options
    this.#tasks = new TaskGroup(log)
    this.#connector = new Connector(
      {
        clock,
        rng,
        log,
        dialTargets,
        connected: () => peers.connected(),
        outbound: () => peers.outbound(),
        dial: peers.dial.bind(peers),
      },
      {
        self: key.nodeId,
        bootstraps: bootstrapTargets(options.bootstraps),
        targetConnections: options.targetConnections ?? TARGET_CONNECTIONS,
      },
    )
  }

  async start(): Promise<void> {
    if (this.#state !== 'created') throw new HearsayError('bug', 'net was started before')
    await probeListenAddresses(this.#options.listen)
    const { bootstraps, listen, maxConnections } = this.#options
    const guard = new DialGuard(this.#ports, {
      allowLoopback: [...listen, ...bootstraps].some((each) => isLoopback(multiaddr(each))),
    })
    const gate = new InboundGate(
      {
        connections: () =>
          this.#libp2p?.getConnections().map(({ remotePeer }) => remotePeer.toString()) ?? [],
        isKnown: (peerId) => this.#isKnown(peerId),
      },
      { maxConnections: maxConnections ?? MAX_CONNECTIONS },
    )
    const libp2p = await createLibp2pNode(
      {
        pubsub: createGossipSub(this.pubsub, this.#options),
        allowPeer: (nodeId) => this.#ports.allowPeer?.(nodeId) ?? true,
        refusesDial: (address) => guard.refuses(address),
        refusesInbound: (peerId) => gate.refuses(peerId.toString()),
      },
      {
        ...this.#options,
        privateKey: this.#key.privateKey,
        announce: this.#options.announce ?? [],
        maxConnections: this.#options.maxConnections,
      },
    )
    this.pubsub.attach(libp2p.services.pubsub)
    this.peers.attach(libp2p)
    this.peers.onChange(({ up }) => {
      if (!up) this.#connector.wake()
    })
    // Handlers come first: a peer that connects in the first millisecond finds every protocol.
    await this.requests.start(libp2p)
    await this.links.start(libp2p)
    this.#libp2p = libp2p
    this.#state = 'running'
    try {
      await libp2p.start()
    } catch (cause) {
      await this.stop()
      if (isHearsayError(cause)) throw cause
      const address = this.#options.listen.join(' ')
      throw new HearsayError('listen-failed', 'cannot listen', { address }, cause)
    }
    this.pubsub.subscribeAll()
    this.#tasks.spawn('connect', (signal) => this.#connector.run(signal))
    this.#tasks.spawn('judge mesh peers', (signal) => this.#judge(signal))
  }

  async stop(): Promise<void> {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    await this.#tasks.stop()
    this.pubsub.detach()
    await this.#libp2p?.stop()
    this.#libp2p = undefined
  }

  addresses(): string[] {
    return this.#libp2p?.getMultiaddrs().map((address) => address.toString()) ?? []
  }

  status(): NetStatus {
    const connected = this.peers.connected().length
    const status = this.#connector.status()
    const networkMismatch = connected === 0 && status.mismatches > 0
    return { ...status, connected, networkMismatch }
  }

  score(nodeId: NodeId): number {
    return this.pubsub.score(peerIdOf(nodeId).toString())
  }

  #isKnown(peerId: string): boolean {
    const nodeId = nodeIdFromText(peerId)
    if (nodeId === undefined) return false
    if (this.#ports.isKnown !== undefined) return this.#ports.isKnown(nodeId)
    return this.#ports.dialTargets?.().some((each) => equalBytes(each.nodeId, nodeId)) ?? false
  }

  async #judge(signal: AbortSignal): Promise<void> {
    const period = 5 * (this.#options.heartbeatMs ?? HEARTBEAT_MS)
    for (;;) {
      await this.#ports.clock.sleep(period, signal)
      this.pubsub.judge()
    }
  }
}
