import {
  type Clock,
  HearsayError,
  isHearsayError,
  type Logger,
  type Rng,
  TaskGroup,
  toHex,
  utf8,
  fromUtf8,
} from '../base/index.ts'
import { signKeyPairFromSeed } from '../crypto/index.ts'
import { dayAt } from '../directory/index.ts'
import { nodeIdFromText, peerIdText } from '../net/index.ts'
import { BUCKETS, openStore, type Store } from '../store/index.ts'
import type { NodeApi, NodeState, PeerView, WaitTarget } from './api.ts'
import { contactsApi } from './contacts-api.ts'
import { diagnose } from './doctor.ts'
import { eventsApi } from './events-api.ts'
import { Idempotency } from './idempotency.ts'
import { messagesApi } from './messages-api.ts'
import { networkApi } from './network-api.ts'
import { Networks } from './networks.ts'
import { NodeKeys } from './node-keys.ts'
import { Session } from './session.ts'
import { readStatus, type StatusPorts } from './status.ts'
import { cursorText, parseCursor, timeText } from './views.ts'
import { WorkerJobs } from './worker-jobs.ts'

export interface NodePorts {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
}

export interface NodeOptions {
  /** Directory of everything durable of this node. */
  readonly home: string
  /** Multiaddrs to listen on once a network is joined. */
  readonly listen: readonly string[]
  /** Multiaddrs told to others in place of the listen addresses. */
  readonly announce?: readonly string[]
  /** False: cannot be dialled, keeps nothing for others. */
  readonly reachable?: boolean
  readonly version: string
}

export interface HearsayNode {
  readonly api: NodeApi
  /** Enters the joined network, if there is one. A failed start leaves nothing running. */
  start(): Promise<void>
  /** Ends everything in reverse order and closes the store. Safe to call twice. */
  stop(): Promise<void>
  onStopRequested(listener: () => void): void
  /** Resolves with the reason when the node cannot go on. */
  readonly failed: Promise<Error>
}

const WAIT_POLL_MS = 100
const UPKEEP_MS = 10_000
const RETAIN_MS = 600_000
const SPACE_FOR_SENDING_BYTES = 64 * 1024 * 1024
const BAN_MS = 24 * 3_600_000

/**
 * Opens the store of a home and assembles a node around it. Nothing runs before `start`.
 * @throws HearsayError as `openStore`.
 */
export async function createNode(ports: NodePorts, options: NodeOptions): Promise<HearsayNode> {
  const log = ports.log.child('node')
  const store = await openStore({ ...ports, log }, { dir: options.home })
  try {
    const keys = new NodeKeys({ store, rng: ports.rng })
    const networks = new Networks({ store, rng: ports.rng, keys })
    await networks.load()
    const node = await keys.node(ports.clock.now())
    const requestSeed = await keys.request()
    return new LocalNode({ ...ports, log, store, networks }, { ...options, node, requestSeed })
  } catch (error) {
    await store.close()
    throw error
  }
}

interface LocalPorts extends NodePorts {
  readonly store: Store
  readonly networks: Networks
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
  readonly #jobs = new WorkerJobs()
  readonly #stopListeners: (() => void)[] = []
  readonly #tasks: TaskGroup
  #state: NodeState = 'starting'
  #freeBytes = Number.POSITIVE_INFINITY
  #session: Session | undefined
  #entering: Promise<Session> | undefined

  constructor(ports: LocalPorts, options: LocalOptions) {
    this.#ports = ports
    this.#options = options
    this.#peerId = peerIdText(signKeyPairFromSeed(options.node.seed).publicKey)
    this.#tasks = new TaskGroup(ports.log)
    this.failed = new Promise((resolve) => {
      ports.store.onPoisoned((cause) => {
        // Reading goes on; nothing leaves any more, because nothing that it would change can be kept.
        ports.log.error('a write failed: the store is read-only until a restart')
        this.#tasks.spawn('quiesce', async () => this.#session?.stop())
        if (isHearsayError(cause, 'storage-corrupt')) resolve(cause)
      })
    })
    this.api = this.#buildApi()
  }

