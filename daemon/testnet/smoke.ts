import type { EventView } from '../../src/node/index.ts'
import { receivedMessage } from '../message-event.ts'
import { aliasOf, ensureContacts, type Pair, type Peer } from './contacts.ts'
import type { TestnetPorts } from './ports.ts'
import { seededShuffle } from './seeded-shuffle.ts'
import type { NodeState, TestnetState } from './state.ts'
import { Tally, type TallyResult } from './tally.ts'

export interface SmokeOptions {
  /** Distinguishes this run's texts and consumers from those of earlier runs. */
  readonly runId: string
  /** Unordered pairs to try; all of them when undefined. */
  readonly pairs?: number
  readonly contactsTimeoutMs: number
  readonly messagesTimeoutMs: number
}

export interface SmokeReport extends TallyResult {
  readonly preset: string
  readonly nodes: number
  /** Ordered pairs, each with one message. */
  readonly pairs: number
  readonly durationMs: number
  readonly perNode: readonly (TallyResult & { readonly index: number })[]
}

const POLL_MS = 50
/** After the last arrival, how long a duplicate may still come. */
const SETTLE_MS = 1_000
const EVENT_TYPES = [
  'message.received',
  'message.delivered',
  'message.read',
  'message.failed',
  'message.expired',
]

/**
 * Makes all pairs of nodes contacts, sends one message over every ordered pair through the public RPC, and
 * counts by durable consumers what arrived: exactly once, never, or more often.
 */
export async function smoke(
  ports: TestnetPorts,
  state: TestnetState,
  options: SmokeOptions,
  signal: AbortSignal,
): Promise<SmokeReport> {
  const started = ports.clock.monotonic()
  const peers = await connectAll(ports, state.nodes)
  const consumer = `smoke-${options.runId}`
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  const readers: Promise<void>[] = []
  const broken: unknown[] = []
  try {
    const pairs = choosePairs(peers, state.seed, options.pairs)
    await ensureContacts(ports, pairs, options.contactsTimeoutMs, signal)

    const tally = new Tally()
    const involved = [...new Set(pairs.flat())]
    for (const peer of involved) {
      await peer.rpc.call('events.consumers.create', {
        name: consumer,
        from: 'now',
        types: EVENT_TYPES,
      })
      readers.push(
        observe(ports, peer, { consumer, tally }, both).catch((error: unknown) => {
          if (!both.aborted) broken.push(error)
        }),
      )
    }
    const messages = seededShuffle(
      pairs.flatMap(([a, b]) => [
        { from: a, to: b, text: `smoke ${options.runId} ${a.index} to ${b.index}` },
        { from: b, to: a, text: `smoke ${options.runId} ${b.index} to ${a.index}` },
      ]),
      state.seed,
    )
    for (const { from, to, text } of messages) tally.expect(text, from.index, to.index)
    await Promise.all(messages.map((message) => send(ports, message, tally, options.runId)))
    await waitComplete(ports, tally, { total: messages.length, broken, ...options }, signal)

    return {
      preset: state.preset,
      nodes: state.nodes.length,
      pairs: messages.length,
      ...tally.result(),
      durationMs: Math.round(ports.clock.monotonic() - started),
      perNode: involved
        .map(({ index }) => ({ index, ...tally.result(({ to }) => to === index) }))
        .sort((a, b) => a.index - b.index),
    }
  } finally {
    stop.abort()
    await Promise.allSettled(readers)
    // A consumer that nobody reads would hold the journal for ever.
    await Promise.allSettled(
      peers.map(({ rpc }) => rpc.call('events.consumers.delete', { name: consumer })),
    )
    for (const { rpc } of peers) rpc.close()
  }
}

async function connectAll(ports: TestnetPorts, nodes: readonly NodeState[]): Promise<Peer[]> {
  return Promise.all(
    nodes.map(async ({ index, rpc }) => ({ index, rpc: await ports.connect(rpc) })),
  )
}

/** `count` unordered pairs, drawn with the seed; all when undefined. */
function choosePairs(peers: readonly Peer[], seed: string, count: number | undefined): Pair[] {
  const all = peers.flatMap((a) =>
    peers.flatMap((b): Pair[] => (a.index < b.index ? [[a, b]] : [])),
  )
  return count === undefined ? all : seededShuffle(all, seed).slice(0, count)
}

interface Outgoing {
  readonly from: Peer
  readonly to: Peer
  readonly text: string
}

async function send(
  ports: TestnetPorts,
  { from, to, text }: Outgoing,
  tally: Tally,
  runId: string,
): Promise<void> {
  tally.sending(text, ports.clock.monotonic())
  const { messageId } = await from.rpc.call('messages.send', {
    to: aliasOf(to.index),
    body: { text },
    idempotencyKey: `smoke-${runId}-${from.index}-${to.index}`,
  })
  tally.accepted(text, messageId)
}

/** Feeds the events of one node into the tally until the signal. */
async function observe(
  ports: TestnetPorts,
  peer: Peer,
  options: { consumer: string; tally: Tally },
  signal: AbortSignal,
): Promise<void> {
  const { consumer, tally } = options
  for await (const event of peer.rpc.subscribe({ consumer }, signal)) {
    count(tally, peer.index, event, ports.clock.monotonic())
    await peer.rpc.call('events.ack', { consumer, seq: event.seq, epoch: event.epoch })
  }
}

function count(tally: Tally, node: number, event: EventView, at: number): void {
  const { id, type } = event
  const { messageId, text } = receivedMessage(event)
  if (type === 'message.received') {
    tally.received({ id, node, text, at })
  } else if (type === 'message.delivered' || type === 'message.read') {
    tally.confirmed({ id, node, messageId, at })
  } else {
    tally.failed(messageId)
  }
}

async function waitComplete(
  ports: TestnetPorts,
  tally: Tally,
  options: { total: number; broken: readonly unknown[]; messagesTimeoutMs: number },
  signal: AbortSignal,
): Promise<void> {
  const { clock } = ports
  const deadline = clock.monotonic() + options.messagesTimeoutMs
  while (!tally.complete && clock.monotonic() < deadline) {
    if (options.broken.length > 0) throw options.broken[0]
    const { confirmed } = tally.result()
    ports.progress(`sending, ${tally.arrived} of ${options.total} arrived, ${confirmed} confirmed`)
    await clock.sleep(POLL_MS, signal)
  }
  await clock.sleep(SETTLE_MS, signal)
}
