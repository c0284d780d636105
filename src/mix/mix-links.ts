import {
  type Clock,
  equalBytes,
  isHearsayError,
  type Logger,
  type NodeId,
  type Rng,
  shuffled,
  toHex,
  uniform,
} from '../base/index.ts'
import type { Links } from '../net/index.ts'
import {
  LINK_RETRY_FIRST_MS,
  LINK_RETRY_MAX_MS,
  LINK_TICK_MS,
  LINKS_OPENING_MAX,
} from './constants.ts'

/** Version in the name of the link protocol. */
export const MIX_PROTOCOL = 'mix/1'

export interface MixLinksPorts {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly links: Links
  /** Neighbours that a link has to stand to, this node left out. */
  readonly wanted: () => readonly NodeId[]
  /** Nodes to which a connection stands. */
  readonly connected: () => readonly NodeId[]
  /** A frame of a neighbour, or of this node itself. Must not throw. */
  readonly onFrame: (from: NodeId, frame: Uint8Array) => void
}

interface Held {
  readonly node: NodeId
  /** Monotonic, ms. */
  wantedAt: number
}

interface Retry {
  readonly failures: number
  readonly notBefore: number
}

/**
 * Keeps one link to every neighbour that packets go to, before they go: no packet opens a connection or a stream,
 * which would show that it is one of a kind. A link that nobody needs any more stays for what is under way. A route
 * may lead over this node itself; such a frame crosses no link.
 */
export class MixLinks {
  readonly #ports: MixLinksPorts
  readonly #self: NodeId
  readonly #lingerMs: number
  readonly #retries = new Map<string, Retry>()
  readonly #held = new Map<string, Held>()
  readonly #opening = new Set<string>()

  /** `lingerMs`: how long a packet of a former route may be under way. */
  constructor(
    ports: MixLinksPorts,
    options: { self: NodeId; frameBytes: number; lingerMs: number },
  ) {
    this.#ports = ports
    this.#self = options.self
    this.#lingerMs = options.lingerMs
    ports.links.accept(MIX_PROTOCOL, { frameBytes: options.frameBytes }, ports.onFrame)
  }

  isOpen(node: NodeId): boolean {
    return equalBytes(node, this.#self) || this.#ports.links.isOpen(node, MIX_PROTOCOL)
  }

  /** Hands a frame over at once. False when there is no link: the frame is lost. */
  send(to: NodeId, frame: Uint8Array): boolean {
    if (!equalBytes(to, this.#self)) return this.#ports.links.send(to, MIX_PROTOCOL, frame)
    this.#ports.clock.setTimer(0, () => this.#ports.onFrame(this.#self, frame))
    return true
  }

  /** A connection to this node stands: after an absence nobody waits out the pauses of what failed meanwhile. */
  connected(node: NodeId): void {
    this.#retries.delete(toHex(node))
  }

  /** Opens what is missing and closes what nobody needs any more, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, rng } = this.#ports
    while (!signal.aborted) {
      this.#tend()
      await clock.sleep(LINK_TICK_MS * (0.5 + uniform(rng)), signal)
    }
  }

  #tend(): void {
    const { clock, links, rng } = this.#ports
    const wanted = new Map(this.#ports.wanted().map((node) => [toHex(node), node]))
    const now = clock.monotonic()
    for (const [key, held] of this.#held) {
      if (wanted.has(key)) held.wantedAt = now
      if (now - held.wantedAt < this.#lingerMs) continue
      links.close(held.node, MIX_PROTOCOL)
      this.#held.delete(key)
    }
    for (const key of this.#retries.keys()) if (!wanted.has(key)) this.#retries.delete(key)
    const connected = new Set(this.#ports.connected().map(toHex))
    const due = [...wanted].filter(
      ([key, node]) =>
        !this.isOpen(node) &&
        !this.#opening.has(key) &&
        (this.#retries.get(key)?.notBefore ?? 0) <= now,
    )
    // Nodes that have gone take seconds each to be found out: whoever is back must not wait behind them for its replies.
    const here = due.filter(([key]) => connected.has(key))
    const away = due.filter(([key]) => !connected.has(key))
    const room = LINKS_OPENING_MAX - this.#opening.size
    const next = [
      ...shuffled(rng, here).slice(0, room + LINKS_OPENING_MAX),
      ...shuffled(rng, away).slice(0, Math.max(0, room)),
    ]
    for (const [key, node] of next) {
      this.#held.set(key, { node, wantedAt: now })
      this.#openOne(key, node).catch((error: unknown) => {
        this.#ports.log.error('a link could not be looked after', {
          code: isHearsayError(error) ? error.code : 'bug',
        })
      })
    }
  }

  async #openOne(key: string, node: NodeId): Promise<void> {
    const { clock, links, rng } = this.#ports
    this.#opening.add(key)
    try {
      await links.open(node, MIX_PROTOCOL)
      this.#retries.delete(key)
    } catch (error) {
      if (!isHearsayError(error)) throw error
      const failures = (this.#retries.get(key)?.failures ?? 0) + 1
      const wait = Math.min(LINK_RETRY_MAX_MS, LINK_RETRY_FIRST_MS * 2 ** (failures - 1))
      const notBefore = clock.monotonic() + wait * (0.5 + uniform(rng))
      this.#retries.set(key, { failures, notBefore })
    } finally {
      this.#opening.delete(key)
    }
  }
}
