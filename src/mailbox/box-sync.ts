import {
  type Clock,
  HearsayError,
  MINUTE_MS,
  type NodeId,
  type Rng,
  shuffled,
} from '../base/index.ts'
import { PeerBudget, type Requests } from '../net/index.ts'
import {
  answerRanges,
  type ItemSource,
  MAX_ANSWER_BYTES,
  reconcile,
  shareOf,
} from '../reconcile/index.ts'
import { type BoxEntry, itemOf } from './box-entry.ts'
import type { BoxShelf } from './box-shelf.ts'
import type { Confirmations } from './confirmations.ts'
import {
  CHECKS_PER_TURN,
  CLOCK_TOLERANCE_MS,
  EDGE_SHARE,
  ITEMS_PER_TOKEN,
  MAX_GET_ANSWER_BYTES,
  MAX_GET_BOXES,
  MAX_OVER_QUOTA,
  MAX_SESSION_BOXES,
  PEER_BURST,
  PEER_REQUESTS_PER_SECOND,
  RECONCILE_PROTOCOL,
  RECONCILE_TIMEOUT_MS,
  SETTLE_MS,
} from './constants.ts'
import {
  decodeBoxes,
  decodeReconcileRequest,
  encodeBoxes,
  encodeReconcileRequest,
  MAX_RECONCILE_REQUEST_BYTES,
  type PassedBox,
  type ReconcileRequest,
  type ReconcileScope,
} from './reconcile-codec.ts'
import type { DropReason } from './ports.ts'
import type { SharedSet } from './shared-set.ts'
import type { SharedSets } from './shared-sets.ts'

export interface BoxSyncPorts {
  readonly clock: Clock
  readonly rng: Rng
  readonly requests: Pick<Requests, 'request' | 'handle'>
  readonly shelf: BoxShelf
  readonly shared: SharedSets
  readonly confirmations: Confirmations
  /** The session brought a box, which is on disk. */
  readonly onBrought: (entry: BoxEntry, peer: NodeId) => Promise<void>
  /** Boxes that enough peers have by now. */
  readonly onConfirmed: (entries: readonly BoxEntry[]) => Promise<void>
}

export interface SessionResult {
  /** Boxes taken. */
  readonly received: number
  /** False when a limit ended the session, or there is no room for all that is missing. */
  readonly complete: boolean
}

export interface BoxSyncOptions {
  readonly hotMs: number
  /** Of the whole network, at most, where it is known. */
  readonly boxesPerSecond?: number
}

/** Boxes a peer listed and then did not have, before it is blamed. */
const MAX_UNKEPT_PROMISES = 256

/**
 * Reconciles boxes with one peer at a time, and answers peers that do. Every box is verified like one from gossip.
 * What a session costs is bounded on both sides; a peer that lies wastes one session and is blamed.
 */
export class BoxSync {
  readonly #ports: BoxSyncPorts
  readonly #options: BoxSyncOptions
  readonly #budget: PeerBudget

