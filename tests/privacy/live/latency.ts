import { setTimeout as sleep } from 'node:timers/promises'
import { receivedMessage } from '../../../daemon/message-event.ts'
import { aliasOf, type Pair, type Peer } from '../../../daemon/testnet/contacts.ts'
import type { Preset } from '../../../daemon/testnet/index.ts'
import type { Parameters } from '../../../daemon/testnet/parameters.ts'
import { type Rng, uniform } from '../../../src/base/index.ts'
import type { NetworkParameters } from '../../../src/directory/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { machineMs } from './machine-clock.ts'
import { withLiveNetwork } from './network.ts'

export interface LatencyOptions {
  readonly nodes: number
  readonly preset: Preset
  readonly parameters: Parameters
  readonly seed: string
  readonly messages: number
  readonly progress: (text: string) => void
  readonly signal: AbortSignal
}

export interface MeasuredLatency {
  readonly parameters: NetworkParameters
  readonly publishEvery: number
  /** From the call of messages.send to the reader's event, milliseconds, one per message. */
  readonly samples: readonly number[]
  /** Messages that did not arrive in time. */
  readonly lost: number
}

const CONSUMER = 'latency'
const ARRIVAL_TIMEOUT_MS = 60_000
/** After an arrival: its acknowledgement goes first, and the next message begins at a random moment. */
const REST_MS = 4_000
const SPREAD_MS = 4_000

/** Sends single texts from the first half of the nodes to the second, each when the last one is long through. */
export function measureLatency(options: LatencyOptions): Promise<MeasuredLatency> {
  return withLiveNetwork(
    { ...options, observed: false },
    async ({ peers, network, befriend }) => {
      const half = Math.floor(peers.length / 2)
      const pairs = peers.slice(0, half).map((peer, i): Pair => [peer, peers[half + i]!])
      await befriend(pairs)
      const { mixing } = await peers[0]!.rpc.call('node.status')
      await sleep(REST_MS, undefined, { signal: options.signal })
      const samples: number[] = []
      let lost = 0
      let left = options.messages
      await Promise.all(
        pairs.map(async ([from, to], i) => {
          const rng = seededRng(`${options.seed}/${i}`)
          const inbox = await Inbox.open(to, options.signal)
          try {
            while (left-- > 0) {
              const ms = await sendOne(from, to, inbox, { rng, signal: options.signal })
              if (ms === undefined) lost++
              else samples.push(ms)
              options.progress(`${samples.length} of ${options.messages} messages arrived`)
            }
          } finally {
            inbox.close()
          }
        }),
      )
      const { parameters } = network
      return { parameters, publishEvery: mixing.publishEvery, samples, lost }
    },
    (_dir, measured) => measured,
  )
}

async function sendOne(
  from: Peer,
  to: Peer,
  inbox: Inbox,
  { rng, signal }: { rng: Rng; signal: AbortSignal },
): Promise<number | undefined> {
  await sleep(REST_MS + uniform(rng) * SPREAD_MS, undefined, { signal })
  const text = `at ${machineMs()}`
  const arrival = inbox.expect(text)
  const sentAt = machineMs()
  await from.rpc.call('messages.send', { to: aliasOf(to.index), body: { text } })
  const arrivedAt = await Promise.race([
    arrival,
    sleep(ARRIVAL_TIMEOUT_MS, undefined, { signal, ref: false }),
  ])
  return arrivedAt === undefined ? undefined : arrivedAt - sentAt
}

/** Tells when a text arrives at a node. */
class Inbox {
  readonly #waiting = new Map<string, (at: number) => void>()
  readonly #end = new AbortController()

  static async open(peer: Peer, signal: AbortSignal): Promise<Inbox> {
    const inbox = new Inbox()
    await peer.rpc.call('events.consumers.create', {
      name: CONSUMER,
      from: 'now',
      types: ['message.received'],
    })
    const both = AbortSignal.any([signal, inbox.#end.signal])
    inbox.#read(peer, both).catch((error: unknown) => {
      if (!both.aborted) throw error
    })
    return inbox
  }

  expect(text: string): Promise<number> {
    return new Promise((resolve) => this.#waiting.set(text, resolve))
  }

  close(): void {
    this.#end.abort()
  }

  async #read(peer: Peer, signal: AbortSignal): Promise<void> {
    for await (const event of peer.rpc.subscribe({ consumer: CONSUMER }, signal)) {
      const { text } = receivedMessage(event)
      this.#waiting.get(text)?.(machineMs())
      this.#waiting.delete(text)
      await peer.rpc.call('events.ack', { consumer: CONSUMER, seq: event.seq })
    }
  }
}
