import {
  type Address,
  equalBytes,
  isHearsayError,
  type Logger,
  type NodeId,
  shuffled,
  TaskGroup,
  toHex,
} from '../base/index.ts'
import type { DialTarget } from '../net/index.ts'
import { Announcer, type SelfDescription } from './announcer.ts'
import { type ClockSkew, isTooFar, skewByFile } from './clock-skew.ts'
import { decodeConflict } from './conflict.ts'
import {
  BLAME_POINTS,
  CATCH_UP_MS,
  DIRECTORY_TOPIC,
  EPOCH_POLL_MS,
  FLUSH_MS,
  MAX_NOTICE_CONFLICTS,
  MAX_NOTICE_KEY_CONFLICTS,
  RUNNING_SET_VOUCHERS,
  SYNC_FIRST_INTERVAL_MS,
  SYNC_INTERVAL_MS,
} from './constants.ts'
import { type Descriptor, decodeDescriptor, readDescriptor } from './descriptor.ts'
import type { DirectoryChange, DirectoryOptions, DirectoryPorts } from './directory-ports.ts'
import { DirectoryStore } from './directory-store.ts'
import { DirectorySync, type SyncTarget } from './directory-sync.ts'
import { epochAt, epochStart, keyEpochAt } from './epochs.ts'
import { type FrozenSet, FrozenSets } from './frozen-sets.ts'
import { Intake } from './intake.ts'
import { KeyLedger } from './key-ledger.ts'
import { LateFarewells } from './late-farewells.ts'
import { Liveness } from './liveness.ts'
import { encodeMessage, MESSAGE_TYPES } from './messages.ts'
import { type Couriers, MixElection, type MixLayers } from './mix-layers.ts'
import { bootstrapTarget } from './multiaddr.ts'
import { NetworkSize } from './network-size.ts'
import type { Network } from './network.ts'
import { NodeTable } from './node-table.ts'
import { OwnPlacement } from './own-placement.ts'
import { PeerClocks } from './peer-clocks.ts'
import { PlacementIndex, placementKey } from './placement.ts'
import { decodeRevocation, type RevocationList } from './revocation.ts'
import type { SyncNotices, SyncScope } from './sync-codec.ts'

/**
 * The nodes of the network, as their signed descriptors say: gossiped, reconciled in full with peers, kept on
 * disk. `frozen` and what follows from it are the same on all nodes that heard the same descriptors.
 */
export class Directory {
  readonly #ports: DirectoryPorts
  readonly #network: Network
  readonly #nodeId: NodeId
  readonly #log: Logger
  readonly #table: NodeTable
  readonly #sets: FrozenSets
  readonly #store: DirectoryStore
  readonly #tasks: TaskGroup
  readonly #intake: Intake
  readonly #announcer: Announcer
  readonly #sync: DirectorySync
  readonly #liveness: Liveness
  readonly #lateFarewells: LateFarewells
  readonly #keys: KeyLedger
  readonly #clocks: PeerClocks
  readonly #election: MixElection
  readonly #listeners = new Set<(change: DirectoryChange) => void>()
  readonly #size: NetworkSize
  readonly #waiting = new Map<string, NodeId>()
  readonly #ownPlacement: OwnPlacement
  #placed: { epoch: number; version: number; index: PlacementIndex } | undefined
  #dialling: { nodes: readonly Descriptor[]; targets: readonly DialTarget[] } | undefined
  #stopWatching: (() => void) | undefined

