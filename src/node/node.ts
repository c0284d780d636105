import {
  type Clock,
  dayOf,
  HearsayError,
  isHearsayError,
  type Logger,
  type Rng,
  TaskGroup,
  toHex,
} from '../base/index.ts'
import { signKeyPairFromSeed } from '../crypto/index.ts'
import type { Network } from '../directory/index.ts'
import { peerIdText } from '../net/index.ts'
import { openStore, type Store, type StorePorts } from '../store/index.ts'
import type { HookProgress, NodeApi, NodeState, WaitTarget } from './api.ts'
import { clockFault } from './clock-health.ts'
import { ContactErasure } from './contact-erasure.ts'
import { contactsApi } from './contacts-api.ts'
import { dbApi } from './db-api.ts'
import { diagnose } from './doctor.ts'
import { eventsApi } from './events-api.ts'
import { EventRetention } from './event-retention.ts'
import { hooksApi } from './hooks-api.ts'
import { Idempotency } from './idempotency.ts'
import { messagesApi } from './messages-api.ts'
import { networkApi } from './network-api.ts'
import { Networks } from './networks.ts'
import { NodeKeys } from './node-keys.ts'
import { PeerBans } from './peer-bans.ts'
import { peersApi } from './peers-api.ts'
import { Healing } from './healing.ts'
import { RunningClock } from './running-clock.ts'
import { Session, type SessionPorts } from './session.ts'
import { settingsOf } from './settings.ts'
import { readStatus, type StatusPorts } from './status.ts'
import { SENDING_SPACE_BYTES, Upkeep } from './upkeep.ts'
import { timeText } from './views.ts'
import { eraseAll, eraseCaches, hasContacts } from './wipe.ts'
import { WorkerJobs } from './worker-jobs.ts'

export interface NodePorts
  extends Pick<StorePorts, 'files'>,
    Pick<SessionPorts, 'net' | 'onEmission'> {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  /** What its owner runs for events, for the status; `head` is the last event of the journal. */
  readonly hooks?: (head: number) => readonly HookProgress[]
}

export interface NodeOptions {
  /** Directory of everything durable of this node. */
  readonly home: string
  /** Multiaddrs to listen on once a network is joined. */
  readonly listen: readonly string[]
  /** Multiaddrs told to others in place of the listen addresses. */
  readonly announce?: readonly string[]
  /** Whether others can dial this node. `no`: it neither mixes nor keeps. By default it finds out. */
  readonly reachable?: 'auto' | 'yes' | 'no'
  /** What boxes of others may take on the disk, about; less where the disk has no room for it. Default 4 GiB. */
  readonly mailboxQuotaBytes?: number
  readonly version: string
}

export interface HearsayNode {
  readonly api: NodeApi
  /** Enters the joined network, if there is one. A failed start leaves nothing running. */
  start(): Promise<void>
  /** Ends everything in reverse order and closes the store. Safe to call twice. */
  stop(): Promise<void>
  onStopRequested(listener: () => void): void
  /** Another quota for boxes of others, in force at once: what is beyond it goes. */
  setMailboxQuota(bytes: number): void
  /** Resolves with the reason when the node cannot go on. */
  readonly failed: Promise<Error>
}

const WAIT_POLL_MS = 100

/**
 * Opens the store of a home and assembles a node around it. Nothing runs before `start`.
 * @throws HearsayError as `openStore`.
 */
export async function createNode(ports: NodePorts, options: NodeOptions): Promise<HearsayNode> {
  const log = ports.log.child('node')
  const { clock, rng } = ports
  const store = await openStore({ ...ports, log }, { dir: options.home })
  try {
    const keys = new NodeKeys({ store, rng })
    const networks = new Networks({ store, rng, keys })
    await networks.load()
    if (networks.wiping) await eraseAll(store, (batch) => networks.wiped(batch))
    const bans = new PeerBans({ store, clock })
    await bans.load()
    const node = await keys.node(clock.now())
    const requestSeed = await keys.request()
    return new LocalNode(
      { ...ports, log, store, networks, bans },
      { ...options, node, requestSeed },
    )
  } catch (error) {
    await store.close()
    throw error
  }
}

interface LocalPorts extends NodePorts {
  readonly store: Store
  readonly networks: Networks
  readonly bans: PeerBans
}

interface LocalOptions extends NodeOptions {
  readonly node: { seed: Uint8Array; createdAt: number }
  readonly requestSeed: Uint8Array
}

