import { equalBytes, HearsayError, isHearsayError, type NodeId, TaskGroup } from '../base/index.ts'
import type { Net, NetOptions, NetPorts, NetStatus } from './api.ts'
import { bootstrapTargets } from './bootstraps.ts'
import { Connector } from './connector.ts'
import {
  HEARTBEAT_MS,
  MAX_ADDRESSES_PER_DIAL,
  MAX_CONNECTIONS,
  MAX_PENALISED_PEERS,
  MESH_PENALTY_HALF_LIFE_MS,
  PENALTY_HALF_LIFE_MS,
  TARGET_CONNECTIONS,
} from './constants.ts'
import { DialBack, type DialBackOutcome } from './dial-back.ts'
import { DialGuard, isLoopback } from './dial-guard.ts'
import { createGossipSub } from './gossipsub.ts'
import { connectedHelpers } from './dial-helpers.ts'
import { InboundGate } from './inbound-gate.ts'
import { KadRouter } from './kademlia.ts'
import { createLibp2pNode, type HearsayLibp2p } from './libp2p-node.ts'
import { StreamLinks } from './links.ts'
import { probeListenAddresses } from './listen-probe.ts'
import { peerIdOf } from './node-id.ts'
import { type NodeKey, nodeKeyFromSeed } from './node-key.ts'
import { LivePeers } from './peers.ts'
import { Penalties } from './penalties.ts'
import type { DialTarget, Reachability } from './ports.ts'
import { TopicPubSub } from './pubsub.ts'
import { ReachabilityWatch } from './reachability.ts'
import { StreamRequests } from './requests.ts'
import { resolveName } from './resolve.ts'

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
  readonly #dialBack: DialBack
  readonly #reachability: ReachabilityWatch
  readonly #bootstraps: readonly DialTarget[]
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
    const isKnown = (nodeId: NodeId) => this.#isKnown(nodeId)
    this.requests = new StreamRequests({ clock, libp2p, connect, isKnown }, options)
    this.links = new StreamLinks({ clock, libp2p, connect }, options)
    this.kademlia = new KadRouter({ dht: () => libp2p()?.services.dht })
    this.peers = peers
    this.#ports = ports
    this.#options = options
    this.#tasks = new TaskGroup(log)
    this.#bootstraps = bootstrapTargets(options.bootstraps)
    this.#dialBack = new DialBack({
      clock,
      rng,
      libp2p,
      requests: this.requests,
      isKnown,
      resolve: resolveName,
    })
    this.#reachability = new ReachabilityWatch(
      {
        clock,
        rng,
        log,
        hasAddress: () => this.dialable().length > 0,
        helpers: () => this.#helpers(),
        ask: async (nodeId, signal) => await this.#askBack(nodeId, signal),
      },
      { reachable: reachableBy(options) },
    )
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
        bootstraps: this.#bootstraps,
        targetConnections: options.targetConnections ?? TARGET_CONNECTIONS,
      },
    )
  }

  async start(): Promise<void> {
    if (this.#state !== 'created') throw new HearsayError('bug', 'net was started before')
    await probeListenAddresses(this.#options.listen)
    const { bootstraps, listen, maxConnections } = this.#options
    const guard = new DialGuard(this.#ports, {
      allowLoopback: [...listen, ...bootstraps].some(isLoopback),
    })
    const gate = new InboundGate(
      {
        clock: this.#ports.clock,
        connections: () => this.#libp2p?.getConnections() ?? [],
        isKnown: (nodeId) => this.#isKnown(nodeId),
      },
      { maxConnections: maxConnections ?? MAX_CONNECTIONS },
    )
    const libp2p = await createLibp2pNode(
      {
        pubsub: createGossipSub(this.pubsub, this.#options),
        allowPeer: (nodeId) => this.#ports.allowPeer?.(nodeId) ?? true,
        refusesDial: (address) => guard.refuses(address),
        refusesHost: (address) => gate.refusesHost(address),
        refusesInbound: (nodeId, address) => gate.refuses(nodeId, address),
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
    this.peers.onChange(({ nodeId, up }) => {
      if (up) return
      // Nothing else forgets them, and keys of nodes cost nothing.
      if (!this.#isKnown(nodeId)) libp2p.peerStore.delete(peerIdOf(nodeId)).catch(() => undefined)
      this.#connector.wake()
      this.#reachability.connectionLost()
    })
    this.#dialBack.serve()
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
    this.#tasks.spawn('reachability', (signal) => this.#reachability.run(signal))
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

  dialable(): string[] {
    const [elsewhere, here] = this.#ownAddresses()
    return (elsewhere.length > 0 ? elsewhere : here).slice(0, MAX_ADDRESSES_PER_DIAL)
  }

  status(): NetStatus {
    const connected = this.peers.connected().length
    const status = this.#connector.status()
    const networkMismatch = connected === 0 && status.mismatches > 0
    return { ...status, connected, networkMismatch, hindrance: this.#reachability.hindrance }
  }

  reachability(): Reachability {
    return this.#reachability.state
  }

  onReachability(listener: (reachability: Reachability) => void): () => void {
    return this.#reachability.onChange(listener)
  }

  score(nodeId: NodeId): number {
    return this.pubsub.score(peerIdOf(nodeId).toString())
  }

  /** A bootstrap, or a node of the directory. */
  #isKnown(nodeId: NodeId): boolean {
    const isAmong = (targets: readonly DialTarget[]) =>
      targets.some((each) => equalBytes(each.nodeId, nodeId))
    if (isAmong(this.#bootstraps)) return true
    return this.#ports.isKnown?.(nodeId) ?? isAmong(this.#ports.dialTargets?.() ?? [])
  }

  /** Without peer ids: those that others can use, and those on this machine. */
  #ownAddresses(): [elsewhere: string[], here: string[]] {
    const bare = this.addresses().map((address) => address.replace(/\/p2p\/[^/]+$/, ''))
    return [bare.filter((address) => !isLoopback(address)), bare.filter(isLoopback)]
  }

  /** What helpers are asked to dial: also what only a helper on this machine can. */
  #tried(): string[] {
    return this.#ownAddresses().flat().slice(0, MAX_ADDRESSES_PER_DIAL)
  }

  #helpers() {
    return connectedHelpers(this.#libp2p?.getConnections() ?? [], {
      isKnown: (nodeId) => this.#isKnown(nodeId),
      addresses: this.#tried(),
    })
  }

  async #askBack(nodeId: NodeId, signal: AbortSignal): Promise<DialBackOutcome> {
    const helper = this.#helpers().find((each) => equalBytes(each.nodeId, nodeId))
    if (helper === undefined) return 'none'
    return await this.#dialBack.ask(helper.connection, this.#tried(), signal)
  }

  async #judge(signal: AbortSignal): Promise<void> {
    const period = 5 * (this.#options.heartbeatMs ?? HEARTBEAT_MS)
    for (;;) {
      await this.#ports.clock.sleep(period, signal)
      this.pubsub.judge()
    }
  }
}

/** A network on one machine has nobody who could tell more than it knows. */
function reachableBy({ reachable, listen, bootstraps }: NetOptions): 'auto' | 'yes' | 'no' {
  if (reachable !== undefined && reachable !== 'auto') return reachable
  return listen.length > 0 && [...listen, ...bootstraps].every(isLoopback) ? 'yes' : 'auto'
}
