import type { Connection, Libp2p } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import {
  type Clock,
  HearsayError,
  isHearsayError,
  type NodeId,
  type Rng,
  toHex,
} from '../base/index.ts'
import {
  ANSWER_TIMEOUT_MS,
  DIAL_BACK_NONCE_BYTES,
  DIAL_BACK_NONCE_MS,
  DIAL_BACK_PAUSE_MS,
  DIAL_BACK_REQUEST_BYTES,
  DIAL_BACKS_PER_PEER_BURST,
  DIAL_TIMEOUT_MS,
  MAX_DIAL_BACKS,
  MAX_PARALLEL_DIALS,
} from './constants.ts'
import { deadline, untilAborted } from './deadline.ts'
import { dialAddresses } from './dial.ts'
import {
  type DialBackAnswer,
  decodeDialBack,
  decodeDialBackAnswer,
  encodeDialBack,
  encodeDialBackAnswer,
} from './dial-back-codec.ts'
import { PeerBudget } from './peer-budget.ts'
import type { StreamRequests } from './requests.ts'
import { isUnderTls } from './resolve.ts'

const ASK = 'net/dial-back'
const BRING = 'net/dial-back-nonce'

export interface DialBackPorts {
  clock: Clock
  rng: Rng
  requests: StreamRequests
  libp2p(): Libp2p | undefined
  /** Nodes that are helped: keys cost nothing, a place in the directory does. */
  isKnown(peer: NodeId): boolean
  /** IP addresses of a name. */
  resolve(name: string): Promise<string[]>
}

/** `none`: the helper would not or could not say. */
export type DialBackOutcome = 'confirmed' | 'failed' | 'elsewhere' | 'none'

interface Expected {
  readonly peer: string
  /** Connections of the helper that were there when it was asked. */
  readonly before: ReadonlySet<string>
  brought: boolean
}

/**
 * Asks nodes to dial this one, and dials others that ask (SPEC.md §6). A helper dials the host that the question came
 * from and no other, so it can be turned against nobody but who asks. A confirmation counts only when the helper came
 * in over a connection of its own: nobody can talk a node behind a closed door into believing that it is open.
 */
export class DialBack {
  readonly #ports: DialBackPorts
  readonly #budget: PeerBudget
  readonly #expected = new Map<string, Expected>()
  #dialling = 0

