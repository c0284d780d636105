import {
  type Address,
  type BoxBytes,
  equalBytes,
  HearsayError,
  isHearsayError,
  type NodeId,
  type Rng,
  shuffled,
} from '../base/index.ts'
import type { Peers, Requests } from '../net/index.ts'
import { boxHash, parseBox } from '../stream/index.ts'
import type { BoxShelf } from './box-shelf.ts'
import {
  BLAME_POINTS,
  FETCH_ANSWER_BYTES,
  FETCH_CONCURRENT,
  FETCH_PROTOCOL,
  FETCH_REQUEST_BYTES,
  FETCH_TIMEOUT_MS,
} from './constants.ts'
import { decodeFetch, decodeFetchAnswer, encodeFetch, encodeFetchAnswer } from './fetch-codec.ts'
import type { PlacementPort, PublicationPort } from './ports.ts'

export interface FetchPorts {
  readonly rng: Rng
  readonly requests: Pick<Requests, 'request' | 'handle'>
  readonly peers: Pick<Peers, 'penalise'>
  readonly placement: PlacementPort
  readonly publications: PublicationPort
  readonly verifyBox: (box: BoxBytes) => boolean
  readonly shelf: BoxShelf
}

export type FetchResult =
  | { readonly status: 'found'; readonly boxes: readonly BoxBytes[] }
  /** `asked` keepers say that they do not have it: at least `notFoundQuorum` of them. */
  | { readonly status: 'not-found'; readonly asked: number }
  /** Too few keepers answered to say. */
  | { readonly status: 'unreachable'; readonly asked: number }

/** Keepers that must say so before a box is believed not to exist: more than half. */
export function notFoundQuorum(keepers: number): number {
  return Math.floor(keepers / 2) + 1
}

/** Asks keepers for boxes, and answers as a keeper. Answers have one size. */
export class BoxFetch {
  readonly #ports: FetchPorts
  readonly #options: { nodeId: NodeId; ttlDays: number }

  constructor(ports: FetchPorts, options: { nodeId: NodeId; ttlDays: number }) {
    this.#ports = ports
    this.#options = options
  }

  /** Starts to answer. */
  serve(): void {
    this.#ports.requests.handle(
      FETCH_PROTOCOL,
      { maxRequestBytes: FETCH_REQUEST_BYTES, maxConcurrentPerPeer: FETCH_CONCURRENT },
      (_peer, payload) => this.answer(payload),
    )
  }

  /** A keeper's answer to a fetch request, `FETCH_ANSWER_BYTES` long. @throws for a malformed request. */
  async answer(payload: Uint8Array): Promise<Uint8Array> {
    const { address, which } = decodeFetch(payload)
    const boxes = await this.#local(address)
    return encodeFetchAnswer({ count: boxes.length, box: boxes[which] }, this.#ports.rng)
  }

  /**
   * Looks here, then asks the keepers one after another in random order until one has it: a box that one honest
   * keeper has is found. Every box is verified; a keeper with a wrong one is blamed and does not count.
   * @throws HearsayError `aborted`.
   */
  async fetch(address: Address, day: number, signal: AbortSignal): Promise<FetchResult> {
    // One that may have been made for this node alone is no reason not to ask.
    const local = await this.#local(address, { onlyConfirmed: true })
    if (local.length > 0) return { status: 'found', boxes: local }
    const keepers = this.#ports.placement.keepers(address, day)
    const quorum = notFoundQuorum(keepers.length)
    const isSelf = (node: NodeId) => equalBytes(node, this.#options.nodeId)
    const others = keepers.filter((keeper) => !isSelf(keeper))
    let asked = keepers.length - others.length
    for (const keeper of shuffled(this.#ports.rng, others)) {
      const boxes = await this.#ask(keeper, address, day, signal)
      if (boxes === undefined) continue
      if (boxes.length > 0) return { status: 'found', boxes }
      asked++
    }
    const believed = keepers.length > 0 && asked >= quorum
    return { status: believed ? 'not-found' : 'unreachable', asked }
  }

  async #local(address: Address, o = { onlyConfirmed: false }): Promise<BoxBytes[]> {
    const records = await this.#ports.shelf.all(address)
    return records
      .filter(({ entry }) => entry.confirmed || !o.onlyConfirmed)
      .map(({ publication }) => this.#ports.publications.boxOf(publication))
      .filter((box) => box !== undefined)
  }

  /** The keeper's boxes, none when it has none, undefined when it cannot be asked or lies. */
  async #ask(
    keeper: NodeId,
    address: Address,
    day: number,
    signal: AbortSignal,
  ): Promise<BoxBytes[] | undefined> {
    try {
      const first = await this.#askFor(keeper, { address, which: 0 }, day, signal)
      if (first.box === undefined) return []
      if (first.count < 2) return [first.box]
      const second = await this.#askFor(keeper, { address, which: 1 }, day, signal)
      if (second.box === undefined) return [first.box]
      const isConflict = !equalBytes(boxHash(first.box), boxHash(second.box))
      return isConflict ? [first.box, second.box] : [first.box]
    } catch (error) {
      if (signal.aborted || !isHearsayError(error)) throw error
      if (error.code === 'bad-signature') this.#ports.peers.penalise(keeper, BLAME_POINTS)
      return undefined
    }
  }

  async #askFor(
    keeper: NodeId,
    request: { address: Address; which: number },
    day: number,
    signal: AbortSignal,
  ): Promise<{ count: number; box: BoxBytes | undefined }> {
    const bytes = await this.#ports.requests.request(keeper, FETCH_PROTOCOL, encodeFetch(request), {
      maxResponseBytes: FETCH_ANSWER_BYTES,
      timeoutMs: FETCH_TIMEOUT_MS,
      signal,
    })
    const answer = decodeFetchAnswer(bytes, request.which)
    if (answer.box !== undefined && !this.#isWanted(answer.box, request.address, day)) {
      throw new HearsayError('bad-signature', 'a keeper answered with another box')
    }
    return answer
  }

  #isWanted(box: BoxBytes, address: Address, day: number): boolean {
    try {
      const parsed = parseBox(box)
      return (
        equalBytes(parsed.address, address) &&
        parsed.expiryDay === day + this.#options.ttlDays &&
        this.#ports.verifyBox(box)
      )
    } catch (error) {
      if (!isHearsayError(error)) throw error
      return false
    }
  }
}