  async start(): Promise<void> {
    if (this.#ports.networks.joined !== undefined) await this.#enter()
    this.#tasks.spawn('upkeep', (signal) => this.#keepUp(signal))
    this.#state = 'running'
  }

  /** Retention of the journal, and an eye on the free space. */
  async #keepUp(signal: AbortSignal): Promise<void> {
    const { clock, store } = this.#ports
    let retainedAt = clock.monotonic()
    while (!signal.aborted) {
      await clock.sleep(UPKEEP_MS, signal)
      if (store.state() === 'poisoned') return
      this.#freeBytes = (await store.stats()).freeBytes
      if (clock.monotonic() - retainedAt < RETAIN_MS) continue
      retainedAt = clock.monotonic()
      await store.retain()
    }
  }

  /** A disk that is nearly full refuses new messages while it can still finish what it has. */
  #needSpace(): void {
    if (this.#freeBytes >= SPACE_FOR_SENDING_BYTES) return
    throw new HearsayError('storage-full', 'the disk is nearly full: free some space', {
      freeBytes: this.#freeBytes,
    })
  }

  async stop(): Promise<void> {
    if (this.#state === 'stopped') return
    this.#state = 'stopping'
    await this.#tasks.stop()
    await this.#session?.stop()
    this.#session = undefined
    await this.#jobs.stop()
    await this.#ports.store.close()
    this.#state = 'stopped'
  }

  onStopRequested(listener: () => void): void {
    this.#stopListeners.push(listener)
  }

  /** One session at a time; a second caller waits for the first. */
  #enter(): Promise<Session> {
    if (this.#session !== undefined) return Promise.resolve(this.#session)
    this.#entering ??= this.#openSession().finally(() => {
      this.#entering = undefined
    })
    return this.#entering
  }

  async #openSession(): Promise<Session> {
    const { clock, rng, log, store, networks } = this.#ports
    const { node, requestSeed, listen, announce, reachable } = this.#options
    const session = new Session(
      { clock, rng, log, store, jobs: this.#jobs },
      {
        network: networks.current,
        nodeSeed: node.seed,
        requestSeed,
        keepsFromDay: dayAt(node.createdAt),
        listen,
        announce,
        reachable: reachable ?? true,
      },
    )
    await session.start()
    this.#session = session
    return session
  }

  async #leave(wipe: boolean): Promise<void> {
    const session = this.#session
    this.#session = undefined
    await session?.stop()
    if (!wipe) return
    for (const bucket of WIPED) await eraseBucket(this.#ports.store, bucket)
    await this.#ports.store.compact()
  }

  #current(): Session {
    if (this.#session === undefined) {
      if (this.#ports.networks.joined === undefined) {
        throw new HearsayError(
          'network-not-joined',
          'join a network first: hearsay network join <file or URI>',
        )
      }
      throw new HearsayError('not-running', 'the node is still starting')
    }
    return this.#session
  }

  #buildApi(): NodeApi {
    const { clock, store, networks } = this.#ports
    const idempotency = new Idempotency({ store })
    const session = () => this.#session
    const conversations = () => this.#current().conversations
    const shared = { store, clock, idempotency, conversations }
    const since = clock.now()
    const status: StatusPorts = {
      clock,
      store,
      networks,
      session,
      state: () => this.#state,
      peerId: this.#peerId,
      version: this.#options.version,
      since,
    }
    return {
      ...messagesApi({
        ...shared,
        needSpace: () => this.#needSpace(),
        releaseHold: () => this.#session?.slots.releaseHold(),
      }),
      contacts: contactsApi(shared),
      events: eventsApi({ store, clock, idempotency }),
      network: networkApi({
        clock,
        idempotency,
        networks,
        session,
        enter: () => this.#enter(),
        leave: (wipe) => this.#leave(wipe),
        announced: this.#options.announce ?? [],
        withPeerId: (addresses) =>
          addresses.map((address) =>
            address.includes('/p2p/') ? address : `${address}/p2p/${this.#peerId}`,
          ),
      }),
      node: {
        status: () => readStatus(status),
        wait: (params, signal) => this.#wait(status, params, signal),
        stop: async () => {
          for (const listener of this.#stopListeners) listener()
        },
        doctor: async ({ checks }) => ({ checks: diagnose(await readStatus(status), checks) }),
      },
      identity: {
        get: async () => ({
          peerId: this.#peerId,
          nodeKey: toHex(signKeyPairFromSeed(this.#options.node.seed).publicKey),
          createdAt: timeText(this.#options.node.createdAt),
        }),
      },
      peers: {
        list: async (page) => this.#listPeers(page),
        ban: ({ peerId, ttlMs }, ctx) =>
          idempotency.remember(ctx, async () => {
            const nodeId = nodeIdFromText(peerId)
            if (nodeId === undefined) throw new HearsayError('bad-value', 'not a peer id')
            await this.#current().ban(nodeId, clock.now() + (ttlMs ?? BAN_MS))
            return { peerId }
          }),
      },
      db: {
        stats: async () => {
          const stats = await store.stats()
          return {
            bytes: stats.bytes,
            boxes: this.#session?.mailbox.status().boxes ?? 0,
            messages: this.#session?.conversations.depth().messages ?? 0,
            headSeq: stats.headSeq,
            oldestSeq: stats.oldestSeq,
            epoch: store.epoch,
          }
        },
      },
      remember: (ctx, effect) => idempotency.remember(ctx, effect),
      settings: settingsOf(store),
    }
  }

  #listPeers(page: { limit: number; cursor?: string }) {
    const session = this.#session
    const connected = new Set((session?.net.peers.connected() ?? []).map(toHex))
    const known = new Map<string, PeerView>()
    for (const { nodeId, addresses } of session?.directory.dialTargets() ?? []) {
      known.set(toHex(nodeId), {
        peerId: peerIdText(nodeId),
        addresses,
        connected: connected.has(toHex(nodeId)),
        banned: session?.isBanned(nodeId) ?? false,
      })
    }
    for (const nodeId of session?.net.peers.connected() ?? []) {
      if (known.has(toHex(nodeId))) continue
      known.set(toHex(nodeId), {
        peerId: peerIdText(nodeId),
        addresses: [],
        connected: true,
        banned: false,
      })
    }
    const all = [...known.values()].toSorted((a, b) => (a.peerId < b.peerId ? -1 : 1))
    const from = parseCursor(page.cursor) ?? 0
    const to = from + page.limit
    return {
      items: all.slice(from, to),
      nextCursor: to < all.length ? cursorText(to) : null,
      asOfSeq: this.#ports.store.headSeq(),
    }
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
      if (left <= 0) throw new HearsayError('timeout', 'the node has not got that far yet')
      await clock.sleep(Math.min(left, WAIT_POLL_MS), signal)
    }
    return readStatus(status)
  }

  #reached(target: WaitTarget): boolean {
    if (this.#state !== 'running') return false
    if (target === 'ready') return true
    if (target === 'linked') return this.#session?.link === 'linked'
    const peers = this.#session?.net.peers.connected().length ?? 0
    return peers >= Number(target.slice('peers='.length))
  }
}

