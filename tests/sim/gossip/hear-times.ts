import { asNodeId, type Clock, systemClock, uniform } from '../../../src/base/index.ts'
import { MESH_DEGREE } from '../../../src/net/constants.ts'
import type { Net, PubSub } from '../../../src/net/index.ts'
import { MemoryNetwork } from '../../support/memory-net.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { eventually, quietScoring, sha256, testNet } from '../../support/test-nets.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { slowSockets } from './slow-sockets.ts'

export interface HearOptions {
  readonly nodes: number
  readonly messages: number
  /** Between two messages. */
  readonly everyMs: number
  /** Latency of a link: uniform between the two, in milliseconds. */
  readonly latencyMs: readonly [number, number]
  readonly seed: string
  /** Of the model; by default that of gossipsub, as in the simulations. */
  readonly meshDegree?: number
}

const MESSAGE_BYTES = 2_300
const TOPIC = 'test'
const SETTLE_MS = 2_000

/** Notes when each node hears each message, from its publication on. */
class Ears {
  readonly #clock: Clock
  readonly #published = new Map<string, number>()
  readonly times: number[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  listen(pubsub: PubSub): void {
    pubsub.subscribe(TOPIC, {
      validate: () => 'accept',
      messageId: sha256,
      handle: (message) => {
        const at = this.#published.get(numberOf(message))
        if (at !== undefined) this.times.push(this.#clock.monotonic() - at)
      },
    })
  }

  /** The message of this number, as of now. */
  message(number: number): Uint8Array {
    const bytes = new Uint8Array(MESSAGE_BYTES)
    new DataView(bytes.buffer).setUint32(0, number)
    this.#published.set(numberOf(bytes), this.#clock.monotonic())
    return bytes
  }
}

function numberOf(message: Uint8Array): string {
  return String(new DataView(message.buffer, message.byteOffset).getUint32(0))
}

/** Hear times in the network that simulations use, milliseconds, ascending. */
export async function modelHearTimes(options: HearOptions): Promise<number[]> {
  const clock = new VirtualClock()
  const ears = new Ears(clock)
  const { latencyMs, meshDegree = MESH_DEGREE } = options
  const air = new MemoryNetwork({ clock, rng: seededRng(options.seed) }, { latencyMs, meshDegree })
  const nodes = Array.from({ length: options.nodes }, (_, i) => {
    const node = air.join(asNodeId(sha256(Uint8Array.of(i))))
    ears.listen(node.pubsub)
    return node
  })
  await clock.advance(SETTLE_MS)
  for (let i = 0; i < options.messages; i++) {
    await nodes[i % nodes.length]?.pubsub.publish(TOPIC, ears.message(i))
    await clock.advance(options.everyMs)
  }
  await clock.advance(SETTLE_MS)
  return ears.times.toSorted((a, b) => a - b)
}

/**
 * The same with gossipsub over TCP on the loopback interface, everything in this process. A link has one latency in each
 * direction, drawn once: TCP keeps the order, so that what is drawn for each message would make others wait.
 */
export async function gossipsubHearTimes(options: HearOptions): Promise<number[]> {
  const ears = new Ears(systemClock)
  const nets: Net[] = []
  const topics = [{ topic: TOPIC, maxMessageBytes: 4_096, scoring: quietScoring }]
  let restore: (() => void) | undefined
  try {
    for (let i = 1; i <= options.nodes; i++) {
      const bootstraps = nets.flatMap((net) => net.addresses())
      const net = testNet(i, { bootstraps, topics, targetConnections: options.nodes - 1 })
      nets.push(net)
      ears.listen(net.pubsub)
      await net.start()
    }
    const most = Math.min(options.nodes - 1, 4)
    await eventually(() => nets.every((net) => net.pubsub.meshPeers(TOPIC) >= most), 30_000)
    const [min, max] = options.latencyMs
    const rng = seededRng(options.seed)
    restore = slowSockets(() => min + uniform(rng) * (max - min))
    for (let i = 0; i < options.messages; i++) {
      await nets[i % nets.length]?.pubsub.publish(TOPIC, ears.message(i))
      await systemClock.sleep(options.everyMs)
    }
    await systemClock.sleep(SETTLE_MS)
  } finally {
    restore?.()
    await Promise.all(nets.map((net) => net.stop()))
  }
  return ears.times.toSorted((a, b) => a - b)
}
