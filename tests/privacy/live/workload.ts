import type { Pair, Peer } from '../../../daemon/testnet/contacts.ts'
import { aliasOf } from '../../../daemon/testnet/contacts.ts'
import { type Rng, systemClock, uniform, uniformInt } from '../../../src/base/index.ts'

/** How long a text is, and how often: a word, a paragraph that fills a box, a letter of about five boxes. */
const TEXTS = [
  { share: 0.6, bytes: 60 },
  { share: 0.25, bytes: 1_700 },
  { share: 0.15, bytes: 8_000 },
] as const

const POLL_MS = 500
/** Messages that wait at every node while it is busy: more than leave between two looks. */
const DEPTH = 3

/** One look at one node. */
export interface Look {
  readonly node: number
  /** Machine clock. */
  readonly at: number
  readonly queued: number
  /** Share of the node's last own packets that were answered; null while too few are known. */
  readonly replyRate: number | null
}

/**
 * The users of a testnet. While `busy` is set they keep messages waiting at every node, to contacts drawn at random;
 * otherwise they only look at their outboxes, as often as before: asking costs the same in both kinds of phases.
 */
export class Workload {
  busy = false
  sent = 0
  readonly looks: Look[] = []
  readonly #peers: readonly Peer[]
  readonly #pairs: readonly Pair[]
  readonly #rng: Rng
  readonly #now: () => number

  constructor(
    ports: { peers: readonly Peer[]; rng: Rng; now: () => number },
    options: { readonly pairs: readonly Pair[] },
  ) {
    this.#peers = ports.peers
    this.#pairs = options.pairs
    this.#rng = ports.rng
    this.#now = ports.now
  }

  /** Runs until the signal aborts. @throws what a daemon answers with, unless aborted. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#peers.map((peer) => this.#use(peer, signal)))
  }

  async #use(peer: Peer, signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        const { outbox, mixing } = await peer.rpc.call('node.status')
        const { queued } = outbox
        const { replyRate } = mixing
        this.looks.push({ node: peer.index, at: this.#now(), queued, replyRate })
        for (let n = queued; this.busy && n < DEPTH; n++) await this.#send(peer)
        await systemClock.sleep(POLL_MS * (0.5 + uniform(this.#rng)), signal)
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  async #send({ index, rpc }: Peer): Promise<void> {
    const contacts = this.#pairs.flatMap(([a, b]) => {
      if (a.index !== index && b.index !== index) return []
      return [a.index === index ? b.index : a.index]
    })
    const other = contacts[uniformInt(this.#rng, contacts.length)]
    if (other === undefined) throw new Error(`node ${index} has no contact`)
    await rpc.call('messages.send', { to: aliasOf(other), body: { text: this.#text() } })
    this.sent++
  }

  #text(): string {
    let draw = uniform(this.#rng)
    const kind = TEXTS.find(({ share }) => (draw -= share) < 0) ?? TEXTS[0]
    return 'x'.repeat(kind.bytes)
  }
}