const WIPED = [
  BUCKETS.contacts,
  BUCKETS.conversations,
  BUCKETS.sendGroups,
  BUCKETS.streams,
  BUCKETS.readWindows,
  BUCKETS.outbox,
  BUCKETS.messages,
  BUCKETS.messageIndex,
  BUCKETS.boxes,
  BUCKETS.boxExpiry,
  BUCKETS.descriptors,
  BUCKETS.frozenSets,
  BUCKETS.admissions,
  BUCKETS.courierCounters,
] as const

async function eraseBucket(store: Store, bucket: (typeof WIPED)[number]): Promise<void> {
  let batch = store.batch()
  let count = 0
  for await (const [key] of store.iterate(bucket)) {
    batch.del(bucket, key)
    if (++count % 256 !== 0) continue
    await batch.commit()
    batch = store.batch()
  }
  await batch.commit()
}

function settingsOf(store: Store): NodeApi['settings'] {
  return {
    get: (key) => store.get(BUCKETS.settings, utf8(key)),
    put: async (key, value) => {
      await store.batch().put(BUCKETS.settings, utf8(key), value).commit()
    },
    list: async (prefix) => {
      const found: [string, Uint8Array][] = []
      for await (const [key, value] of store.iterate(BUCKETS.settings)) {
        const name = fromUtf8(key)
        if (name.startsWith(prefix)) found.push([name, value])
      }
      return found
    },
    delete: async (key) => {
      await store.batch().del(BUCKETS.settings, utf8(key)).commit()
    },
  }
}
