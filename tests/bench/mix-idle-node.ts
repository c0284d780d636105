/** A process of the mixing bench: libp2p nodes with all protocols of a daemon that have nothing to say. */
import {
  asNetworkId,
  type NodeId,
  silentLogger,
  systemClock,
  systemRng,
} from '../../src/base/index.ts'
import { directoryTopicPlan, PRESETS } from '../../src/directory/index.ts'
import { gossipTopicPlans } from '../../src/gossip/index.ts'
import { MIX_PROTOCOL } from '../../src/mix/mix-links.ts'
import { createNet, type Net } from '../../src/net/index.ts'
import { cpuMsSince, serve } from './mix-child.ts'

export interface IdlePeer {
  readonly nodeId: Uint8Array
  readonly addresses: readonly string[]
}

const NETWORK = asNetworkId(new Uint8Array(32).fill(0x4d))
const { boxRate, copies } = PRESETS.balanced
const TOPICS = [
  ...gossipTopicPlans({ networkId: NETWORK, publicationsPerSecond: boxRate * copies }),
  directoryTopicPlan(),
]
/** No frame is sent: any length will do. */
const FRAME_BYTES = 1024
const nets: Net[] = []
const cpuAtStart = process.cpuUsage()

export const handlers = {
  start: async (o: { nodes: number; second: number }): Promise<IdlePeer[]> => {
    for (let index = 0; index < o.nodes; index++) {
      const net = createNet(
        { clock: systemClock, rng: systemRng, log: silentLogger },
        {
          privateKeySeed: systemRng.bytes(32),
          listen: [`/ip4/127.${o.second}.${index}.1/tcp/0`],
          pnetKey: NETWORK,
          networkTag: '4d4d4d4d',
          bootstraps: [],
          targetConnections: 0,
          topics: TOPICS,
        },
      )
      for (const { topic } of TOPICS) {
        net.pubsub.subscribe(topic, {
          validate: () => 'accept',
          messageId: (message) => message,
          handle: () => undefined,
        })
      }
      net.links.accept(MIX_PROTOCOL, { frameBytes: FRAME_BYTES }, () => undefined)
      await net.start()
      nets.push(net)
    }
    return nets.map((net) => ({ nodeId: net.nodeId, addresses: net.addresses() }))
  },

  /** Connects the first node to all of these and opens its links. */
  connect: async (o: { peers: readonly IdlePeer[] }): Promise<void> => {
    const [net] = nets
    for (const { nodeId, addresses } of o.peers) {
      await net?.peers.dial(nodeId as NodeId, addresses)
      await net?.links.open(nodeId as NodeId, MIX_PROTOCOL)
    }
  },

  cpuMs: async (): Promise<number> => cpuMsSince(cpuAtStart),
}

if (import.meta.main) serve(handlers)