class LocalNode implements HearsayNode {
  readonly api: NodeApi
  readonly failed: Promise<Error>
  readonly #ports: LocalPorts
  readonly #options: LocalOptions
  readonly #peerId: string
  readonly #jobs: WorkerJobs
  readonly #running: RunningClock
  readonly #retention: EventRetention
  readonly #idempotency: Idempotency
  readonly #erasure: ContactErasure
  readonly #upkeep: Upkeep
  readonly #healing: Healing
  readonly #stopListeners: (() => void)[] = []
  readonly #tasks: TaskGroup
  #state: NodeState = 'starting'
  #session: Session | undefined
  #mailboxQuotaBytes: number | undefined
  #lane: Promise<unknown> = Promise.resolve()
  #stopping: Promise<void> | undefined

  constructor(ports: LocalPorts, options: LocalOptions) {
    const { clock, log, store } = ports
    this.#ports = ports
    this.#options = options
    this.#mailboxQuotaBytes = options.mailboxQuotaBytes
    this.#peerId = peerIdText(signKeyPairFromSeed(options.node.seed).publicKey)
    this.#jobs = new WorkerJobs({ log, clock })
    const running = new RunningClock({ clock, store })
    this.#running = running
    this.#retention = new EventRetention({ store, running })
    this.#idempotency = new Idempotency({
      store,
      running,
      isReadonly: () => this.#healing.underWay,
    })
    this.#tasks = new TaskGroup(log)
    this.#erasure = new ContactErasure({
      store,
      idempotency: this.#idempotency,
      signal: this.#tasks.signal,
    })
    this.#upkeep = new Upkeep({
      clock,
      log,
      store,
      retry: () => this.#exclusive(() => this.#enter()),
      erase: () => this.#erasure.finishAll(),
      lookForOrphans: () =>
        this.#exclusive(async () => this.#session?.conversations.lookForOrphans()),
      retain: () => this.#erasure.alone(() => this.#retention.retain()),
      beat: () => running.keep(),
      prune: (signal) => this.#idempotency.prune(signal),
      mustPrune: () => this.#idempotency.isFull,
      fit: (freeBytes) => this.#session?.mailbox.fit(freeBytes),
    })
    const failed = Promise.withResolvers<Error>()
    this.failed = failed.promise
    store.onPoisoned((cause) => {
      // Reading goes on; nothing leaves any more, because nothing that it would change can be kept.
      log.error('a write failed: the node is read-only until the store is repaired')
      if (isHearsayError(cause, 'storage-corrupt')) failed.resolve(cause)
    })
    this.#healing = new Healing({
      clock,
      log,
      store,
      quiesce: () => this.#exclusive(async () => this.#session?.stop({ hurried: true })),
      forget: () => {
        this.#session = undefined
      },
      reload: () => this.#exclusive(() => this.#reload()),
      resume: () => this.#exclusive(() => this.#goOn()),
      fail: failed.resolve,
    })
    this.api = this.#buildApi()
  }

  async start(): Promise<void> {
    // Before boxes come: the disk may be nearly full already.
    await this.#upkeep.tryLook()
    try {
      await this.#exclusive(() => this.#enter())
    } catch (error) {
      if (!isHearsayError(error) || (error.fault !== 'peer' && error.fault !== 'trust')) {
        await this.stop()
        throw error
      }
      // The network does not want this node: its owner has to be able to ask why, and to leave.
      this.#ports.log.error('the network cannot be entered', { code: error.code })
    }
    this.#tasks.spawn('upkeep', (signal) => this.#upkeep.run(signal))
    this.#tasks.spawn('healing', (signal) => this.#healing.run(signal))
    this.#state = 'running'
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    this.#state = 'stopping'
    const faults: unknown[] = []
    const steps = [
      () => this.#tasks.stop(),
      // Whatever joins or leaves at this moment ends first: what it starts is stopped, not forgotten.
      () => this.#exclusive(async () => this.#session?.stop()),
      () => this.#jobs.stop(),
      () => this.#idempotency.settled(),
      async () => this.#ports.store.state() === 'ok' && this.#running.flush(),
      () => this.#ports.store.close(),
    ]
    for (const step of steps) {
      try {
        await step()
      } catch (error) {
        faults.push(error)
      }
    }
    this.#session = undefined
    this.#state = 'stopped'
    if (faults.length > 0) throw faults[0]
  }

  onStopRequested(listener: () => void): void {
    this.#stopListeners.push(listener)
  }

  setMailboxQuota(bytes: number): void {
    this.#mailboxQuotaBytes = bytes
    this.#session?.mailbox.setQuota(bytes)
  }

  /** One change of the network at a time. */
  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#lane.then(work)
    this.#lane = done.catch(() => undefined)
    return done
  }

  /** Starts a session in the joined network unless there is one. Only in `exclusive`. */
  async #enter(): Promise<void> {
    if (this.#session !== undefined || this.#ports.networks.joined === undefined) return
    if (this.#healing.underWay) return
    if (this.#state === 'stopping') throw new HearsayError('not-running', 'the node is stopping')
    const { clock, rng, log, store, networks, bans, net, onEmission } = this.#ports
    const { node, requestSeed, listen, announce, reachable } = this.#options
    const quotaBytes = this.#mailboxQuotaBytes
    const session = new Session(
      {
        clock,
        rng,
        log,
        store,
        jobs: this.#jobs,
        isBanned: (nodeId) => bans.has(nodeId),
        ...(net === undefined ? {} : { net }),
        ...(onEmission === undefined ? {} : { onEmission }),
      },
      {
        network: networks.current,
        nodeSeed: node.seed,
        requestSeed,
        keepsFromDay: dayOf(node.createdAt),
        listen,
        announce,
        reachable: reachable ?? 'auto',
        freeBytes: this.#upkeep.freeBytes,
        ...(quotaBytes === undefined ? {} : { mailboxQuotaBytes: quotaBytes }),
      },
    )
    await session.start()
    this.#session = session
    // Another look at the disk, or another quota, may have come while it started.
    if (this.#mailboxQuotaBytes !== undefined) session.mailbox.setQuota(this.#mailboxQuotaBytes)
    session.mailbox.fit(this.#upkeep.freeBytes)
  }

  async #reload(): Promise<void> {
    await this.#ports.networks.load()
    await this.#ports.bans.load()
  }

  /** After the store was repaired: the session is built anew from it. */
  async #goOn(): Promise<void> {
    await this.#upkeep.look()
    if (this.#ports.networks.wiping) await this.#leave()
    await this.#enter()
  }

  /** Ends the session; finishes a wipe that was decided. */
  async #leave(): Promise<void> {
    const { store, networks, bans } = this.#ports
    const session = this.#session
    this.#session = undefined
    await session?.handOver()
    await session?.stop({ hurried: networks.wiping })
    if (!networks.wiping) return
    bans.clear()
    // Erasing a contact writes what the wipe has erased.
    await this.#erasure.alone(() => eraseAll(store, (batch) => networks.wiped(batch)))
  }

  /** Contacts of one network must never write into another; its boxes and nodes mean nothing there. */
  async #makeRoom(network: Network): Promise<void> {
    const { store, networks } = this.#ports
    const { held } = networks
    if (held === undefined || toHex(held) === toHex(network.id)) return
    if (await hasContacts(store)) {
      throw new HearsayError(
        'network-already-joined',
        'this home still has the contacts of the network that it left: leave it again with wipe, or use another home',
      )
    }
    await eraseCaches(store)
  }

  #current(): Session {
    if (this.#session !== undefined) return this.#session
    if (this.#ports.networks.joined === undefined) {
      throw new HearsayError(
        'network-not-joined',
        'join a network first: hearsay network join <file or URI>',
      )
    }
    if (this.#shownState() === 'running') {
      throw new HearsayError('not-running', 'the network could not be entered: see node.status')
    }
    throw new HearsayError('not-running', 'the node is starting, coming back or stopping')
  }

  /** A disk that is nearly full refuses new messages while it can still finish what it has. */
  #needSpace(): void {
    const { freeBytes } = this.#upkeep
    // What the mailbox holds for moments to give more back is no reason to refuse.
    const heldBytes = this.#session?.mailbox.heldBytes ?? 0
    if (freeBytes + heldBytes >= SENDING_SPACE_BYTES) return
    throw new HearsayError('storage-full', 'the disk is nearly full: free some space', {
      freeBytes,
    })
  }

  /** What the node shows as its state: a store that refuses writes outranks everything that runs. */
  #shownState(): NodeState {
    return this.#state === 'running' && !this.#healing.isOver ? 'readonly' : this.#state
  }

  #buildApi(): NodeApi {
    const { clock, store, networks, bans } = this.#ports
    const idempotency = this.#idempotency
    const session = () => this.#session
    const conversations = () => this.#current().conversations
    const shared = { store, clock, idempotency, conversations }
    const status: StatusPorts = {
      clock,
      store,
      networks,
      session,
      state: () => this.#shownState(),
      hooks: (head) => this.#ports.hooks?.(head) ?? [],
      retention: this.#retention,
      peerId: this.#peerId,
      version: this.#options.version,
      since: clock.now(),
    }
    return {
      ...messagesApi({
        ...shared,
        needSpace: () => this.#needSpace(),
        releaseHold: () => this.#session?.releaseHold(),
      }),
      contacts: contactsApi({ ...shared, erasure: this.#erasure }),
      events: eventsApi({ store, clock, idempotency }),
      hooks: hooksApi({ store, idempotency, hooks: status.hooks }),
      network: networkApi({
        clock,
        idempotency,
        networks,
        session,
        exclusive: (work) => this.#exclusive(work),
        prepare: (network) => this.#makeRoom(network),
        enter: () => this.#enter(),
        leave: () => this.#leave(),
        announced: this.#options.announce ?? [],
        withPeerId: (addresses) =>
          addresses.map((address) =>
            address.includes('/p2p/') ? address : `${address}/p2p/${this.#peerId}`,
          ),
      }),
      node: {
        status: () => readStatus(status),
        wait: (params, signal) => this.#wait(status, params, signal),
        stop: ({ drainMs }) => this.#requestStop(drainMs ?? 0),
        doctor: async ({ checks }) => ({ checks: diagnose(await readStatus(status), checks) }),
      },
      identity: {
        get: async () => ({
          peerId: this.#peerId,
          nodeKey: toHex(signKeyPairFromSeed(this.#options.node.seed).publicKey),
          createdAt: timeText(this.#options.node.createdAt),
        }),
      },
      peers: peersApi({ store, clock, idempotency, bans, session, peerId: this.#peerId }),
      db: dbApi({ store, session }),
      remember: (ctx, effect) => idempotency.remember(ctx, effect),
      settings: settingsOf(store),
    }
  }

  /** Asks for the stop once nothing waits in the outbox any more, after `drainMs` at the latest. */
  async #requestStop(drainMs: number): Promise<void> {
    const { clock } = this.#ports
    const deadline = clock.monotonic() + drainMs
    const queued = () =>
      this.#session?.conversations.outbox().some(({ state }) => state === 'queued') ?? false
    while (this.#state === 'running' && queued() && clock.monotonic() < deadline) {
      await clock.sleep(Math.min(WAIT_POLL_MS, drainMs), this.#tasks.signal)
    }
    for (const listener of this.#stopListeners) listener()
  }

  async #wait(
    status: StatusPorts,
    params: { for: WaitTarget; timeoutMs: number },
    signal: AbortSignal,
  ) {
    const { clock } = this.#ports
    const deadline = clock.monotonic() + params.timeoutMs
    while (!this.#reached(params.for)) {
      const left = deadline - clock.monotonic()
      if (left <= 0) throw this.#inVain(params.for)
      await clock.sleep(Math.min(left, WAIT_POLL_MS), signal)
    }
    return readStatus(status)
  }

  #reached(target: WaitTarget): boolean {
    if (this.#shownState() !== 'running') return false
    if (target === 'ready') return true
    if (target === 'linked') return this.#session?.shownLink === 'linked'
    if (target === 'caught-up') return this.#session?.catchUp.view.phase === 'done'
    const peers = this.#session?.net.peers.connected().length ?? 0
    return peers >= Number(target.slice('peers='.length))
  }

  /** How a wait ends that was in vain. */
  #inVain(target: WaitTarget): HearsayError {
    const session = this.#shownState() === 'running' ? this.#session : undefined
    const wantsLink = target === 'linked' || target === 'caught-up'
    // A clock that is known to be wrong is why no link came about.
    const skew =
      wantsLink && session?.shownLink === 'joining' ? session.directory.clockSkew : undefined
    if (skew !== undefined) return clockFault(skew)
    return new HearsayError('timeout', this.#obstacle(target))
  }

  /** Why a wait was in vain. */
  #obstacle(target: WaitTarget): string {
    const state = this.#shownState()
    if (state === 'readonly')
      return 'the disk takes no writes: free space or repair it, and the node goes on by itself'
    if (state !== 'running') return 'the node has not got that far yet'
    if (target === 'ready') return 'the node has not got that far yet'
    if (this.#ports.networks.joined === undefined) {
      return 'no network is joined: hearsay network join <file or URI>'
    }
    const peers = this.#session?.net.peers.connected().length ?? 0
    return `peers connected: ${peers}; hearsay doctor says what is missing`
  }
}