  constructor(ports: DirectoryPorts, options: DirectoryOptions) {
    this.#ports = ports
    this.#network = options.network
    this.#nodeId = options.nodeId
    this.#log = ports.log.child('directory')
    this.#table = new NodeTable(options.network)
    this.#sets = new FrozenSets(options.network, this.#table)
    this.#store = new DirectoryStore(ports.store)
    this.#tasks = new TaskGroup(this.#log)
    this.#keys = new KeyLedger(() => keyEpochAt(options.network, ports.clock.now()))
    this.#clocks = new PeerClocks(
      { clock: ports.clock, connected: () => ports.peers.connected(), table: this.#table },
      options.network,
    )
    this.#liveness = new Liveness(
      {
        ...ports,
        log: this.#log,
        isCandidate: (node) => this.#mayMix(node),
        candidates: () => this.#index().size,
        isReachable: () =>
          this.#table.get(options.nodeId)?.reachable === true && ports.canMix?.() !== false,
      },
      { networkId: options.network.id, nodeId: options.nodeId },
    )
    this.#lateFarewells = new LateFarewells({
      log: this.#log,
      pubsub: ports.pubsub,
      liveness: this.#liveness,
      // Also those that the table does not have: it may be empty but for what the first peer has said.
      vouchersNeeded: () =>
        Math.min(RUNNING_SET_VOUCHERS, Math.max(1, ports.peers.connected().length)),
    })
    this.#election = new MixElection(
      {
        liveness: this.#liveness,
        frozen: (epoch) => this.#sets.get(epoch),
        epoch: () => this.epoch,
      },
      options.network,
    )
    this.#intake = new Intake(
      {
        clock: ports.clock,
        log: this.#log,
        pubsub: ports.pubsub,
        peers: ports.peers,
        table: this.#table,
        keys: this.#keys,
        vouchersNeeded: () => this.#vouchersNeeded(),
        sets: this.#sets,
        store: this.#store,
        changed: () => this.#tell({ kind: 'nodes' }),
        liveness: this.#liveness,
        clocks: this.#clocks,
        foreignSelf: () => this.#announcer.requestIssue(),
        spawn: (name, task) => this.#tasks.spawn(name, task),
      },
      options.network,
      options.nodeId,
    )
    this.#announcer = new Announcer(
      {
        clock: ports.clock,
        rng: ports.rng,
        log: this.#log,
        pubsub: ports.pubsub,
        store: this.#store,
        tasks: this.#tasks,
        sign: ports.sign,
        accept: (descriptor) => this.#intake.acceptOwn(descriptor),
        lastSequence: () => this.#table.get(options.nodeId)?.sequence ?? 0,
      },
      options.network,
      options.nodeId,
      options.self,
    )
    const isLinked = () => ports.peers.connected().length > 0
    this.#size = new NetworkSize({ ...ports, living: () => this.#table.size, isLinked })
    this.#ownPlacement = new OwnPlacement(
      {
        index: () => this.#index(),
        size: () => this.#size.now(),
        isKnown: (node) => this.#table.get(node) !== undefined,
        requestKey: (node) => this.#requestKey(node),
      },
      { nodeId: options.nodeId, network: options.network },
    )
    this.#sync = new DirectorySync({ ...ports, target: this.#syncTarget() })
  }

  /**
   * Reads the disk, joins the topic, issues the own descriptor and begins to reconcile.
   * @throws HearsayError `not-admitted`, `invite-expired`, and the store's codes.
   */
  async start(): Promise<void> {
    const { clock, peers } = this.#ports
    await this.#load()
    this.#intake.openRunningSet(clock.now() + CATCH_UP_MS)
    this.#sync.serve()
    this.#intake.subscribe()
    await this.#announcer.start()
    for (const nodeId of peers.connected()) this.#waiting.set(toHex(nodeId), nodeId)
    this.#stopWatching = peers.onChange(({ nodeId, up }) => {
      if (up) this.#waiting.set(toHex(nodeId), nodeId)
      else this.#waiting.delete(toHex(nodeId))
    })
    this.#tasks.spawn('epochs', (signal) => this.#rollEpochs(signal))
    this.#tasks.spawn('sync', (signal) => this.#reconcileForever(signal))
    this.#tasks.spawn('heartbeats', (signal) => this.#liveness.run(signal))
    this.#tasks.spawn('flush', (signal) => this.#flushForever(signal))
  }

  /** Tells everybody that this node goes: nothing is routed over it any more. Before `stop`. */
  async leave(): Promise<void> {
    if (this.#stopWatching !== undefined) await this.#liveness.leave()
  }

  /** Ends all background work and writes what is not on disk yet. */
  async stop(): Promise<void> {
    this.#stopWatching?.()
    this.#stopWatching = undefined
    await this.#tasks.stop()
    await this.#store.flush()
  }

  /** Changes the own description; a descriptor follows within about a second. */
  updateSelf(changes: Partial<SelfDescription>): void {
    this.#announcer.update(changes)
  }

  /** The epoch of this moment. */
  get epoch(): number {
    return epochAt(this.#network, this.#ports.clock.now())
  }

  /** Living, admitted nodes, this one included. The same array until something changes. */
  nodes(): readonly Descriptor[] {
    return this.#table.all()
  }

  get(nodeId: NodeId): Descriptor | undefined {
    return this.#table.get(nodeId)
  }

  /** False while it has no living node but this one: whoever takes nobody's descriptor has a way over itself alone. */
  get knowsOthers(): boolean {
    return this.#table.all().some(({ nodeId }) => !equalBytes(nodeId, this.#nodeId))
  }

  /** More than CLOCK_TOLERANCE_MS, from its peers or the date of the network file; undefined while too few have said anything. */
  get clockSkew(): ClockSkew | undefined {
    const told = this.#clocks.skew()
    if (told === undefined) return skewByFile(this.#network, this.#ports.clock.now())
    return isTooFar(told) ? told : undefined
  }

  /** True for a node that proved to be two: it is in no set and should not be talked to. */
  isExcluded(nodeId: NodeId): boolean {
    return this.#table.isExcluded(nodeId)
  }

  /** Other nodes that can be dialled: the directory's, then the network file's. */
  dialTargets(): readonly DialTarget[] {
    const nodes = this.#table.all()
    if (this.#dialling?.nodes === nodes) return this.#dialling.targets
    const targets = new Map<string, DialTarget>()
    for (const { nodeId, addresses, reachable } of nodes) {
      if (reachable) targets.set(toHex(nodeId), { nodeId, addresses })
    }
    for (const text of this.#network.bootstraps) {
      const target = bootstrapTarget(text)
      if (target === undefined || targets.has(toHex(target.nodeId))) continue
      targets.set(toHex(target.nodeId), { nodeId: target.nodeId, addresses: [target.address] })
    }
    targets.delete(toHex(this.#nodeId))
    // Asked for with every request: the list is made once per change.
    this.#dialling = { nodes, targets: [...targets.values()] }
    return this.#dialling.targets
  }

  /** The nodes that everybody counts on in `epoch`: the running one, the one before or the next. */
  frozen(epoch: number): FrozenSet {
    return this.#sets.get(epoch)
  }

  /**
   * The mixes of `epoch`, one list per layer, by the frozen set and without those that everybody knows to be away.
   * The same object until something changes. Empty lists for an epoch that is not near.
   */
  mixes(epoch: number): MixLayers {
    return this.#election.get(epoch)
  }

  /** The key of a mix for packets of a key epoch: the one that was heard first; undefined for none or two. */
  mixKey(nodeId: NodeId, keyEpoch: number): Uint8Array | undefined {
    return this.#keys.keyOf(nodeId, keyEpoch)
  }

  /** Who may bring boxes into gossip in `epoch`. */
  couriers(epoch: number): Couriers {
    return this.#election.couriers(epoch)
  }

  /** The K nodes that keep a box, nearest first. `day`: UTC day of publishing. */
  keepers(address: Address, day: number): NodeId[] {
    return this.#index().closest(placementKey(address, day), this.#network.parameters.keepers)
  }

  /** Placement as this node sees it: the port of the mailbox. */
  placement(): OwnPlacement {
    return this.#ownPlacement
  }

  /** Calls after every change. Returns the way to unsubscribe. */
  onChange(listener: (change: DirectoryChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Takes and gossips the operator's list. False when a later one is known. */
  async revoke(list: RevocationList): Promise<boolean> {
    if (!this.#intake.acceptRevocation(list)) return false
    await this.#store.flush()
    await this.#ports.pubsub.publish(
      DIRECTORY_TOPIC,
      encodeMessage(MESSAGE_TYPES.revocation, list.bytes),
    )
    return true
  }

  /** The operator's list in force. */
  get revocation(): RevocationList | undefined {
    return this.#table.revocation
  }

  /**
   * By the sets alone: what a node says of itself now reaches others at different moments, and it could say it as
   * often as it likes.
   */
  #mayMix(node: NodeId): boolean {
    const { epoch } = this
    return [epoch, epoch + 1].some((each) => this.#sets.find(each, node)?.reachable === true)
  }

  /** By the frozen set where it has the node: a keeper must not give one asker a key of its own. */
  #requestKey(node: NodeId): Uint8Array | undefined {
    return (this.#sets.find(this.epoch, node) ?? this.#table.get(node))?.requestKey
  }

  #index(): PlacementIndex {
    const { epoch } = this
    const { version, nodes } = this.#sets.get(epoch)
    const cached = this.#placed
    if (cached?.epoch === epoch && cached.version === version) return cached.index
    const index = new PlacementIndex(nodes.filter((node) => node.reachable))
    this.#placed = { epoch, version, index }
    return index
  }

  async #load(): Promise<void> {
    const now = this.#ports.clock.now()
    const revocation = await this.#store.revocation()
    if (revocation !== undefined) this.#table.revoke(decodeRevocation(revocation, this.#network))
    const conflicts = await this.#store.conflicts()
    for (const bytes of conflicts) this.#table.exclude(decodeConflict(bytes, this.#network))
    const descriptors = await this.#store.descriptors()
    this.#size.startsWith(descriptors.length)
    for (const descriptor of descriptors.map(readDescriptor)) {
      const outcome = this.#table.consider(descriptor, now)
      if (outcome.kind === 'new') this.#keys.note(outcome.descriptor)
      else if (now > this.#table.expiryOf(descriptor)) this.#store.deleteDescriptor(descriptor)
    }
    this.#sets.roll(now)
    const frozen = await this.#store.frozen()
    for (const { epoch, bytes } of frozen) this.#sets.offer(epoch, decodeDescriptor(bytes))
  }

  #tell(change: DirectoryChange): void {
    for (const listener of this.#listeners) listener(change)
  }

  /** Looks at the wall clock often: it may step, and timers stand still while the machine sleeps. */
  async #rollEpochs(signal: AbortSignal): Promise<void> {
    const { clock } = this.#ports
    let rolled: number | undefined
    let wasHere = false
    while (!signal.aborted) {
      const { epoch } = this
      this.#size.now()
      if (epoch !== rolled) {
        // Sets of epochs that were slept through have to come from others.
        if (rolled !== undefined && epoch !== rolled + 1) this.#missedEpochs()
        rolled = epoch
        await this.#roll(epoch)
      }
      const isHere = this.#table.get(this.#nodeId) !== undefined
      if (wasHere && !isHere) this.#announcer.requestIssue()
      wasHere = isHere
      const left = epochStart(this.#network, epoch + 1) - clock.now()
      await clock.sleep(Math.min(Math.max(1, left), EPOCH_POLL_MS), signal)
    }
  }

  #missedEpochs(): void {
    const { clock, peers } = this.#ports
    this.#intake.openRunningSet(clock.now() + CATCH_UP_MS)
    for (const nodeId of peers.connected()) this.#waiting.set(toHex(nodeId), nodeId)
  }

  async #roll(epoch: number): Promise<void> {
    const now = this.#ports.clock.now()
    for (const gone of this.#table.expire(now)) this.#store.deleteDescriptor(gone)
    this.#sets.roll(now)
    const inSets = [epoch, epoch + 1].flatMap((each) => this.#sets.stored(each))
    const kept = [...this.#table.all(), ...inSets].map(({ nodeId }) => toHex(nodeId))
    this.#keys.retain(new Set(kept))
    for (const descriptor of this.#sets.stored(epoch + 1)) {
      this.#store.putFrozen(epoch + 1, descriptor)
    }
    await this.#store.dropFrozenBefore(epoch - 1)
    this.#tell({ kind: 'epoch', epoch })
  }

  async #flushForever(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#ports.clock.sleep(FLUSH_MS, signal)
      await this.#store.flush()
    }
  }

  async #reconcileForever(signal: AbortSignal): Promise<void> {
    const { clock, peers, rng } = this.#ports
    let idleSince = clock.monotonic()
    while (!signal.aborted) {
      const [next] = this.#waiting.values()
      const due =
        clock.monotonic() - idleSince >=
        (this.#intake.isCatchingUp ? SYNC_FIRST_INTERVAL_MS : SYNC_INTERVAL_MS)
      const peer = next ?? (due ? shuffled(rng, peers.connected())[0] : undefined)
      if (peer === undefined) {
        await clock.sleep(FLUSH_MS, signal)
        continue
      }
      this.#waiting.delete(toHex(peer))
      idleSince = clock.monotonic()
      await this.#pull(peer, signal)
    }
  }

  async #pull(peer: NodeId, signal: AbortSignal): Promise<void> {
    try {
      await this.#sync.pull(peer, signal)
    } catch (error) {
      if (signal.aborted || !isHearsayError(error)) throw error
      // A refused or broken request is the weather, not a lie: blame for it would cost honest nodes their mesh.
      if (error.fault === 'peer' && error.code !== 'request-failed') {
        this.#ports.peers.penalise(peer, BLAME_POINTS)
      }
      this.#log.debug('reconciliation of the directory failed', { code: error.code })
    }
  }

  #syncTarget(): SyncTarget {
    return {
      descriptors: (scope) =>
        scope.set === 'live' ? this.#table.all() : this.#sets.stored(scope.epoch),
      known: () => ({
        revokedAt: this.#table.revocation?.issuedAt ?? 0,
        excluded: shuffled(
          this.#ports.rng,
          this.#table.conflicts.map(({ nodeId }) => nodeId),
        ),
      }),
      notices: (revokedAt, excluded) => this.#notices(revokedAt, excluded),
      scopes: () => this.#openScopes(),
      acceptDescriptor: (bytes, scope, from) => this.#intake.acceptSynced(bytes, scope, from),
      acceptNotices: ({ revocation, conflicts }) => {
        if (revocation.length > 0) {
          this.#intake.acceptRevocation(decodeRevocation(revocation, this.#network))
        }
        for (const bytes of conflicts) this.#intake.acceptProof(bytes)
      },
      wantsFarewells: () => this.#liveness.isNew,
      farewells: () => this.#liveness.farewells(),
      acceptFarewell: (bytes, from) => this.#lateFarewells.hear(bytes, from),
    }
  }

  #notices(revokedAt: number, excluded: ReadonlySet<string>): SyncNotices {
    const { revocation } = this.#table
    const isNewer = revocation !== undefined && revocation.issuedAt > revokedAt
    const news = this.#table.conflicts.filter(({ nodeId }) => !excluded.has(toHex(nodeId)))
    // Who starts later must not be the only one to use a mix that is in dispute.
    const keys = shuffled(this.#ports.rng, this.#keys.proofs()).slice(0, MAX_NOTICE_KEY_CONFLICTS)
    const room = MAX_NOTICE_CONFLICTS - keys.length
    return {
      revocation: isNewer ? revocation.bytes : new Uint8Array(0),
      conflicts: [...keys, ...news.slice(0, room).map(({ bytes }) => bytes)],
    }
  }

  /** As many as there are to ask, up to RUNNING_SET_VOUCHERS. */
  #vouchersNeeded(): number {
    const known = this.#ports.peers
      .connected()
      .filter((peer) => this.#table.get(peer) !== undefined)
    return Math.min(RUNNING_SET_VOUCHERS, Math.max(1, known.length))
  }

  #openScopes(): SyncScope[] {
    const { epoch } = this.#sets
    const epochs = this.#intake.isCatchingUp ? [epoch, epoch + 1] : [epoch + 1]
    return [
      { set: 'live' },
      ...epochs
        .filter((each) => each >= 2)
        .map((each) => ({ set: 'frozen' as const, epoch: each })),
    ]
  }
}
