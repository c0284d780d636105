import { createHash } from 'node:crypto'
import {
  type Clock,
  type LogFields,
  type Logger,
  type NodeId,
  type Rng,
  silentLogger,
  toHex,
  uniform,
} from '../../src/base/index.ts'
import {
  ConversationJobs,
  type JobName,
  type JobRunner,
  type Message,
  MlsAdapter,
} from '../../src/conversation/index.ts'
import {
  createNetwork,
  type Network,
  type ParameterOverrides,
  type PresetName,
} from '../../src/directory/index.ts'
import { gossipTopics } from '../../src/gossip/index.ts'
import type { Emission } from '../../src/mix/index.ts'
import type { Net } from '../../src/net/index.ts'
import { Session } from '../../src/node/session.ts'
import {
  type MemoryDisk,
  memoryDisk,
  openMemoryStore,
  type Store,
  type StorePorts,
} from '../../src/store/index.ts'
import { MemoryNetwork, type MemoryNetworkOptions, type Sent } from './memory-net.ts'
import { memoryNet } from './memory-node-net.ts'
import { seededRng } from './seeded-rng.ts'
import { VirtualClock } from './virtual-clock.ts'

export interface WorldOptions {
  readonly seed: string
  readonly preset?: PresetName
  readonly overrides?: ParameterOverrides
  /** Wall clock at which the network is created, milliseconds. */
  readonly startMs?: number
  readonly net?: Partial<MemoryNetworkOptions>
  readonly log?: (node: string) => Logger
  /** Virtual milliseconds that one write to a disk takes, drawn for each; 0 by default. */
  readonly diskMs?: (rng: Rng) => number
  /** The clock as a node sees it; that of the world by default. */
  readonly clock?: (node: string, clock: Clock) => Clock
  /** The net as a node sees it: what a hostile node does with its frames. */
  readonly netOf?: (node: string, net: Net) => Net
  /** Hears of every own packet of every node. */
  readonly onEmission?: (node: string, emission: Emission) => void
  /** Opens the store of a node; it is in memory where this gives none. */
  readonly open?: (
    node: string,
    ports: StorePorts,
    clock: VirtualClock,
  ) => Promise<Store> | undefined
  /**
   * What a node draws follows from the seed and the moment, not from what it drew before: two worlds of one seed
   * draw the same wherever they do the same.
   */
  readonly drawsByMoment?: boolean
}

const STEP_MS = 20
/** Virtual time after which something that never happens is given up. */
const PATIENCE_MS = 120_000

/**
 * Whole nodes (`Session`) in one process: memory instead of disk and network, one virtual clock, and every
 * random draw from the seed. The same seed gives the same run, byte for byte.
 */
export class World {
  readonly clock: VirtualClock
  readonly network: Network
  readonly air: MemoryNetwork
  readonly nodes: WorldNode[] = []
  readonly #options: WorldOptions
  readonly #trace = createHash('sha256')
  /** One job at a time in the whole world: threads of WebCrypto must not decide who is first. */
  #jobs: Promise<unknown> = Promise.resolve()

