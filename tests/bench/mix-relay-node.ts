/** A process of the relay bench: the source, the relay or the sink, whichever handlers the parent calls. */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import {
  type NodeId,
  silentLogger,
  systemClock,
  systemRng,
  toHex,
  uniformInt,
} from '../../src/base/index.ts'
import { REQUEST_BODY_BYTES } from '../../src/mix/constants.ts'
import { drawDelay } from '../../src/mix/delay.ts'
import { encodeMixFrame, frameBytes } from '../../src/mix/frame.ts'
import { Mix, type MixDirectory, type MixNode, type MixStatus } from '../../src/mix/index.ts'
import { MIX_PROTOCOL } from '../../src/mix/mix-links.ts'
import { createNet, type Net } from '../../src/net/index.ts'
import { mixKeyPair, sphinxGeometry, wrapPacket } from '../../src/sphinx/index.ts'
import { openStore } from '../../src/store/index.ts'
import { cpuMsSince, rssMb, serve } from './mix-child.ts'

/** The parameters of `balanced` that a mix looks at. */
const SUITE = 'x25519'
const HOPS = 5
const MIX_DELAY_MS = 500
const SLOT_MS = 1000
const EPOCH_MS = 6 * 3_600_000
/** What a mix may be handed follows from the number of nodes: with so many the quota is never the limit. */
const NODES = 20_000
const WRAPS_PER_TURN = 16
const PNET_KEY = new Uint8Array(32).fill(0x3c)
const PORTS = { clock: systemClock, rng: systemRng, log: silentLogger }

export interface Peer {
  readonly nodeId: Uint8Array
  readonly addresses: readonly string[]
}

export interface RelayState {
  readonly counts: MixStatus['counts']
  readonly cpuMs: number
  readonly rssMb: number
}

const geometry = sphinxGeometry({ suite: SUITE, hops: HOPS, bodyBytes: REQUEST_BODY_BYTES })
const someKey = mixKeyPair(SUITE, systemRng.bytes(32)).publicKey
let nets: Net[] = []
let mix: Mix | undefined
let frames: Uint8Array[] = []
let taken = 0
const cpuAtStart = process.cpuUsage()

function netOn(host: number): Net {
  return createNet(PORTS, {
    privateKeySeed: systemRng.bytes(32),
    listen: [`/ip4/127.0.1.${host}/tcp/0`],
    pnetKey: PNET_KEY,
    networkTag: '3c3c3c3c',
    bootstraps: [],
    targetConnections: 0,
    topics: [],
  })
}

function mixAt(nodeId: Uint8Array): MixNode {
  return { nodeId: nodeId as NodeId, nets: [toHex(nodeId)], publicKey: someKey }
}

/** A directory that seats this node between the source and the sinks. */
function directoryOf(self: NodeId, source: NodeId, sinks: readonly NodeId[]): MixDirectory {
  const seats = [[source], [self], sinks, [source], sinks]
  const layers = seats.map((layer) => layer.map((node) => mixAt(node)))
  const nodes = Array.from({ length: NODES }, () => source)
  const known = new Set([source, self, ...sinks].map((node) => toHex(node)))
  return {
    self: mixAt(self),
    layers: () => layers,
    nextMixes: () => seats,
    nodes: () => nodes,
    isKnown: (node) => known.has(toHex(node)),
  }
}

const drawn = () => drawDelay(systemRng, MIX_DELAY_MS)

function pick<T>(choices: readonly T[]): T {
  return choices[uniformInt(systemRng, choices.length)] as T
}

const peerOf = (net: Net): Peer => ({ nodeId: net.nodeId, addresses: net.addresses() })

