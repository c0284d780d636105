import { silentLogger, systemClock, systemRng, toHex } from '../../src/base/index.ts'
import { directoryTopicPlan, inspectNetwork } from '../../src/directory/index.ts'
import {
  decodePublication,
  gossipTopicPlans,
  gossipTopics,
  publicationId,
} from '../../src/gossip/index.ts'
import { createNet, type Net } from '../../src/net/index.ts'
import type { Sighting } from './cadence.ts'

export interface Seen extends Sighting {
  /** Node key of the courier, hexadecimal. */
  readonly courier: string
}

/**
 * A member of a network that only watches: it notes when which courier published how many bytes, at the moment
 * the first copy arrives, and passes everything on like anybody else.
 */
export class Observer {
  readonly seen: Seen[] = []
  readonly #net: Net
  readonly #topic: string

  private constructor(net: Net, topic: string) {
    this.#net = net
    this.#topic = topic
  }

  /** Joins the network of a network file, on a loopback address, and links to the nodes at `addresses`. */
  static async join(file: string, addresses: readonly string[]): Promise<Observer> {
    const network = inspectNetwork(file, { now: Date.now() })
    const { boxRate, copies } = network.parameters
    const { id: networkId } = network
    const topic = gossipTopics(networkId).publications
    const net = createNet(
      { clock: systemClock, rng: systemRng, log: silentLogger },
      {
        privateKeySeed: systemRng.bytes(32),
        listen: ['/ip4/127.99.0.1/tcp/0'],
        pnetKey: network.pnetKey,
        networkTag: toHex(networkId).slice(0, 16),
        bootstraps: addresses,
        topics: [
          ...gossipTopicPlans({ networkId, publicationsPerSecond: boxRate * copies }),
          directoryTopicPlan(),
        ],
      },
    )
    const observer = new Observer(net, topic)
    net.pubsub.subscribe(topic, {
      messageId: publicationId,
      validate: (bytes) => {
        observer.#note(bytes)
        return 'accept'
      },
      handle: () => undefined,
    })
    await net.start()
    return observer
  }

  /** Nodes that bring publications directly. */
  get neighbours(): number {
    return this.#net.pubsub.meshPeers(this.#topic)
  }

  stop(): Promise<void> {
    return this.#net.stop()
  }

  #note(bytes: Uint8Array): void {
    const at = performance.timeOrigin + performance.now()
    const { courier } = decodePublication(bytes)
    this.seen.push({ at, size: bytes.length, courier: toHex(courier) })
  }
}