  constructor(ports: DialBackPorts) {
    this.#ports = ports
    this.#budget = new PeerBudget(ports.clock, {
      burst: DIAL_BACKS_PER_PEER_BURST,
      perSecond: 1_000 / DIAL_BACK_PAUSE_MS,
    })
  }

  /** Registers both protocols. */
  serve(): void {
    const { requests } = this.#ports
    requests.handle(
      ASK,
      { maxRequestBytes: DIAL_BACK_REQUEST_BYTES, maxConcurrentPerPeer: 1 },
      async (peer, payload, connection) =>
        encodeDialBackAnswer(await this.#help(peer, payload, connection)),
    )
    requests.handle(
      BRING,
      { maxRequestBytes: DIAL_BACK_NONCE_BYTES, maxConcurrentPerPeer: 1, isAwaited: true },
      async (_peer, nonce, connection) => this.#take(nonce, connection),
    )
  }

  /** Asks the node at the other end to dial one of these addresses. Never rejects. */
  async ask(
    helper: Connection,
    addresses: readonly string[],
    signal: AbortSignal,
  ): Promise<DialBackOutcome> {
    const { rng, requests } = this.#ports
    const nonce = rng.bytes(DIAL_BACK_NONCE_BYTES)
    const expected = {
      peer: helper.remotePeer.toString(),
      before: new Set(this.#connections(helper).map(({ id }) => id)),
      brought: false,
    }
    this.#expected.set(toHex(nonce), expected)
    try {
      const payload = encodeDialBack({ nonce, addresses })
      const options = { maxResponseBytes: 1, timeoutMs: ANSWER_TIMEOUT_MS, signal }
      const answer = decodeDialBackAnswer(await requests.requestOn(helper, ASK, payload, options))
      if (answer !== 'dialled') return answer
      return expected.brought ? 'confirmed' : 'none'
    } catch {
      return 'none'
    } finally {
      this.#expected.delete(toHex(nonce))
    }
  }

  #take(nonce: Uint8Array, connection: Connection): Uint8Array {
    const expected = this.#expected.get(toHex(nonce))
    const isOwnWay = connection.direction === 'inbound' && !expected?.before.has(connection.id)
    if (expected?.peer !== connection.remotePeer.toString() || !isOwnWay) {
      throw new HearsayError('bad-value', 'not a nonce that this node waits for')
    }
    expected.brought = true
    return new Uint8Array(0)
  }

  async #help(peer: NodeId, payload: Uint8Array, asked: Connection): Promise<DialBackAnswer> {
    const { nonce, addresses } = decodeDialBack(payload)
    if (!this.#ports.isKnown(peer)) {
      throw new HearsayError('not-admitted', 'only known nodes are dialled back')
    }
    await this.#budget.spend(peer, 1)
    if (this.#dialling >= MAX_DIAL_BACKS) throw new HearsayError('overloaded', 'busy dialling')
    this.#dialling += 1
    const limit = deadline(this.#ports.clock, DIAL_TIMEOUT_MS)
    try {
      const address = await this.#addressOf(asked, addresses, limit.signal)
      if (address === undefined) return 'elsewhere'
      return await this.#bring(asked, address, nonce, limit.signal)
    } finally {
      limit.clear()
      this.#dialling -= 1
    }
  }

  /** The first address on the host that the asker comes from, with that host in place of a name. */
  async #addressOf(
    asked: Connection,
    addresses: readonly string[],
    signal: AbortSignal,
  ): Promise<Multiaddr | undefined> {
    const seen = new Set(await this.#hosts(asked.remoteAddr, signal))
    for (const address of dialAddresses(asked.remotePeer, addresses)) {
      const host = (await this.#hosts(address, signal)).find((each) => seen.has(each))
      if (host !== undefined) return atHost(address, host)
    }
    return undefined
  }

  /** Hosts as `ip4/…` or `ip6/…`; none for a name that does not resolve. */
  async #hosts(address: Multiaddr, signal: AbortSignal): Promise<string[]> {
    const [host] = address.getComponents()
    const value = host?.value ?? ''
    if (host?.name === 'ip4' || host?.name === 'ip6') return [`${host.name}/${value}`]
    const found = await untilAborted(
      this.#ports.resolve(value).catch(() => []),
      signal,
    )
    return found.map((ip) => `${ip.includes(':') ? 'ip6' : 'ip4'}/${ip}`)
  }

  async #bring(
    asked: Connection,
    address: Multiaddr,
    nonce: Uint8Array,
    signal: AbortSignal,
  ): Promise<DialBackAnswer> {
    const before = new Set(this.#connections(asked).map(({ id }) => id))
    let fresh: Connection | undefined
    const libp2p = this.#ports.libp2p()
    if ((libp2p?.getDialQueue().length ?? 0) >= MAX_PARALLEL_DIALS) {
      throw new HearsayError('overloaded', 'busy dialling')
    }
    try {
      fresh = await libp2p?.dial(address, { force: true, signal })
    } catch (error) {
      // Our own limits say nothing about the asker.
      if (error instanceof Error && OWN_LIMITS.has(error.name)) throw error
      return 'failed'
    }
    // A dial to this peer that was under way is joined by libp2p, whatever its address.
    if (fresh === undefined || before.has(fresh.id) || !fresh.remoteAddr.equals(address)) {
      throw new HearsayError('overloaded', 'the peer was being dialled already')
    }
    try {
      const options = { maxResponseBytes: 0, timeoutMs: DIAL_BACK_NONCE_MS }
      await this.#ports.requests.requestOn(fresh, BRING, nonce, options)
      return 'dialled'
    } catch (error) {
      if (OWN_FAULTS.some((code) => isHearsayError(error, code))) throw error
      return 'failed'
    } finally {
      fresh.close().catch((error: Error) => fresh.abort(error))
    }
  }

  #connections({ remotePeer }: Connection): Connection[] {
    return this.#ports.libp2p()?.getConnections(remotePeer) ?? []
  }
}

const OWN_FAULTS = ['overloaded', 'aborted', 'not-running'] as const

const OWN_LIMITS: ReadonlySet<string> = new Set([
  'DialDeniedError',
  'DialError',
  'NoValidAddressesError',
  'NotStartedError',
])

/** The address with another host; one under TLS keeps its name, as in `withoutNames`. */
function atHost(address: Multiaddr, host: string): Multiaddr {
  const [, ...rest] = address.getComponents()
  if (isUnderTls(address)) return address
  const tail = rest.map(({ name, value }) => `/${name}${value === undefined ? '' : `/${value}`}`)
  return multiaddr(`/${host}${tail.join('')}`)
}