  constructor(options: WorldOptions) {
    const startMs = options.startMs ?? Date.UTC(2026, 0, 15, 12)
    this.clock = new VirtualClock(startMs)
    this.#options = options
    this.network = createNetwork({
      name: 'world',
      preset: options.preset ?? 'swift',
      overrides: options.overrides ?? {},
      bootstraps: [],
      operatorSeed: this.rng('operator').bytes(32),
      now: startMs,
      rng: this.rng('network'),
    })
    this.air = new MemoryNetwork(
      { clock: this.clock, rng: this.rng('air') },
      { latencyMs: [2, 8], ...options.net },
    )
    this.air.tap((sent) => this.#note(sent))
  }

  /** A world of started nodes that are linked to each other. */
  static async of(names: readonly string[], options: WorldOptions): Promise<World> {
    const world = new World(options)
    for (const name of names) await world.add(name)
    await world.run(2_000)
    return world
  }

  rng(purpose: string): Rng {
    return seededRng(`${this.#options.seed}/${purpose}`)
  }

  /** What the node of this name draws from, after its n-th start. */
  nodeRng(name: string, start: number): Rng {
    const purpose = `${name}/${start}`
    if (this.#options.drawsByMoment !== true) return this.rng(purpose)
    return momentRng(`${this.#options.seed}/${purpose}`, this.clock)
  }

  nodeClock(name: string): Clock {
    return this.#options.clock?.(name, this.clock) ?? this.clock
  }

  /** Makes the net of a node, in the air. */
  nodeNet(name: string): ReturnType<typeof memoryNet> {
    const { netOf } = this.#options
    const make = memoryNet(this.air)
    return (ports, options) => {
      const net = make(ports, options)
      return netOf?.(name, net) ?? net
    }
  }

  emitted(name: string, emission: Emission): void {
    this.#options.onEmission?.(name, emission)
  }

  /** The disk as a node sees it: as slow as the options say. */
  disk(name: string, disk: MemoryDisk): MemoryDisk {
    const { diskMs } = this.#options
    if (diskMs === undefined) return disk
    const rng = this.rng(`${name}/disk`)
    const { engine } = disk
    const slow: MemoryDisk['engine'] = {
      get: (key) => engine.get(key),
      iterate: (range) => engine.iterate(range),
      pages: (range) => engine.pages(range),
      keys: (range) => engine.keys(range),
      compact: () => engine.compact(),
      approximateBytes: (from, to) => engine.approximateBytes(from, to),
      close: () => engine.close(),
      write: async (operations) => {
        await this.clock.sleep(diskMs(rng))
        await engine.write(operations)
      },
    }
    return { ...disk, engine: slow }
  }

  openStore(name: string, ports: StorePorts, disk: MemoryDisk): Promise<Store> {
    return this.#options.open?.(name, ports, this.clock) ?? openMemoryStore(ports, { disk })
  }

  log(name: string): Logger {
    return this.#options.log?.(name) ?? silentLogger
  }

  get topic(): string {
    return gossipTopics(this.network.id).publications
  }

  /** SHA-256 over everything that was sent so far: when, from whom, to whom, what. */
  traceHash(): string {
    return this.#trace.copy().digest('hex')
  }

  async add(name: string): Promise<WorldNode> {
    const node = new WorldNode(this, name)
    this.nodes.push(node)
    await node.start()
    return node
  }

  /** Runs one job of whoever asks, outside of time. */
  job<T>(run: () => Promise<T>): Promise<T> {
    const done = this.#jobs.then(run)
    this.#jobs = done.catch(() => undefined)
    return this.clock.hold(done)
  }

  async run(ms: number): Promise<void> {
    await this.clock.advance(ms)
  }

  /** Lets time pass until `work` has settled. */
  async drive<T>(work: Promise<T>, what = 'work'): Promise<T> {
    let settled = false
    const settle = () => {
      settled = true
    }
    work.then(settle, settle)
    const end = this.clock.monotonic() + PATIENCE_MS
    await this.clock.advance(0)
    while (!settled) {
      if (this.clock.monotonic() > end) throw new Error(`not in time: ${what}`)
      await this.clock.advance(STEP_MS)
    }
    return work
  }

  /** Lets time pass until `done`. Returns how long it took, in virtual milliseconds. */
  async until(
    what: string,
    done: () => boolean | Promise<boolean>,
    limitMs = PATIENCE_MS,
  ): Promise<number> {
    const from = this.clock.monotonic()
    while (!(await done())) {
      if (this.clock.monotonic() - from > limitMs) throw new Error(`not in time: ${what}`)
      await this.clock.advance(STEP_MS)
    }
    return this.clock.monotonic() - from
  }

  /** Makes two nodes contacts; each calls the other by its name. */
  async befriend(a: WorldNode, b: WorldNode): Promise<void> {
    await b.accept(await a.invite(b.name), a.name)
    await this.until(
      `${a.name} and ${b.name} are contacts`,
      () => a.phase(b.name) === 'ready' && b.phase(a.name) === 'ready',
    )
  }

  async stop(): Promise<void> {
    for (const node of this.nodes.toReversed()) await node.stop()
  }

  #note({ at, from, to, kind, name, bytes }: Sent): void {
    this.#trace.update(`${at} ${toHex(from)} ${toHex(to)} ${kind} ${name} ${bytes.length} `)
    this.#trace.update(bytes)
  }
}

/** One node of a world: a session with its store. */
export class WorldNode {
  readonly world: World
  readonly name: string
  disk: MemoryDisk = memoryDisk()
  readonly seed: Uint8Array
  store!: Store
  session!: Session
  up = false
  /** How often each kind of public-key work ran. */
  readonly jobs: Partial<Record<JobName, number>> = {}
  /** Each is told of every own packet at its write. */
  readonly emissionListeners = new Set<(emission: Emission) => void>()
  #starts = 0

  constructor(world: World, name: string) {
    this.world = world
    this.name = name
    this.seed = world.rng(`${name}/key`).bytes(32)
  }

  get nodeId(): NodeId {
    return this.session.net.nodeId
  }

