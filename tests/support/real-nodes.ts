import { type NodeId, silentLogger, systemClock, systemRng } from '../../src/base/index.ts'
import type { Message } from '../../src/conversation/index.ts'
import {
  createNetwork,
  type Network,
  type ParameterOverrides,
  reissueNetwork,
} from '../../src/directory/index.ts'
import { gossipTopics } from '../../src/gossip/index.ts'
import { Session } from '../../src/node/session.ts'
import { WorkerJobs } from '../../src/node/worker-jobs.ts'
import { openMemoryStore, type Store } from '../../src/store/index.ts'
import { eventually } from './test-nets.ts'

/** A quick network: a box every 0.6 s of each of six nodes. */
const QUICK: ParameterOverrides = { mixDelayMs: 50, slotMs: 100, boxRate: 12 }

/** Whole nodes over libp2p in this process, each on its own loopback address, with stores in memory. */
export class RealNodes {
  readonly nodes: RealNode[] = []
  readonly #host: number
  readonly #operatorSeed = systemRng.bytes(32)
  #network: Network

  /** `host` is the second number of the addresses: 127.<host>.0.<node>. */
  constructor(host: number, overrides: ParameterOverrides = {}) {
    this.#host = host
    this.#network = createNetwork({
      name: 'loopback',
      preset: 'swift',
      overrides: { ...QUICK, ...overrides },
      bootstraps: [],
      operatorSeed: this.#operatorSeed,
      now: Date.now(),
      rng: systemRng,
    })
  }

  get network(): Network {
    return this.#network
  }

  get topic(): string {
    return gossipTopics(this.#network.id).publications
  }

  /** Starts a node; the first one is the others' bootstrap. */
  async add(name: string): Promise<RealNode> {
    const index = this.nodes.length + 1
    const node = await RealNode.start(
      this.#network,
      name,
      `/ip4/127.${this.#host}.0.${index}/tcp/0`,
    )
    this.nodes.push(node)
    if (index === 1) {
      const bootstraps = node.session.net.addresses()
      const now = this.#network.issuedAt + 1
      this.#network = reissueNetwork(this.#network, { bootstraps }, this.#operatorSeed, now)
    }
    return node
  }

  /** Resolves when every node has every other in its directory, some in its gossip mesh, and a link to a mix. */
  async linked(): Promise<void> {
    const others = this.nodes.length - 1
    await eventually(
      () =>
        this.nodes.every(
          ({ session }) =>
            session.gossip.meshPeers() >= Math.min(others, 3) &&
            session.directory.nodes().length > others,
        ),
      20_000,
    )
  }

  async befriend(a: RealNode, b: RealNode): Promise<void> {
    await b.accept(await a.invite(b.name), a.name)
    await eventually(() => a.phase(b.name) === 'ready' && b.phase(a.name) === 'ready', 60_000)
  }

  async stop(): Promise<void> {
    for (const node of this.nodes.toReversed()) await node.stop()
  }
}

export class RealNode {
  readonly name: string
  readonly seed: Uint8Array
  readonly session: Session
  readonly store: Store
  readonly #jobs: WorkerJobs

  private constructor(
    name: string,
    seed: Uint8Array,
    session: Session,
    store: Store,
    jobs: WorkerJobs,
  ) {
    this.name = name
    this.seed = seed
    this.session = session
    this.store = store
    this.#jobs = jobs
  }

  static async start(network: Network, name: string, listen: string): Promise<RealNode> {
    const ports = { clock: systemClock, rng: systemRng, log: silentLogger }
    const store = await openMemoryStore(ports)
    const jobs = new WorkerJobs(ports)
    const seed = systemRng.bytes(32)
    const session = new Session(
      { ...ports, store, jobs },
      {
        network,
        nodeSeed: seed,
        requestSeed: systemRng.bytes(32),
        keepsFromDay: 0,
        listen: [listen],
        announce: undefined,
        reachable: 'yes',
      },
    )
    await session.start()
    return new RealNode(name, seed, session, store, jobs)
  }

  get nodeId(): NodeId {
    return this.session.net.nodeId
  }

  async stop(): Promise<void> {
    await this.session.stop()
    await this.#jobs.stop()
    await this.store.close()
  }

  async invite(alias: string): Promise<string> {
    const batch = this.store.batch()
    const { uri } = this.session.conversations.invite(batch, { alias, ttlMs: 86_400_000 })
    await batch.commit()
    return uri
  }

  async accept(uri: string, alias: string): Promise<void> {
    const batch = this.store.batch()
    this.session.conversations.add(batch, { uri, alias })
    await batch.commit()
  }

  async send(to: string, text: string): Promise<Uint8Array> {
    const batch = this.store.batch()
    const message = this.session.conversations.send(batch, { to, text, expiresInMs: undefined })
    await batch.commit()
    return message.id
  }

  phase(alias: string): string {
    return this.session.conversations.contact(alias).phase
  }

  async state(id: Uint8Array): Promise<Message['state']> {
    return (await this.session.conversations.message(id)).state
  }

  async received(): Promise<string[]> {
    const all = { direction: 'in' as const, reverse: false, from: undefined, limit: 10_000 }
    return (await this.session.conversations.messages(all)).map((message) => message.text)
  }
}

/** Asks `probe` every 50 ms until it says yes. */
export async function until(
  what: string,
  probe: () => Promise<boolean>,
  ms = 20_000,
): Promise<void> {
  const end = performance.now() + ms
  while (!(await probe())) {
    if (performance.now() > end) throw new Error(`not in time: ${what}`)
    await systemClock.sleep(50)
  }
}
