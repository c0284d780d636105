import { createHash } from 'node:crypto'
import {
  asNetworkId,
  type BoxBytes,
  type NodeId,
  silentLogger,
  systemClock,
  systemRng,
  toHex,
} from '../../src/base/index.ts'
import { sign, signKeyPairFromSeed } from '../../src/crypto/index.ts'
import { Gossip, gossipTopicPlans, PUBLICATION_BYTES, streamBoxes } from '../../src/gossip/index.ts'
import { createNet, MESH_DEGREE, type Net } from '../../src/net/index.ts'
import { MESH_DEGREE_LOW } from '../../src/net/constants.ts'
import { createGossipSub, type ScoredGossipSub } from '../../src/net/gossipsub.ts'
import { createLibp2pNode, type HearsayLibp2p } from '../../src/net/libp2p-node.ts'
import { nodeKeyFromSeed } from '../../src/net/node-key.ts'
import { coverBox } from '../../src/stream/index.ts'

export interface BenchResult {
  name: string
  value: number
  unit: string
  target?: number
  note?: string
}

const NODES = 12
/** Each node is linked to three on either side: as many as the mesh degree, in both arrangements. */
const REACH = MESH_DEGREE / 2
const MESSAGES_PER_PHASE = 48
/** Phases of each arrangement, in turns. The first warms the compiler up, of the rest the median counts. */
const ROUNDS = 4
/** Handshakes and the first Kademlia look-ups are over by then. */
const SETTLE_MS = 3_000
const IDLE_MS = 2_000
const RATE_PER_SECOND = 20
const DAY_MS = 86_400_000
const EPOCH_MS = 3_600_000
const TTL_DAYS = 14
const NETWORK = asNetworkId(new Uint8Array(32).fill(0x5a))
const TAG = '5a5a5a5a'

/** One arrangement of nodes: publishes message `i` from node `i % NODES`, counts what others got. */
interface Swarm {
  publish(from: number, message: number): Promise<void>
  delivered(): number
  /** Mesh peers, averaged over the nodes: the number of copies follows it. */
  meshPeers(): number
  ready(): boolean
  stop(): Promise<void>
}

/** CPU of the process per millisecond while nobody publishes: heartbeats of both arrangements. */
async function idleLoad(): Promise<number> {
  const cpu = process.cpuUsage()
  await systemClock.sleep(IDLE_MS)
  return cpuMsSince(cpu) / IDLE_MS
}

/** CPU per delivery beyond the idle load, at the pace of a real network. */
async function cpuPerDelivery(swarm: Swarm, round: number, idle: number): Promise<number> {
  const cpu = process.cpuUsage()
  const begun = systemClock.monotonic()
  const first = round * MESSAGES_PER_PHASE
  const expected = swarm.delivered() + MESSAGES_PER_PHASE * (NODES - 1)
  for (let i = first; i < first + MESSAGES_PER_PHASE; i++) {
    await swarm.publish(i % NODES, i)
    await systemClock.sleep(1_000 / RATE_PER_SECOND)
  }
  await waitUntil(() => swarm.delivered() >= expected)
  const idleMs = idle * (systemClock.monotonic() - begun)
  return (cpuMsSince(cpu) - idleMs) / (MESSAGES_PER_PHASE * (NODES - 1))
}

function cpuMsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000
}

async function waitUntil(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1_000 && !condition(); i++) await systemClock.sleep(10)
  if (!condition()) throw new Error('the swarm did not come that far in ten seconds')
}

const seedOf = (n: number) => new Uint8Array(createHash('sha256').update(`bench ${n}`).digest())

/** Kademlia would dial the others too, and a larger mesh forwards more copies. */
function neighboursOf(n: number): (nodeId: NodeId) => boolean {
  const allowed = new Set<string>()
  for (let step = -REACH; step <= REACH; step++) {
    const seed = seedOf((n + step + NODES) % NODES)
    if (step !== 0) allowed.add(toHex(nodeKeyFromSeed(seed).nodeId))
  }
  return (nodeId) => allowed.has(toHex(nodeId))
}