  /** Opens the disk and starts a session on it. */
  async start(): Promise<void> {
    const { world, name } = this
    const { network } = world
    const clock = world.nodeClock(name)
    const rng = world.nodeRng(name, this.#starts++)
    const log = world.log(name)
    const disk = world.disk(name, this.disk)
    this.store = await world.drive(world.openStore(name, { clock, rng, log }, disk))
    this.session = new Session(
      {
        clock,
        rng,
        log,
        store: this.store,
        jobs: this.#runner(clock, rng),
        net: world.nodeNet(name),
        onEmission: (emission) => {
          world.emitted(name, emission)
          for (const listener of this.emissionListeners) listener(emission)
        },
      },
      {
        network,
        nodeSeed: this.seed,
        requestSeed: world.rng(`${name}/request`).bytes(32),
        keepsFromDay: 0,
        listen: [`/ip4/127.0.${world.nodes.indexOf(this)}.1/tcp/4001`],
        announce: undefined,
        reachable: 'yes',
      },
    )
    // Real nodes do not start in the same millisecond.
    await world.run(uniform(rng) * 1_000)
    await world.drive(this.session.start(), `${name} starts`)
    this.up = true
  }

  async stop(): Promise<void> {
    if (!this.up) return
    this.up = false
    await this.world.drive(this.session.stop(), `${this.name} stops`)
    await this.world.drive(this.store.close())
  }

  /** A job runner whose work takes no virtual time. */
  #runner(clock: Clock, rng: Rng): JobRunner {
    const jobs = new ConversationJobs({ mls: new MlsAdapter({ rng, clock }), rng })
    const names: readonly JobName[] = [
      'introduce',
      'acceptClaim',
      'acceptOffer',
      'acceptFinish',
      'refresh',
      'followCommit',
      'followWelcome',
    ]
    const run = (name: JobName) => (input: never) => {
      this.jobs[name] = (this.jobs[name] ?? 0) + 1
      return this.world.job<unknown>(() => jobs[name](input) as Promise<unknown>)
    }
    return Object.fromEntries(names.map((name) => [name, run(name)])) as unknown as JobRunner
  }

  // What a user does

  async invite(alias: string): Promise<string> {
    const batch = this.store.batch()
    const { uri } = this.session.conversations.invite(batch, { alias, ttlMs: 86_400_000 })
    await this.world.drive(batch.commit())
    return uri
  }

  async accept(uri: string, alias: string): Promise<void> {
    const batch = this.store.batch()
    this.session.conversations.add(batch, { uri, alias })
    await this.world.drive(batch.commit())
  }

  /** Queues a text. Returns its id. */
  async send(to: string, text: string): Promise<Uint8Array> {
    const batch = this.store.batch()
    const message = this.session.conversations.send(batch, { to, text, expiresInMs: undefined })
    await this.world.drive(batch.commit())
    return message.id
  }

  phase(alias: string): string {
    return this.session.conversations.contact(alias).phase
  }

  async state(id: Uint8Array): Promise<Message['state']> {
    return (await this.session.conversations.message(id)).state
  }

  /** Texts received so far, in order. */
  async received(): Promise<string[]> {
    const all = { direction: 'in' as const, reverse: false, from: undefined, limit: 10_000 }
    return (await this.session.conversations.messages(all)).map((message) => message.text)
  }
}

/** SHAKE256 over the seed, the moment and how often it drew in it. */
function momentRng(seed: string, clock: Clock): Rng {
  let moment = Number.NaN
  let draws = 0
  return {
    bytes: (length) => {
      const now = clock.monotonic()
      draws = now === moment ? draws + 1 : 0
      moment = now
      const hash = createHash('shake256', { outputLength: length })
      return new Uint8Array(hash.update(`${seed}/${now}/${draws}`).digest())
    },
  }
}

/** Keeps every line of every node, at all levels. */
export class LogBook {
  readonly lines: { level: string; node: string; message: string; fields: LogFields }[] = []

  logger(node: string, module = ''): Logger {
    const at =
      (level: string) =>
      (message: string, fields: LogFields = {}): void => {
        this.lines.push({ level, node: `${node}${module}`, message, fields })
      }
    return {
      error: at('error'),
      warn: at('warn'),
      info: at('info'),
      debug: at('debug'),
      child: (name) => this.logger(node, `${module}/${name}`),
    }
  }

  /** Lines at these levels, as one writes them down. */
  text(...levels: string[]): string[] {
    return this.lines
      .filter(({ level }) => levels.length === 0 || levels.includes(level))
      .map(({ level, node, message, fields }) =>
        [level, node, message, JSON.stringify(fields)].join(' '),
      )
  }
}
