import { type Clock, fromHex, type NodeId, type Rng, toHex } from '../base/index.ts'
import { PeerBudget, type Requests } from '../net/index.ts'
import {
  answerRanges,
  ItemIndex,
  MAX_ANSWER_BYTES,
  type ReconcileResult,
  reconcile,
  shareOf,
} from '../reconcile/index.ts'
import {
  ITEMS_PER_TOKEN,
  MAX_DESCRIPTOR_BYTES,
  MAX_FAREWELLS,
  MAX_GET_DESCRIPTORS,
  MAX_NOTICE_CONFLICTS,
  MAX_SYNC_ANSWER_BYTES,
  SYNC_BURST,
  SYNC_MAX_DESCRIPTORS,
  SYNC_MAX_REQUESTS,
  SYNC_PROTOCOL,
  SYNC_REQUESTS_PER_SECOND,
  SYNC_TIMEOUT_MS,
} from './constants.ts'
import type { Descriptor } from './descriptor.ts'
import { HEARTBEAT_BYTES } from './heartbeat.ts'
import {
  decodeItems,
  decodeNotices,
  decodeSyncRequest,
  encodeItems,
  encodeNotices,
  encodeSyncRequest,
  type SyncNotices,
  type SyncScope,
} from './sync-codec.ts'

/** What reconciliation reads and feeds. */
export interface SyncTarget {
  /** Descriptors of a set; empty for an epoch that is not held. */
  descriptors(scope: SyncScope): readonly Descriptor[]
  notices(revokedAt: number, excluded: ReadonlySet<string>): SyncNotices
  /** Date of the newest revocation list, and the excluded nodes. */
  known(): { revokedAt: number; excluded: readonly NodeId[] }
  /** Sets worth reconciling now. */
  scopes(): readonly SyncScope[]
  acceptDescriptor(bytes: Uint8Array, scope: SyncScope, from: NodeId): void
  acceptNotices(notices: SyncNotices): void
  /** False when this node has listened for long enough. */
  wantsFarewells(): boolean
  farewells(): readonly Uint8Array[]
  acceptFarewell(bytes: Uint8Array, from: NodeId): Promise<void>
}

export interface SyncPorts {
  readonly clock: Clock
  readonly rng: Rng
  readonly requests: Pick<Requests, 'request' | 'handle'>
  readonly target: SyncTarget
}

const MAX_REQUEST_BYTES = 8_192

interface Indexed {
  readonly index: ItemIndex
  readonly byHash: ReadonlyMap<string, Descriptor>
}

/** Reconciles the whole directory with one peer at a time, and answers peers that do. */
export class DirectorySync {
  readonly #ports: SyncPorts
  readonly #cache = new WeakMap<readonly Descriptor[], Indexed>()
  readonly #budget: PeerBudget

  constructor(ports: SyncPorts) {
    this.#ports = ports
    this.#budget = new PeerBudget(ports.clock, {
      burst: SYNC_BURST,
      perSecond: SYNC_REQUESTS_PER_SECOND,
    })
  }

  /** Starts to answer. */
  serve(): void {
    const options = { maxRequestBytes: MAX_REQUEST_BYTES, maxConcurrentPerPeer: 2 }
    this.#ports.requests.handle(SYNC_PROTOCOL, options, (peer, payload) =>
      this.#answer(peer, payload),
    )
  }

  /**
   * Pulls everything that the peer has and we have not, within the limits of a session.
   * @throws HearsayError: the peer's faults, `timeout`, `aborted`, `peer-unreachable`.
   */
  async pull(peer: NodeId, signal: AbortSignal): Promise<void> {
    const { target } = this.#ports
    const { revokedAt, excluded } = target.known()
    const notices = await this.#ask(peer, signal, {
      kind: 'notices',
      revokedAt,
      excluded: excluded.slice(0, MAX_NOTICE_CONFLICTS),
    })
    target.acceptNotices(decodeNotices(notices))
    for (const scope of target.scopes()) await this.#pullScope(peer, scope, signal)
    // After the sets: only of their nodes a farewell is taken.
    if (!target.wantsFarewells()) return
    const farewells = await this.#ask(peer, signal, { kind: 'farewells' })
    for (const bytes of decodeItems(farewells, MAX_FAREWELLS, HEARTBEAT_BYTES)) {
      await target.acceptFarewell(bytes, peer)
    }
  }

  async #pullScope(peer: NodeId, scope: SyncScope, signal: AbortSignal): Promise<ReconcileResult> {
    const { rng, clock, target } = this.#ports
    const { index: source } = await this.#indexed(target.descriptors(scope))
    const result = await reconcile(
      {
        rng,
        source,
        pause: () => clock.sleep(0, signal),
        ask: (ranges) => this.#ask(peer, signal, { kind: 'ranges', scope, ranges }),
      },
      { maxRequests: SYNC_MAX_REQUESTS, maxMissing: SYNC_MAX_DESCRIPTORS },
    )
    for (let at = 0; at < result.missing.length; at += MAX_GET_DESCRIPTORS) {
      const hashes = result.missing.slice(at, at + MAX_GET_DESCRIPTORS).map(fromHex)
      const answer = await this.#ask(peer, signal, { kind: 'get', scope, hashes })
      for (const [index, bytes] of decodeItems(
        answer,
        MAX_GET_DESCRIPTORS,
        MAX_DESCRIPTOR_BYTES,
      ).entries()) {
        target.acceptDescriptor(bytes, scope, peer)
        // A signature check costs about 60 µs: never more than a few in one go.
        if (index % 8 === 7) await clock.sleep(0, signal)
      }
    }
    return result
  }

  #ask(
    peer: NodeId,
    signal: AbortSignal,
    request: Parameters<typeof encodeSyncRequest>[0],
  ): Promise<Uint8Array> {
    return this.#ports.requests.request(peer, SYNC_PROTOCOL, encodeSyncRequest(request), {
      maxResponseBytes: Math.max(MAX_ANSWER_BYTES, MAX_SYNC_ANSWER_BYTES),
      timeoutMs: SYNC_TIMEOUT_MS,
      signal,
    })
  }

  async #answer(peer: NodeId, payload: Uint8Array): Promise<Uint8Array> {
    const { clock, target } = this.#ports
    const request = decodeSyncRequest(payload)
    await this.#budget.spend(peer, 1)
    if (request.kind === 'notices') {
      return encodeNotices(target.notices(request.revokedAt, new Set(request.excluded.map(toHex))))
    }
    if (request.kind === 'farewells') return encodeItems(target.farewells())
    const { index, byHash } = await this.#indexed(target.descriptors(request.scope))
    if (request.kind === 'ranges') {
      await this.#budget.spend(peer, (index.size * shareOf(request.ranges)) / ITEMS_PER_TOKEN)
      return answerRanges(request.ranges, index, () => clock.sleep(0))
    }
    const found = request.hashes.map((hash) => byHash.get(toHex(hash))?.bytes)
    return encodeItems(found.filter((bytes) => bytes !== undefined))
  }

  /** Sets change rarely and are the same array until they do. */
  async #indexed(descriptors: readonly Descriptor[]): Promise<Indexed> {
    const cached = this.#cache.get(descriptors)
    if (cached !== undefined) return cached
    const indexed = { index: new ItemIndex(), byHash: new Map<string, Descriptor>() }
    for (const [at, descriptor] of descriptors.entries()) {
      const key = toHex(descriptor.hash)
      indexed.index.set(key, 0)
      indexed.byHash.set(key, descriptor)
      if (at % 512 === 511) await this.#ports.clock.sleep(0)
    }
    this.#cache.set(descriptors, indexed)
    return indexed
  }
}
