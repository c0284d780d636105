import {
  type Clock,
  equalBytes,
  HearsayError,
  isHearsayError,
  type Logger,
  type NodeId,
  toHex,
} from '../base/index.ts'
import type { Peers, PubSub, Verdict } from '../net/index.ts'
import { admissionFault } from './admission.ts'
import { type DescriptorConflict, proveConflict, readConflict } from './conflict.ts'
import {
  BLAME_POINTS,
  CONFLICT_BURST,
  CONFLICT_REFILL_MS,
  DESCRIPTOR_BURST,
  DESCRIPTOR_REFILL_MS,
  DIRECTORY_TOPIC,
  STALE_BURST,
  STALE_REFILL_MS,
  STRANGER_BURST,
  STRANGER_REFILL_MS,
} from './constants.ts'
import { decodeDescriptor, type Descriptor, isSignedByNode, readDescriptor } from './descriptor.ts'
import type { DirectoryStore } from './directory-store.ts'
import type { FrozenSets } from './frozen-sets.ts'
import { readHeartbeat } from './heartbeat.ts'
import { decodeKeyConflict, type KeyConflict, type KeyLedger } from './key-ledger.ts'
import type { Liveness } from './liveness.ts'
import {
  decodeMessage,
  directoryMessageId,
  encodeMessage,
  MESSAGE_TYPES,
  type MessageType,
} from './messages.ts'
import type { Network } from './network.ts'
import { NodeBudget } from './node-budget.ts'
import {
  type DescriptorFault,
  type DescriptorOutcome,
  isBlameworthy,
  type NodeTable,
} from './node-table.ts'
import type { PeerClocks } from './peer-clocks.ts'
import { decodeRevocation, type RevocationList } from './revocation.ts'
import type { SyncScope } from './sync-codec.ts'

export interface IntakePorts {
  readonly clock: Clock
  readonly log: Logger
  readonly pubsub: Pick<PubSub, 'subscribe' | 'publish'>
  readonly peers: Pick<Peers, 'penalise'>
  readonly table: NodeTable
  readonly keys: KeyLedger
  /** Peers that must list a descriptor before it enters the running set, 1 or more. */
  readonly vouchersNeeded: () => number
  readonly sets: FrozenSets
  readonly store: DirectoryStore
  /** Called after every change of the table. */
  readonly changed: () => void
  readonly liveness: Pick<Liveness, 'hear' | 'isEarly'>
  readonly clocks: Pick<PeerClocks, 'hear' | 'meet'>
  /** A descriptor of this node came that it did not issue in this run. */
  readonly foreignSelf: () => void
  readonly spawn: (name: string, task: () => Promise<void>) => void
}

/**
 * The one way in: descriptors, conflicts and revocations from the own node, from gossip and from
 * reconciliation go into the table, the frozen sets that are still open, and the disk.
 */
export class Intake {
  readonly #ports: IntakePorts
  readonly #network: Network
  readonly #nodeId: NodeId
  /** By the node that a descriptor is of, once it is known to have signed it. */
  readonly #budget: NodeBudget
  /** Of all nodes together that are not known yet: fresh keys must not bring fresh budgets. */
  readonly #strangers: NodeBudget
  readonly #conflicts: NodeBudget
  /** By the neighbour that sent what was no news. */
  readonly #stale: NodeBudget
  /** Peers that list a descriptor in their running set, by its hash. */
  readonly #vouchers = new Map<string, Set<string>>()
  #catchUpUntil = 0
  #ownHash: Uint8Array | undefined

  constructor(ports: IntakePorts, network: Network, nodeId: NodeId) {
    this.#ports = ports
    this.#network = network
    this.#nodeId = nodeId
    const budget = (burst: number, refillMs: number) =>
      new NodeBudget(ports.clock, { burst, refillMs })
    this.#budget = budget(DESCRIPTOR_BURST, DESCRIPTOR_REFILL_MS)
    this.#strangers = budget(STRANGER_BURST, STRANGER_REFILL_MS)
    this.#conflicts = budget(CONFLICT_BURST, CONFLICT_REFILL_MS)
    this.#stale = budget(STALE_BURST, STALE_REFILL_MS)
  }

  /** Until then the running epoch's set takes what this node missed. */
  openRunningSet(until: number): void {
    this.#catchUpUntil = until
  }

  get isCatchingUp(): boolean {
    return this.#ports.clock.now() < this.#catchUpUntil
  }

