import {
  type Address,
  asAddress,
  type BoxBytes,
  type Clock,
  dayOf,
  equalBytes,
  HearsayError,
  isHearsayError,
  type NetworkId,
  type NodeId,
  type Rng,
  shuffled,
  uniformInt,
} from '../base/index.ts'
import { randomKey, signKeyPairFromSeed } from '../crypto/index.ts'
import { boxHash, parseBox } from '../stream/index.ts'
import type { BoxShelf } from './box-shelf.ts'
import { FETCH_PARALLEL, FETCH_ROUNDS } from './constants.ts'
import { decodeFetch, decodeFetchAnswer, encodeFetch, encodeFetchAnswer } from './fetch-codec.ts'
import { KeeperTrust } from './keeper-trust.ts'
import type { PlacementPort, PublicationPort } from './ports.ts'
import { answerSealedFetch, type SealedFetch, sealFetch } from './sealed-fetch.ts'

export interface FetchPorts {
  readonly clock: Clock
  readonly rng: Rng
  readonly placement: PlacementPort
  readonly publications: PublicationPort
  readonly verifyBox: (box: BoxBytes) => boolean
  readonly shelf: BoxShelf
}

export interface FetchOptions {
  readonly networkId: NetworkId
  readonly nodeId: NodeId
  readonly ttlDays: number
  /** Opens what is sealed to this node as a keeper: X25519, 32 bytes. */
  readonly requestSeed: Uint8Array
}

/** One question to one keeper, to be carried by whoever must not know what it is. */
export interface KeeperQuestion {
  readonly keeper: NodeId
  /** SEALED_FETCH_BYTES. */
  readonly sealed: Uint8Array
  /** SEALED_FETCH_ANSWER_BYTES, or undefined when no answer came. Once. */
  settle(answer: Uint8Array | undefined): void
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

/**
 * Asks keepers for boxes, and answers as a keeper. Questions are never sent from here: they wait until the slots take
 * them, one by one, sealed to their keepers.
 */
export class BoxFetch {
  readonly #ports: FetchPorts
  readonly #options: FetchOptions
  readonly #waiting: KeeperQuestion[] = []
  readonly #trust = new KeeperTrust()
  /** A look-up that nobody waits for, and the keepers that are still to be asked. */
  #absent: { readonly address: Address; readonly left: NodeId[] } | undefined

  constructor(ports: FetchPorts, options: FetchOptions) {
    this.#ports = ports
    this.#options = options
  }

  /** The answer to a sealed question, SEALED_FETCH_ANSWER_BYTES, whatever it holds. */
  answerSealed(sealed: Uint8Array): Promise<Uint8Array> {
    const answer = (request: Uint8Array, filler: Rng) => this.answer(request, filler)
    return answerSealedFetch({ rng: this.#ports.rng, answer }, this.#options, sealed)
  }

  /** Keepers of the network that lack most of what audits asked them for though others have it. */
  get failingKeepers(): number {
    const { placement } = this.#ports
    return this.#trust.failing().filter((keeper) => placement.requestKey(keeper) !== undefined)
      .length
  }

  /** The next question that waits. */
  nextQuestion(): KeeperQuestion | undefined {
    return this.#waiting.shift()
  }

  /**
   * A question that nobody waits for. Half of them are about boxes that everybody has heard, as audits are; the others
   * belong to look-ups of addresses that do not exist, of which one keeper after another is asked, as when a reader
   * looks for what may have been written: neither a keeper nor all of them together can tell which is which.
   * Undefined without a keeper to ask.
   */
  idleQuestion(): KeeperQuestion | undefined {
    const { rng, shelf } = this.#ports
    const heard = uniformInt(rng, 2) === 0 ? shelf.hot.sample(rng) : undefined
    if (heard === undefined) return this.#nextAbsent()
    const day = heard.expiryDay - this.#options.ttlDays
    const others = this.#othersOf(heard.address, day)
    const keeper = others[uniformInt(rng, Math.max(1, others.length))]
    return keeper && this.#idle(keeper, heard.address)
  }

  /** The next keeper of a look-up that finds nothing; a new one when all have been asked. */
  #nextAbsent(): KeeperQuestion | undefined {
    const { clock, rng } = this.#ports
    if (this.#absent === undefined || this.#absent.left.length === 0) {
      const address = absentAddress(rng)
      const today = dayOf(clock.now())
      this.#absent = { address, left: shuffled(rng, this.#othersOf(address, today)) }
    }
    const { address, left } = this.#absent
    const keeper = left.pop()
    return keeper && this.#idle(keeper, address)
  }

  #othersOf(address: Address, day: number): NodeId[] {
    return this.#ports.placement.keepers(address, day).filter((node) => !this.#isSelf(node))
  }

