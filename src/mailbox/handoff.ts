import {
  type Clock,
  dayOf,
  HearsayError,
  isHearsayError,
  MINUTE_MS,
  type NodeId,
  toHex,
} from '../base/index.ts'
import { PeerBudget, type Requests } from '../net/index.ts'
import type { BoxEntry } from './box-entry.ts'
import type { BoxShelf } from './box-shelf.ts'
import {
  CHECKS_PER_TURN,
  HANDOFF_BURST,
  HANDOFF_PER_SECOND,
  HANDOFF_PROTOCOL,
  MAX_HANDOFF_BOXES,
  MAX_PUBLICATION_BYTES,
  RECONCILE_TIMEOUT_MS,
} from './constants.ts'
import type { PlacementPort } from './ports.ts'
import { decodeBoxes, encodeBoxes } from './reconcile-codec.ts'

export interface HandoffPorts {
  readonly clock: Clock
  readonly requests: Pick<Requests, 'request' | 'handle'>
  readonly placement: PlacementPort
  readonly shelf: BoxShelf
  /** A box that was handed over is on disk. */
  readonly onBrought: (entry: BoxEntry, peer: NodeId) => Promise<void>
}

/**
 * Hands kept boxes to the nodes that keep them when this one goes, and takes over what others hand on: only boxes
 * this node keeps anyway, verified, at a bounded rate per peer.
 */
export class Handoff {
  readonly #ports: HandoffPorts
  readonly #ttlDays: number
  readonly #budget: PeerBudget

  constructor(ports: HandoffPorts, options: { ttlDays: number }) {
    this.#ports = ports
    this.#ttlDays = options.ttlDays
    this.#budget = new PeerBudget(ports.clock, {
      burst: HANDOFF_BURST,
      perSecond: HANDOFF_PER_SECOND,
    })
  }

  /** Starts to answer. */
  serve(): void {
    const maxRequestBytes = 1 + MAX_HANDOFF_BOXES * (7 + MAX_PUBLICATION_BYTES)
    const options = { maxRequestBytes, maxConcurrentPerPeer: 1 }
    this.#ports.requests.handle(HANDOFF_PROTOCOL, options, (peer, payload) =>
      this.#takeOver(peer, payload),
    )
  }

  /**
   * Sends what this node keeps to its successors, youngest first, until all is sent or the signal aborts. Returns
   * how many boxes were accepted. What does not get through is repaired by the other keepers.
   */
  async handOver(signal: AbortSignal): Promise<number> {
    const { clock, placement, shelf } = this.#ports
    const today = dayOf(clock.now())
    const queues = new Map<string, { node: NodeId; entries: BoxEntry[] }>()
    let accepted = 0
    for (let day = today + this.#ttlDays + 1; day >= today; day--) {
      for await (const entry of shelf.rows.kept(day)) {
        if (signal.aborted) return accepted
        const node = placement.successor(entry.address, shelf.publishedOn(entry))
        if (node === undefined) continue
        const queue = queues.get(toHex(node)) ?? { node, entries: [] }
        queues.set(toHex(node), queue)
        queue.entries.push(entry)
        if (queue.entries.length < MAX_HANDOFF_BOXES) continue
        accepted += await this.#send(node, queue.entries.splice(0), signal)
      }
    }
    for (const { node, entries } of queues.values()) {
      if (entries.length > 0) accepted += await this.#send(node, entries, signal)
    }
    return accepted
  }

  async #send(node: NodeId, entries: readonly BoxEntry[], signal: AbortSignal): Promise<number> {
    const records = await Promise.all(
      entries.map((entry) => this.#ports.shelf.rows.get(entry.address, entry.slot)),
    )
    const boxes = records
      .filter((record) => record !== undefined)
      .map(({ entry, publication }) => ({
        heardMinute: Math.floor(entry.heardAt / MINUTE_MS),
        publication,
      }))
    const payload = new Uint8Array([boxes.length, ...encodeBoxes(boxes)])
    try {
      const answer = await this.#ports.requests.request(node, HANDOFF_PROTOCOL, payload, {
        maxResponseBytes: 1,
        timeoutMs: RECONCILE_TIMEOUT_MS,
        signal,
      })
      return Math.min(boxes.length, answer[0] ?? 0)
    } catch (error) {
      if (!isHearsayError(error)) throw error
      return 0
    }
  }

  /** count 1 | boxes → accepted 1. */
  async #takeOver(peer: NodeId, payload: Uint8Array): Promise<Uint8Array> {
    const count = payload[0] ?? 0
    if (count > MAX_HANDOFF_BOXES) throw new HearsayError('bad-value', 'too many boxes')
    const boxes = decodeBoxes(payload.subarray(1), count)
    await this.#budget.spend(peer, count)
    let accepted = 0
    for (const [index, box] of boxes.entries()) {
      if (box === undefined) continue
      const heardAt = box.heardMinute * MINUTE_MS
      const outcome = await this.#ports.shelf.take(box.publication, {
        source: 'handoff',
        peer,
        heardAt,
      })
      if (outcome.kind === 'kept') {
        accepted++
        await this.#ports.onBrought(outcome.entry, peer)
      }
      if (index % CHECKS_PER_TURN === CHECKS_PER_TURN - 1) await this.#ports.clock.sleep(0)
    }
    return Uint8Array.of(accepted)
  }
}