export const handlers = {
  /** Source and sinks: so many nodes take frames and count them. */
  listen: async ({ host, nodes }: { host: number; nodes: number }): Promise<Peer[]> => {
    nets = Array.from({ length: nodes }, (_, index) => netOn(host + index))
    for (const net of nets) {
      net.links.accept(MIX_PROTOCOL, { frameBytes: frameBytes(geometry) }, () => {
        taken++
      })
      await net.start()
    }
    return nets.map(peerOf)
  },

  /** Relay: a whole mix with a store on disk. Returns its key too. */
  relay: async (o: {
    host: number
    dir: string
    source: Peer
    sinks: readonly Peer[]
  }): Promise<Peer & { key: Uint8Array }> => {
    const net = netOn(o.host)
    nets = [net]
    const sinks = o.sinks.map(({ nodeId }) => nodeId as NodeId)
    mix = new Mix(
      {
        ...PORTS,
        store: await openStore(PORTS, { dir: o.dir }),
        links: net.links,
        peers: net.peers,
        directory: directoryOf(net.nodeId, o.source.nodeId as NodeId, sinks),
        source: {
          work: async () => undefined,
          nextBox: async () => undefined,
          published: async () => undefined,
          coverBox: () => systemRng.bytes(2048) as never,
          nextAsk: () => undefined,
        },
        publish: { publish: async () => undefined },
        keeper: { answer: async () => new Uint8Array(0) },
        isLinked: () => true,
        publishEvery: () => 10,
        onKeys: () => undefined,
      },
      {
        suite: SUITE,
        layers: HOPS,
        mixDelayMs: MIX_DELAY_MS,
        copies: 2,
        keyEpochMs: 3_600_000,
        slack: '3sigma',
        rejoinHoldMs: 0,
        originMs: Date.now(),
        slotMs: SLOT_MS,
        epochMs: EPOCH_MS,
      },
    )
    const [key] = await mix.prepare()
    await net.start()
    for (const peer of [o.source, ...o.sinks]) {
      await net.peers.dial(peer.nodeId as NodeId, peer.addresses)
    }
    mix.start()
    if (key === undefined) throw new Error('no mix key')
    return { ...peerOf(net), key: key.key }
  },

  /** Relay: true when all its links stand. */
  isReady: async (): Promise<boolean> => {
    const links = mix?.status().links
    return links !== undefined && links.open === links.wanted
  },

  state: async (): Promise<RelayState> => ({
    counts: mix?.status().counts ?? {},
    cpuMs: cpuMsSince(cpuAtStart),
    rssMb: rssMb(),
  }),

  /** Source: makes packets whose first hop is the relay, with delays as senders draw them. */
  wrap: async (o: { relay: Peer & { key: Uint8Array }; sinks: readonly Peer[]; count: number }) => {
    const first = { nodeId: o.relay.nodeId as NodeId, publicKey: o.relay.key }
    const others = o.sinks.map(({ nodeId }) => ({ nodeId: nodeId as NodeId, publicKey: someKey }))
    const plaintext = systemRng.bytes(geometry.plaintextBytes)
    const fresh: Uint8Array[] = []
    for (let i = 0; i < o.count; i++) {
      const rest = Array.from({ length: HOPS - 1 }, () => pick(others))
      const route = [first, ...rest].map((hop) => ({ ...hop, delayMs: drawn() }))
      const packet = wrapPacket(systemRng, geometry, route, plaintext)
      fresh.push(encodeMixFrame(geometry, { kind: 'packet', packet }))
      // The connection lives on its pings.
      if (i % WRAPS_PER_TURN === 0) await nextTurn()
    }
    frames = fresh
  },

  /** Source: opens the link and hands over `count` packets, as many as it takes or `perSecond`. */
  send: async (o: { relay: Peer; count: number; perSecond?: number }): Promise<void> => {
    const [net] = nets
    if (net === undefined) throw new Error('not started')
    const { links } = net
    const relay = o.relay.nodeId as NodeId
    await links.open(relay, MIX_PROTOCOL)
    const begun = performance.now()
    const allowed = () =>
      o.perSecond === undefined
        ? o.count
        : Math.min(o.count, ((performance.now() - begun) * o.perSecond) / 1000)
    for (let sent = 0; sent < o.count; ) {
      const frame = frames.at(-1)
      if (frame === undefined) throw new Error('no packets left')
      if (sent < allowed() && links.send(relay, MIX_PROTOCOL, frame)) {
        sent++
        frames.pop()
      } else await sleep(1)
    }
  },

  /** Sink: frames taken so far. */
  taken: async (): Promise<number> => taken,
}

if (import.meta.main) serve(handlers)