/** Hearsay's gossip over its net, with real boxes. */
async function hearsaySwarm(boxes: readonly BoxBytes[]): Promise<Swarm> {
  const nets: Net[] = []
  const gossips: Gossip[] = []
  let delivered = 0
  for (let n = 0; n < NODES; n++) {
    const { nodeId } = nodeKeyFromSeed(seedOf(n))
    const { secretKey } = signKeyPairFromSeed(seedOf(n))
    const net = createNet(
      { clock: systemClock, rng: systemRng, log: silentLogger, allowPeer: neighboursOf(n) },
      {
        privateKeySeed: seedOf(n),
        listen: [`/ip4/127.0.0.${n + 1}/tcp/0`],
        pnetKey: NETWORK,
        networkTag: TAG,
        bootstraps: [],
        targetConnections: 0,
        topics: gossipTopicPlans({ networkId: NETWORK, publicationsPerSecond: RATE_PER_SECOND }),
      },
    )
    const reserved = new Map<number, number>()
    const known = new Map<string, Uint8Array[]>()
    const gossip = new Gossip(
      {
        pubsub: net.pubsub,
        clock: systemClock,
        log: silentLogger,
        epochs: { epochAt: (ms) => Math.floor(ms / EPOCH_MS) },
        couriers: { isCourier: () => 'yes', quota: () => 100_000 },
        boxes: streamBoxes(NETWORK),
        known: { lookup: (address) => known.get(toHex(address)) ?? [] },
        store: {
          next: async (epoch) => reserved.get(epoch) ?? 0,
          reserve: async (epoch, from, count) => void reserved.set(epoch, from + count),
        },
        key: { nodeId, sign: (message) => sign(message, secretKey) },
        peers: net.peers,
      },
      { networkId: NETWORK, ttlDays: TTL_DAYS, publicationsPerSecond: RATE_PER_SECOND },
    )
    gossip.onPublication(({ address, boxHash }, from) => {
      known.set(toHex(address), [boxHash])
      if (Buffer.compare(from, nodeId) !== 0) delivered += 1
    })
    gossip.start()
    await net.start()
    nets.push(net)
    gossips.push(gossip)
  }
  await eachLink(async (from, to) => {
    const other = nets[to] as Net
    await nets[from]?.peers.dial(other.nodeId, other.addresses())
  })
  return {
    publish: async (from, message) => {
      await gossips[from]?.publish(boxes[message] as BoxBytes)
    },
    delivered: () => delivered,
    meshPeers: () => mean(gossips.map((gossip) => gossip.meshPeers())),
    ready: () => gossips.every((gossip) => gossip.meshPeers() >= MESH_DEGREE_LOW),
    stop: async () => {
      await Promise.all(nets.map((net) => net.stop()))
    },
  }
}

