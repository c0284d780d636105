import { createInterface } from 'node:readline'
import {
  fromHex,
  type NodeId,
  silentLogger,
  systemClock,
  systemRng,
  toHex,
} from '../../src/base/index.ts'
import { createNet } from '../../src/net/index.ts'
import type { NetProcessOptions } from './net-host.ts'
import { NETWORK_TAG, PNET_KEY } from './test-nets.ts'

/** A net in a process of its own: options in the first argument, questions and answers as lines of JSON. */
const options = JSON.parse(process.argv[2] ?? '{}') as NetProcessOptions
const frames = new Map<string, number>()
const net = createNet(
  { clock: systemClock, rng: systemRng, log: silentLogger, isKnown: () => true },
  {
    privateKeySeed: new Uint8Array(32).fill(options.key),
    listen: options.listen,
    ...(options.announce === undefined ? {} : { announce: options.announce }),
    pnetKey: PNET_KEY,
    networkTag: NETWORK_TAG,
    bootstraps: options.bootstraps,
    topics: [],
  },
)
net.links.accept('mix', { frameBytes: 3_400 }, (peer) => {
  const key = toHex(peer)
  frames.set(key, (frames.get(key) ?? 0) + 1)
})
await net.start()

const answers: Record<string, (peer: string) => unknown> = {
  view: () => ({
    nodeId: toHex(net.nodeId),
    addresses: net.addresses(),
    reachability: net.reachability(),
    hindrance: net.status().hindrance ?? null,
    connected: net.peers.connected().map(toHex),
    frames: Object.fromEntries(frames),
  }),
  /** Sends one frame, over a link that is opened if need be. */
  send: async (peer) => {
    const nodeId = fromHex(peer) as NodeId
    await net.links.open(nodeId, 'mix')
    return net.links.send(nodeId, 'mix', new Uint8Array(3_400))
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const { question, peer } = JSON.parse(line) as { question: string; peer: string }
  process.stdout.write(`${JSON.stringify(await answers[question]?.(peer))}\n`)
}
await net.stop()
// libp2p leaves a few timers of its own behind.
process.exit(0)