  constructor(ports: BoxSyncPorts, options: BoxSyncOptions) {
    this.#ports = ports
    this.#options = options
    this.#budget = new PeerBudget(ports.clock, {
      burst: PEER_BURST,
      perSecond: PEER_REQUESTS_PER_SECOND,
    })
  }

  /** Starts to answer. */
  serve(): void {
    const options = { maxRequestBytes: MAX_RECONCILE_REQUEST_BYTES, maxConcurrentPerPeer: 2 }
    this.#ports.requests.handle(RECONCILE_PROTOCOL, options, (peer, payload) =>
      this.#answer(peer, decodeReconcileRequest(payload)),
    )
  }

  /**
   * The hot window without its old end, which others have dropped already. `upTo` settled leaves out what gossip is
   * still bringing; after an absence there may be nothing that gossip brings, and all of it is asked for. Boxes that are older
   * than those for which there is room are not asked for: they would go again at once.
   */
  async pullHot(
    peer: NodeId,
    upTo: 'settled' | 'now',
    signal: AbortSignal,
  ): Promise<SessionResult> {
    const { shelf, clock } = this.#ports
    const now = clock.now()
    const to = upTo === 'settled' ? now - SETTLE_MS : now + CLOCK_TOLERANCE_MS
    const scope = { kind: 'hot' as const, from: Math.min(this.#oldestAt(now), to), to }
    const source = shelf.hot.items.window(scope.from, scope.to)
    return this.#pull(peer, scope, { source, room: shelf.hotRoom }, signal)
  }

  #oldestAt(now: number): number {
    const { shelf } = this.#ports
    const { hotMs, boxesPerSecond } = this.#options
    const roomMs =
      boxesPerSecond === undefined
        ? Number.POSITIVE_INFINITY
        : (1_000 * shelf.maxBoxes) / boxesPerSecond
    const oldest = now - Math.min(hotMs * (1 - EDGE_SHARE), roomMs)
    // A clock that was ahead for a while must not keep this node from asking.
    return Math.ceil(shelf.hotFrom < now ? Math.max(oldest, shelf.hotFrom) : oldest)
  }

  /** The boxes of an expiry day that both nodes keep. */
  async pullShared(peer: NodeId, day: number, signal: AbortSignal): Promise<SessionResult> {
    const source = await this.#ports.shared.get(peer, day)
    const room = this.#ports.shelf.freeRoom
    return this.#pull(peer, { kind: 'shared', day }, { source, room }, signal)
  }

  async #pull(
    peer: NodeId,
    scope: ReconcileScope,
    { source, room }: { readonly source: ItemSource; readonly room: number },
    signal: AbortSignal,
  ): Promise<SessionResult> {
    const { clock, confirmations, rng } = this.#ports
    const confirmed: BoxEntry[] = []
    const found = await reconcile(
      {
        rng,
        source,
        pause: () => clock.sleep(0, signal),
        ask: (ranges) => this.#ask(peer, { op: 'ranges', scope, ranges }, MAX_ANSWER_BYTES, signal),
        onSame: (prefix) => confirmed.push(...confirmations.same(prefix, source, peer)),
        onListed: (item) => {
          const entry = confirmations.listed(item, peer)
          if (entry !== undefined) confirmed.push(entry)
        },
      },
      { maxMissing: MAX_SESSION_BOXES },
    )
    await this.#ports.onConfirmed(confirmed)
    const missing = shuffled(rng, found.missing).slice(0, room)
    const received = await this.#fetchAll(peer, scope, missing, signal)
    return { received, complete: found.complete && missing.length === found.missing.length }
  }

  async #fetchAll(
    peer: NodeId,
    scope: ReconcileScope,
    items: readonly string[],
    signal: AbortSignal,
  ): Promise<number> {
    let received = 0
    let unkept = 0
    let surplus = 0
    for (let at = 0; at < items.length; at += MAX_GET_BOXES) {
      const wanted = items.slice(at, at + MAX_GET_BOXES)
      const answer = await this.#ask(
        peer,
        { op: 'get', scope, items: wanted },
        MAX_GET_ANSWER_BYTES,
        signal,
      )
      const boxes = decodeBoxes(answer, wanted.length)
      unkept += boxes.filter((box) => box === undefined).length
      // Boxes can expire between two answers, but not by the hundred.
      if (unkept > MAX_UNKEPT_PROMISES) throw misbehaved('a peer lists boxes that it does not have')
      const taken = await this.#takeAll(peer, scope, boxes, signal)
      received += taken.received
      surplus += taken.surplus
      // More than the network can have published, or than there is room for: nothing of it is worth the bytes.
      if (surplus > MAX_OVER_QUOTA) break
    }
    return received
  }

  async #takeAll(
    peer: NodeId,
    scope: ReconcileScope,
    boxes: readonly (PassedBox | undefined)[],
    signal: AbortSignal,
  ): Promise<{ received: number; surplus: number }> {
    const { clock, shelf } = this.#ports
    const source = scope.kind === 'hot' ? 'reconcile' : 'handoff'
    let received = 0
    let surplus = 0
    for (let at = 0; at < boxes.length; at += CHECKS_PER_TURN) {
      const outcomes = await Promise.all(
        boxes
          .slice(at, at + CHECKS_PER_TURN)
          .filter((box) => box !== undefined)
          .map(({ heardMinute, publication }) =>
            shelf.take(publication, { source, peer, heardAt: heardMinute * MINUTE_MS }),
          ),
      )
      for (const outcome of outcomes) {
        if (outcome.kind !== 'kept') continue
        received++
        await this.#ports.onBrought(outcome.entry, peer)
      }
      const reasons = outcomes.map((each) => (each.kind === 'kept' ? undefined : each.reason))
      surplus += reasons.filter(isSurplus).length
      if (reasons.includes('forged') || reasons.includes('malformed')) {
        throw misbehaved('a peer passed on a box that no honest node keeps')
      }
      await clock.sleep(0, signal)
    }
    return { received, surplus }
  }

  #ask(
    peer: NodeId,
    request: ReconcileRequest,
    maxResponseBytes: number,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    return this.#ports.requests.request(peer, RECONCILE_PROTOCOL, encodeReconcileRequest(request), {
      maxResponseBytes,
      timeoutMs: RECONCILE_TIMEOUT_MS,
      signal,
    })
  }

  async #answer(peer: NodeId, request: ReconcileRequest): Promise<Uint8Array> {
    const { scope } = request
    // Before anything is read from the disk.
    await this.#budget.spend(peer, 1)
    const set =
      scope.kind === 'shared' ? await this.#ports.shared.answer(peer, scope.day) : undefined
    if (request.op === 'get') return this.#answerGet(request.items, set)
    const { items } = this.#ports.shelf.hot
    const { size } = set ?? items
    await this.#budget.spend(peer, (size * shareOf(request.ranges)) / ITEMS_PER_TOKEN)
    const source = scope.kind === 'hot' ? items.window(scope.from, scope.to) : (set ?? items)
    return answerRanges(request.ranges, source, () => this.#ports.clock.sleep(0))
  }

  async #answerGet(items: readonly string[], set: SharedSet | undefined): Promise<Uint8Array> {
    const { shelf } = this.#ports
    const boxes = await Promise.all(
      items.map(async (item): Promise<PassedBox | undefined> => {
        const place = set === undefined ? shelf.hot.get(item) : set.place(item)
        if (place === undefined) return undefined
        const record = await shelf.rows.get(place.address, place.slot)
        // Its place may have been taken by another meanwhile.
        if (record === undefined || itemOf(record.entry) !== item) return undefined
        const heardMinute = Math.floor(record.entry.heardAt / MINUTE_MS)
        return { heardMinute, publication: record.publication }
      }),
    )
    // The peer would take a list from before that for a lie; a request that fails is none.
    if (shelf.hasShedLately && boxes.includes(undefined)) {
      throw new HearsayError('overloaded', 'boxes have had to go since they were listed')
    }
    return encodeBoxes(boxes)
  }
}

function isSurplus(reason: DropReason | undefined): boolean {
  return reason === 'quota' || reason === 'misdated' || reason === 'full'
}

function misbehaved(message: string): HearsayError {
  return new HearsayError('bad-value', message)
}