/** gossipsub on the same libp2p with our degree and scoring, and no validator. */
async function bareSwarm(messages: readonly Uint8Array[]): Promise<Swarm> {
  const topic = 'bench'
  const [plan] = gossipTopicPlans({ networkId: NETWORK, publicationsPerSecond: RATE_PER_SECOND })
  if (plan === undefined) throw new Error('no plan')
  const messageId = (_: string, data: Uint8Array) => createHash('sha256').update(data).digest()
  const nodes: HearsayLibp2p[] = []
  let delivered = 0
  for (let n = 0; n < NODES; n++) {
    const node = await createLibp2pNode(
      {
        allowPeer: neighboursOf(n),
        refusesDial: () => false,
        refusesHost: () => false,
        refusesInbound: () => false,
        pubsub: createGossipSub(
          { messageId, penaltyOf: () => 0 },
          { topics: [{ ...plan, topic }] },
        ),
      },
      {
        privateKey: nodeKeyFromSeed(seedOf(n)).privateKey,
        listen: [`/ip4/127.0.1.${n + 1}/tcp/0`],
        announce: [],
        pnetKey: NETWORK,
        networkTag: TAG,
        maxConnections: undefined,
      },
    )
    await node.start()
    node.services.pubsub.subscribe(topic)
    node.services.pubsub.addEventListener('gossipsub:message', () => {
      delivered += 1
    })
    nodes.push(node)
  }
  await eachLink(async (from, to) => {
    await nodes[from]?.dial((nodes[to] as HearsayLibp2p).getMultiaddrs())
  })
  const pubsub = (n: number) => nodes[n]?.services.pubsub as ScoredGossipSub
  return {
    publish: async (from, message) => {
      await pubsub(from).publish(topic, messages[message] as Uint8Array)
    },
    delivered: () => delivered,
    meshPeers: () => mean(nodes.map((_, n) => pubsub(n).getMeshPeers(topic).length)),
    ready: () => nodes.every((_, n) => pubsub(n).getMeshPeers(topic).length >= MESH_DEGREE_LOW),
    stop: async () => {
      await Promise.all(nodes.map(async (node) => await node.stop()))
    },
  }
}

/**
 * What our validation costs: CPU per delivered publication beside bare gossipsub with the same degree, size,
 * nodes and pace, in turns in this process. About 35 s.
 */
export async function benchGossip(): Promise<BenchResult[]> {
  const count = ROUNDS * MESSAGES_PER_PHASE
  const expiryDay = Math.floor(systemClock.now() / DAY_MS) + TTL_DAYS
  const boxes = Array.from({ length: count }, () =>
    coverBox({ networkId: NETWORK, expiryDay, rng: systemRng }),
  )
  const messages = Array.from({ length: count }, () => systemRng.bytes(PUBLICATION_BYTES))
  const swarms = [await bareSwarm(messages), await hearsaySwarm(boxes)] as const
  try {
    await waitUntil(() => swarms.every((swarm) => swarm.ready()))
    await systemClock.sleep(SETTLE_MS)
    return await compare(...swarms)
  } finally {
    await Promise.all(swarms.map((swarm) => swarm.stop()))
  }
}

async function compare(bareOnes: Swarm, hearsay: Swarm): Promise<BenchResult[]> {
  const idle = await idleLoad()
  const measured = { bare: [] as number[], ours: [] as number[] }
  for (let round = 0; round < ROUNDS; round++) {
    const bare = await cpuPerDelivery(bareOnes, round, idle)
    const ours = await cpuPerDelivery(hearsay, round, idle)
    if (round === 0) continue
    measured.bare.push(bare)
    measured.ours.push(ours)
  }
  const [bare, ours] = [median(measured.bare), median(measured.ours)]
  const setting = `${NODES} nodes in one process, D=${MESH_DEGREE}, ${PUBLICATION_BYTES} B, ${RATE_PER_SECOND}/s`
  const noteOf = (swarm: Swarm) =>
    `${setting}, all duplicates of ${swarm.meshPeers().toFixed(1)} mesh peers included`
  return [
    { name: 'gossip: CPU per delivery', value: round(ours), unit: 'ms', note: noteOf(hearsay) },
    {
      name: 'bare gossipsub: CPU per delivery',
      value: round(bare),
      unit: 'ms',
      note: noteOf(bareOnes),
    },
    {
      name: 'gossip: CPU against bare gossipsub',
      value: round(ours / bare),
      unit: '×',
      target: 1.2,
    },
  ]
}

async function eachLink(dial: (from: number, to: number) => Promise<void>): Promise<void> {
  for (let from = 0; from < NODES; from++) {
    for (let step = 1; step <= REACH; step++) await dial(from, (from + step) % NODES)
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000
}

if (import.meta.main) {
  for (const result of await benchGossip()) console.log(JSON.stringify(result))
}