  /** Joins the topic. */
  subscribe(): void {
    this.#ports.pubsub.subscribe(DIRECTORY_TOPIC, {
      messageId: (message) => directoryMessageId(message, this.#isEarly(message)),
      validate: (message, from) => this.#validate(message, from),
      handle: () => undefined,
    })
  }

  /** The descriptor that this node has just issued. */
  acceptOwn(descriptor: Descriptor): void {
    this.#ownHash = descriptor.hash
    this.#consider(descriptor)
  }

  /**
   * A descriptor out of a peer's set. One of a frozen set may be older than the one in the table, or have expired
   * since the cut-off.
   * @throws HearsayError of the class `peer` for what no honest node has in its set.
   */
  acceptSynced(bytes: Uint8Array, scope: SyncScope, from: NodeId): void {
    const descriptor = readDescriptor(bytes)
    const outcome = this.#consider(descriptor)
    if (outcome.kind === 'refused' && isBlameworthy(outcome.reason)) throw unacceptable()
    if (scope.set === 'live') return
    if (outcome.kind === 'refused') {
      if (!['known', 'older', 'expired'].includes(outcome.reason)) return
      if (!this.#ports.table.isAllowed(descriptor)) return
      const { admission, nodeId } = decodeDescriptor(bytes)
      if (admissionFault(admission, nodeId, this.#network) !== undefined) throw unacceptable()
      this.#freeze(descriptor)
    }
    if (scope.epoch === this.#ports.sets.epoch) this.#vouch(descriptor, from)
  }

  /**
   * Into the running set goes only what several peers have in theirs: a descriptor that was dated back and handed to
   * a node that has just come would make it the only one to use that mix.
   */
  #vouch(descriptor: Descriptor, from: NodeId): void {
    const { sets, store } = this.#ports
    if (!this.isCatchingUp) {
      this.#vouchers.clear()
      return
    }
    const key = toHex(descriptor.hash)
    const peers = this.#vouchers.get(key) ?? new Set<string>()
    this.#vouchers.set(key, peers.add(toHex(from)))
    if (peers.size < this.#ports.vouchersNeeded()) return
    if (sets.offer(sets.epoch, descriptor)) store.putFrozen(sets.epoch, descriptor)
  }

  /**
   * True when it was news: the node is excluded from now on. Those of nodes that are not known come at a bounded
   * rate, because each is kept for good; reconciliation brings the others once the node is known.
   * @throws HearsayError of the class `peer` or `crypto` for what proves nothing.
   */
  acceptConflict(bytes: Uint8Array): boolean {
    const { table } = this.#ports
    const claim = readConflict(bytes, this.#network)
    if (table.isExcluded(claim.nodeId)) return false
    if (table.get(claim.nodeId) === undefined && !this.#conflicts.take()) return false
    const conflict = proveConflict(claim, this.#network)
    if (!table.exclude(conflict)) return false
    this.#noteConflict(conflict)
    return true
  }

  /** A proof out of a peer's notices: of two descriptors under one number, or of two keys for one epoch. */
  acceptProof(bytes: Uint8Array): void {
    try {
      this.acceptConflict(bytes)
      return
    } catch (error) {
      if (!isHearsayError(error, 'bad-value')) throw error
    }
    const conflict = decodeKeyConflict(bytes, this.#network)
    if (this.#ports.table.get(conflict.nodeId) !== undefined) this.#refuseKeys(conflict)
  }

  /** True when it was news: what the list names is gone. */
  acceptRevocation(list: RevocationList): boolean {
    const { sets, store, table } = this.#ports
    const before = table.all()
    if (!table.revoke(list)) return false
    store.putRevocation(list.bytes)
    for (const descriptor of before) {
      if (table.get(descriptor.nodeId) === undefined) store.deleteDescriptor(descriptor)
    }
    sets.touch()
    this.#ports.changed()
    return true
  }

  #isEarly(message: Uint8Array): boolean {
    const isHeartbeat = message[0] === MESSAGE_TYPES.heartbeat
    return isHeartbeat && this.#ports.liveness.isEarly(message.subarray(1))
  }

  #validate(message: Uint8Array, from: NodeId): Verdict {
    try {
      const { type, payload } = decodeMessage(message)
      const verdict = this.#verdictOn(type, payload, from)
      if (verdict === 'ignore' && !this.#stale.take(from)) this.#ports.peers.penalise(from, 1)
      return verdict
    } catch (error) {
      if (!isHearsayError(error)) throw error
      this.#ports.peers.penalise(from, BLAME_POINTS)
      return 'reject'
    }
  }

  #verdictOn(type: MessageType, payload: Uint8Array, from: NodeId): Verdict {
    if (type === MESSAGE_TYPES.descriptor) return this.#verdictOnDescriptor(payload)
    if (type === MESSAGE_TYPES.heartbeat) return this.#verdictOnHeartbeat(payload, from)
    if (type === MESSAGE_TYPES.keyConflict) return this.#verdictOnKeyConflict(payload)
    const isNews =
      type === MESSAGE_TYPES.conflict
        ? this.acceptConflict(payload)
        : this.acceptRevocation(decodeRevocation(payload, this.#network))
    return isNews ? 'accept' : 'ignore'
  }

  /** One that is out of time is ignored, and tells of the clocks. */
  #verdictOnHeartbeat(payload: Uint8Array, from: NodeId): Verdict {
    const verdict = this.#ports.liveness.hear(payload)
    if (verdict !== 'reject') this.#ports.clocks.hear(from, readHeartbeat(payload))
    return verdict
  }

  /** Budgets are charged after the signature: forged or old descriptors must not use up a node's own. */
  #verdictOnDescriptor(payload: Uint8Array): Verdict {
    const { clock, table } = this.#ports
    const descriptor = readDescriptor(payload)
    const quick = table.quickFault(descriptor, clock.now())
    if (quick !== undefined) {
      this.#onRefused(descriptor, quick)
      return isBlameworthy(quick) ? 'reject' : 'ignore'
    }
    if (!isSignedByNode(descriptor)) return 'reject'
    if (table.get(descriptor.nodeId) === undefined && !this.#strangers.take()) return 'ignore'
    if (!this.#budget.take(descriptor.nodeId)) return 'ignore'
    const outcome = this.#consider(descriptor, true)
    if (outcome.kind === 'new') return 'accept'
    return outcome.kind === 'refused' && isBlameworthy(outcome.reason) ? 'reject' : 'ignore'
  }

  #consider(descriptor: Descriptor, isSigned = false): DescriptorOutcome {
    const { clock, sets, store, table } = this.#ports
    const before = table.get(descriptor.nodeId)
    const outcome = table.consider(descriptor, clock.now(), isSigned)
    if (outcome.kind === 'conflict') {
      const { conflict } = outcome
      this.#noteConflict(conflict)
      this.#ports.spawn('gossip a conflict', async () => {
        const message = encodeMessage(MESSAGE_TYPES.conflict, conflict.bytes)
        await this.#ports.pubsub.publish(DIRECTORY_TOPIC, message)
      })
    }
    if (outcome.kind === 'refused') this.#onRefused(descriptor, outcome.reason)
    if (outcome.kind !== 'new') return outcome
    this.#noteKeys(descriptor)
    store.putDescriptor(descriptor)
    if (outcome.displaced !== undefined) store.deleteDescriptor(outcome.displaced)
    // The one it replaces may be the last before a cut-off.
    if (before !== undefined) this.#freeze(before)
    this.#freeze(descriptor)
    sets.touch()
    this.#ports.changed()
    const isOwn = equalBytes(descriptor.nodeId, this.#nodeId)
    const issuedNow = this.#ownHash !== undefined && equalBytes(this.#ownHash, descriptor.hash)
    if (isOwn && !issuedNow) this.#ports.foreignSelf()
    return outcome
  }

  #onRefused(descriptor: Descriptor, reason: DescriptorFault): void {
    if (reason === 'older') this.#dispute(descriptor)
    // The clock that is wrong may be the own one.
    if (reason === 'future' || reason === 'expired') this.#ports.clocks.meet(descriptor)
  }

  /** An old descriptor is no news, but it may show that its node has named two keys for one epoch. */
  #dispute(descriptor: Descriptor): void {
    if (!this.#ports.keys.isDisputed(descriptor) || !isSignedByNode(descriptor)) return
    this.#noteKeys(descriptor)
  }

  #noteKeys(descriptor: Descriptor): void {
    const conflict = this.#ports.keys.note(descriptor)
    if (conflict === undefined || !this.#refuseKeys(conflict)) return
    this.#ports.spawn('gossip a conflict of keys', async () => {
      const message = encodeMessage(MESSAGE_TYPES.keyConflict, conflict.bytes)
      await this.#ports.pubsub.publish(DIRECTORY_TOPIC, message)
    })
  }

  #refuseKeys(conflict: KeyConflict): boolean {
    if (!this.#ports.keys.refuse(conflict)) return false
    this.#ports.log.warn('a node named two mix keys for one epoch and is not used in it')
    this.#ports.table.touch()
    this.#ports.changed()
    return true
  }

  /** @throws HearsayError of the class `peer` or `crypto` for what proves nothing. */
  #verdictOnKeyConflict(payload: Uint8Array): Verdict {
    const conflict = decodeKeyConflict(payload, this.#network)
    if (this.#ports.table.get(conflict.nodeId) === undefined) return 'ignore'
    return this.#refuseKeys(conflict) ? 'accept' : 'ignore'
  }

  /** Into the sets that are still open. */
  #freeze(descriptor: Descriptor): void {
    const { sets, store } = this.#ports
    for (const epoch of [sets.epoch + 1, sets.epoch + 2]) {
      if (sets.offer(epoch, descriptor)) store.putFrozen(epoch, descriptor)
    }
  }

  #noteConflict(conflict: DescriptorConflict): void {
    const { log, sets, store } = this.#ports
    const isOwn = toHex(conflict.nodeId) === toHex(this.#nodeId)
    if (isOwn) log.error('the key of this node is used twice: it is excluded from the network')
    else log.warn('a node signed two descriptors under one number and is excluded')
    store.putConflict(conflict)
    store.deleteDescriptor(conflict)
    sets.touch()
    this.#ports.changed()
  }
}

function unacceptable(): HearsayError {
  return new HearsayError('bad-value', 'a peer holds a descriptor that no honest node takes')
}