  #idle(keeper: NodeId, address: Address): KeeperQuestion | undefined {
    const { placement, rng } = this.#ports
    const requestKey = placement.requestKey(keeper)
    if (requestKey === undefined) return undefined
    const request = encodeFetch({ address, which: 0 })
    const question = sealFetch(rng, this.#options.networkId, requestKey, request)
    return {
      keeper,
      sealed: question.sealed,
      settle: (answer) => {
        if (answer !== undefined) tryOpen(question, answer)
      },
    }
  }

  /**
   * A keeper's answer to a fetch request, `FETCH_ANSWER_BYTES` long. `filler` stands where there is no box.
   * @throws for a malformed request.
   */
  async answer(payload: Uint8Array, filler: Rng): Promise<Uint8Array> {
    const { address, which } = decodeFetch(payload)
    const boxes = await this.#local(address)
    return encodeFetchAnswer({ count: boxes.length, box: boxes[which] }, filler)
  }

  /**
   * Looks here (an audit does not), then asks the keepers in random order, two at a time and up to FETCH_ROUNDS times
   * each, until one has it: a box that one honest keeper has is found. Every box is verified; a keeper with a wrong
   * one does not count. It is not blamed: what this node thinks of it would tell it who had asked.
   * @throws HearsayError `aborted`.
   */
  async fetch(
    address: Address,
    day: number,
    signal: AbortSignal,
    { isAudit = false }: { readonly isAudit?: boolean } = {},
  ): Promise<FetchResult> {
    if (!isAudit) {
      // One that may have been made for this node alone is no reason not to ask.
      const local = await this.#local(address, { onlyConfirmed: true })
      if (local.length > 0) return { status: 'found', boxes: local }
    }
    const keepers = this.#ports.placement.keepers(address, day)
    const quorum = notFoundQuorum(keepers.length)
    let left = shuffled(
      this.#ports.rng,
      keepers.filter((keeper) => !this.#isSelf(keeper)),
    )
    const lacking: NodeId[] = []
    // Being a keeper itself, this node has just looked; but it does not audit itself.
    let asked = isAudit ? 0 : keepers.length - left.length
    for (let round = 0; round < FETCH_ROUNDS && left.length > 0; round++) {
      const { found, from, silent, absent } = await this.#askAll(left, address, day, signal)
      lacking.push(...absent)
      if (found !== undefined) {
        if (isAudit) this.#judge(from, lacking)
        return { status: 'found', boxes: found }
      }
      asked += left.length - silent.length
      left = silent
    }
    const believed = keepers.length > 0 && asked >= quorum
    return { status: believed ? 'not-found' : 'unreachable', asked }
  }

  /** Only where another keeper has the box: one that was lost on the way is at none, and that is not their fault. */
  #judge(from: readonly NodeId[], lacking: readonly NodeId[]): void {
    for (const keeper of from) this.#trust.note(keeper, true)
    for (const keeper of lacking) this.#trust.note(keeper, false)
  }

