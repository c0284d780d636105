import { type Clock, silentLogger } from '../../../src/base/index.ts'
import { Directory, type Network, type SelfDescription } from '../../../src/directory/index.ts'
import { openMemoryStore } from '../../../src/store/index.ts'
import { MemoryNetwork } from '../../support/memory-net.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { T0, testNetwork, testNode } from './fixtures.ts'

/** Directories that hear each other over a network in memory. */
export function directoryWorld(network: Network = testNetwork()) {
  const clock = new VirtualClock(T0 + 1_000)
  const net = new MemoryNetwork({ clock, rng: seededRng(9) })
  const running: Directory[] = []

  async function add(index: number, self: Partial<SelfDescription> = {}, own: Clock = clock) {
    const node = testNode(index)
    const rng = seededRng(`node ${index}`)
    const store = await openMemoryStore({ clock, rng, log: silentLogger })
    const link = net.join(node.nodeId)
    const directory = new Directory(
      {
        pubsub: link.pubsub,
        requests: link.requests,
        peers: link.peers,
        store,
        clock: own,
        rng,
        log: silentLogger,
        sign: node.sign,
      },
      {
        network,
        nodeId: node.nodeId,
        self: {
          addresses: [`/ip4/127.${index}.0.1/tcp/4001`],
          reachable: true,
          keepsFromDay: 0,
          mixKeys: [],
          requestKey: new Uint8Array(32).fill(index),
          ...self,
        },
      },
    )
    await directory.start()
    running.push(directory)
    return { directory, link, node }
  }

  async function close(): Promise<void> {
    await Promise.all(running.map((directory) => directory.stop()))
  }

  return { clock, net, add, close, network }
}