  /**
   * Asks each keeper once, FETCH_PARALLEL at a time, until one has it. `from`: those that gave it. `absent`: those that
   * say they lack it. `silent`: those that gave no answer.
   */
  async #askAll(
    keepers: readonly NodeId[],
    address: Address,
    day: number,
    signal: AbortSignal,
  ): Promise<{
    readonly found: BoxBytes[] | undefined
    readonly from: NodeId[]
    readonly absent: NodeId[]
    readonly silent: NodeId[]
  }> {
    const enough = new AbortController()
    const either = AbortSignal.any([signal, enough.signal])
    const queue = [...keepers]
    const silent: NodeId[] = []
    const absent: NodeId[] = []
    const from: NodeId[] = []
    let found: BoxBytes[] | undefined
    const lane = async (): Promise<void> => {
      for (let keeper = queue.shift(); keeper !== undefined; keeper = queue.shift()) {
        const boxes = await this.#ask(keeper, address, day, either)
        if (boxes === undefined) silent.push(keeper)
        else if (boxes.length === 0) absent.push(keeper)
        else {
          from.push(keeper)
          found ??= boxes
          enough.abort()
          return
        }
      }
    }
    const lanes = Array.from({ length: FETCH_PARALLEL }, async () => {
      try {
        await lane()
      } catch (error) {
        if (signal.aborted || found === undefined) throw error
      }
    })
    await Promise.all(lanes)
    return { found, from, absent, silent }
  }

  #isSelf(node: NodeId): boolean {
    return equalBytes(node, this.#options.nodeId)
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
      if (first === undefined) return undefined
      if (first.box === undefined) return []
      if (first.count < 2) return [first.box]
      const second = await this.#askFor(keeper, { address, which: 1 }, day, signal)
      if (second?.box === undefined) return [first.box]
      const isConflict = !equalBytes(boxHash(first.box), boxHash(second.box))
      return isConflict ? [first.box, second.box] : [first.box]
    } catch (error) {
      if (signal.aborted || !isHearsayError(error)) throw error
      return undefined
    }
  }

  /** undefined when no answer came. */
  async #askFor(
    keeper: NodeId,
    request: { address: Address; which: number },
    day: number,
    signal: AbortSignal,
  ): Promise<{ count: number; box: BoxBytes | undefined } | undefined> {
    const bytes = await this.#question(keeper, encodeFetch(request), signal)
    if (bytes === undefined) return undefined
    const answer = decodeFetchAnswer(bytes, request.which)
    if (answer.box !== undefined && !this.#isWanted(answer.box, request.address, day)) {
      throw new HearsayError('bad-signature', 'a keeper answered with another box')
    }
    return answer
  }

  /** Waits for a slot and for the answer. @throws HearsayError `aborted`, `open-failed`. */
  async #question(
    keeper: NodeId,
    request: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    const { placement, rng } = this.#ports
    const requestKey = placement.requestKey(keeper)
    if (requestKey === undefined) return undefined
    const question = sealFetch(rng, this.#options.networkId, requestKey, request)
    const answer = await new Promise<Uint8Array | undefined>((resolve, reject) => {
      const waiting: KeeperQuestion = {
        keeper,
        sealed: question.sealed,
        settle: (bytes) => {
          signal.removeEventListener('abort', onAbort)
          resolve(bytes)
        },
      }
      const onAbort = (): void => {
        const at = this.#waiting.indexOf(waiting)
        if (at >= 0) this.#waiting.splice(at, 1)
        reject(signal.reason as Error)
      }
      if (signal.aborted) return onAbort()
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.push(waiting)
    })
    return answer === undefined ? undefined : question.open(answer)
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

/** A key as all addresses are one: of random bytes its keeper could tell that nobody means them. */
function absentAddress(rng: Rng): Address {
  return asAddress(signKeyPairFromSeed(randomKey(rng)).publicKey)
}

/** Opens it as if somebody waited: an answer that costs nothing would take less time. */
function tryOpen(question: SealedFetch, answer: Uint8Array): void {
  try {
    question.open(answer)
  } catch (error) {
    if (!isHearsayError(error)) throw error
  }
}
