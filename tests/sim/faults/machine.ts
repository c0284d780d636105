import {
  type Clock,
  type FailpointName,
  type Failpoints,
  HearsayError,
  isHearsayError,
  type Logger,
  type NodeId,
  type Rng,
} from '../../../src/base/index.ts'
import {
  ConversationJobs,
  type Conversations,
  type JobName,
  type JobRunner,
  MlsAdapter,
} from '../../../src/conversation/index.ts'
import type { Network } from '../../../src/directory/index.ts'
import type { NodeApi } from '../../../src/node/index.ts'
import { eventsApi } from '../../../src/node/events-api.ts'
import { Idempotency } from '../../../src/node/idempotency.ts'
import { messagesApi } from '../../../src/node/messages-api.ts'
import { Healing } from '../../../src/node/healing.ts'
import { RunningClock } from '../../../src/node/running-clock.ts'
import { Session } from '../../../src/node/session.ts'
import { openMemoryStore, type Store } from '../../../src/store/index.ts'
import type { MemoryNetwork } from '../../support/memory-net.ts'
import { memoryNet } from '../../support/memory-node-net.ts'
import type { VirtualClock } from '../../support/virtual-clock.ts'
import type { Bot } from './bot.ts'
import { describeError } from './describe-error.ts'
import type { Fate, FaultDisk } from './disk.ts'
import type { FixtureNode } from './fixture.ts'
import { countHeld, type Held } from './held.ts'
import { NodeClock } from './node-clock.ts'
import { ShortRetention } from './short-retention.ts'
import { User, type Wish } from './user.ts'
import type { Watcher } from './watcher.ts'

export interface MachinePorts {
  readonly clock: VirtualClock
  readonly air: MemoryNetwork
  readonly watcher: Watcher
  /** For the n-th start of this machine. */
  readonly rng: (start: number) => Rng
  readonly log: Logger
  /** One job at a time in the whole simulation, outside of time. */
  readonly job: <T>(run: () => Promise<T>) => Promise<T>
  /** Asked at each failpoint: it may stop the machine. */
  readonly onReach?: (name: FailpointName) => void
  /** The store as the node gets it. */
  readonly storeOf?: (store: Store) => Store
  /** Reads the events of its node. */
  readonly bot?: Bot
}

export interface MachineOptions {
  readonly network: Network
  readonly node: FixtureNode
  readonly index: number
  readonly nodeId: NodeId
  /** Of every text: what is not delivered by then is reported. Milliseconds. */
  readonly expiresInMs?: number
  /** Its texts may expire: its clock jumps, or it is away for long. */
  readonly mayExpire?: boolean
  /** Hears of what was asked for and could not be. */
  readonly count?: (what: string, by?: number) => void
}

type Messages = Pick<NodeApi['messages'], 'send'>

/** From one start to the next end. */
interface Life {
  readonly clock: NodeClock
  readonly rng: Rng
  readonly upSince: number
  /** Aborts when the service is stopped. */
  readonly ending: AbortController
  store?: Store
  idempotency?: Idempotency
  messages?: Messages
  session: Session | undefined
  isUp: boolean
  readonly failpoints: Failpoints
  /** Stopped at a failpoint: what it still answers reaches nobody. */
  isMute: boolean
  /** The last failed write, and the last event that was certain by then. */
  broken?: { readonly cause: Error; readonly seq: number }
}

/** A service that could not start is started again. */
const AGAIN_MS = 1_000
const EXPIRES_MS = 420_000
/** Those of the group whose write failed may be among them. */
const EVENTS_OF_HEALING_MAX = 500
const JOBS: readonly JobName[] = [
  'introduce',
  'acceptClaim',
  'acceptOffer',
  'acceptFinish',
  'refresh',
  'followCommit',
  'followWelcome',
]

/** A computer with one node: it starts, is told to stop, or is switched off in the middle of anything. */
export class Machine {
  readonly name: string
  readonly disk: FaultDisk
  readonly #ports: MachinePorts
  readonly #options: MachineOptions
  #life: Life | undefined
  /** Outlives the node: it sends again what got no answer. */
  readonly #user = new User()
  readonly #retention = new ShortRetention()
  #starts = 0
  /** What its clocks do beside the true time. */
  #rate = 1
  #stepMs = 0
  /** Errors of the disk by the last time that all was well. */
  #errorsSeen = 0

  constructor(ports: MachinePorts & { readonly disk: FaultDisk }, options: MachineOptions) {
    this.#ports = ports
    this.#options = options
    this.disk = ports.disk
    this.name = options.node.name
  }

  get nodeId(): NodeId {
    return this.#options.nodeId
  }

  get isOn(): boolean {
    return this.#life !== undefined
  }

  /** The node that runs, if it has started. */
  get session(): Session | undefined {
    return this.#life?.isUp === true ? this.#life.session : undefined
  }

  get store(): Store | undefined {
    return this.#life?.store
  }

  /** The disk has failed a write, and the node is not over it. */
  get isDiskFault(): boolean {
    return this.disk.errors > this.#errorsSeen
  }

  get pendingTimers(): number {
    return this.#life?.clock.pendingTimers ?? 0
  }

  /** Since when the node runs, on the simulation's clock; undefined while there is none. */
  get upSince(): number | undefined {
    return this.session === undefined ? undefined : this.#life?.upSince
  }

  /** What the node that runs keeps in memory, its store included and its disk not. */
  held(): Held {
    const { clock, air, log } = this.#ports
    const { network } = this.#options
    return countHeld(this.#life ?? {}, [clock, air, log, this.disk, network])
  }

  /** Switches on, unless it is on. */
  start(): void {
    if (this.#life !== undefined) return
    const clock = new NodeClock(this.#ports.clock, { rate: this.#rate, stepMs: this.#stepMs })
    const rng = this.#ports.rng(this.#starts++)
    const ending = new AbortController()
    const upSince = this.#ports.clock.monotonic()
    const failpoints = { reach: (name: FailpointName) => this.#reach(life, name) }
    const life: Life = {
      clock,
      rng,
      upSince,
      ending,
      failpoints,
      session: undefined,
      isUp: false,
      isMute: false,
    }
    this.#life = life
    this.#run(life, 'start', () => this.#boot(life))
  }

  /** When it stops here, disk, network and clock are dead, as at a step of the disk; answers are no port. */
  #reach(life: Life, name: FailpointName): void {
    if (this.#life !== life) return
    this.#ports.onReach?.(name)
    // This one is where an answer has left.
    life.isMute = this.#life !== life && name !== 'after-receipt'
  }

  /** The power goes. */
  cut(fate: Fate): void {
    const life = this.#life
    if (life === undefined) return
    this.#life = undefined
    this.#ports.bot?.leave()
    life.clock.off()
    this.#ports.air.setOnline(this.nodeId, false)
    this.disk.cut(fate)
  }

  /** As when the service is stopped; switched off by then. */
  stop(then: () => void): void {
    const life = this.#life
    if (life?.isUp !== true) return this.#skipped('restart')
    life.isUp = false
    this.#run(life, 'stop', async () => {
      await this.#end(life)
      then()
    })
  }

  stepClock(ms: number): void {
    this.#stepMs = ms
    this.#life?.clock.step(ms)
  }

  driftClock(rate: number): void {
    this.#rate = rate
    this.#life?.clock.drift(rate)
  }

  /** A text of the user. While the node is not there, or takes none, it waits for a start. */
  send(to: string, text: string): void {
    const { expiresInMs = EXPIRES_MS } = this.#options
    const wish = { to, text, expiresInMs }
    this.#user.want(wish)
    const life = this.#life
    if (life?.isUp === true) this.#send(life, wish)
  }

  /**
   * What its upkeep does now and then, with a policy of seconds: it removes events. Not before there is a consumer, which
   * would begin behind them.
   */
  retain(): void {
    const { clock, bot } = this.#ports
    const life = this.#life
    const store = life?.store
    if (life?.isUp !== true || store === undefined || store.state() !== 'ok') return
    if (bot?.watch.isMade !== true) return
    const policy = this.#retention.policy(clock.monotonic(), store.headSeq())
    bot.watch.retains(policy)
    this.#run(life, 'retention', async () => {
      const { removed, oldestSeq } = await store.retain(policy)
      if (this.#life !== life) return
      bot.watch.retained(oldestSeq)
      if (removed > 0) this.#options.count?.('retention trims')
    })
  }

  /** The end of a run: its consumer is given all that is left. */
  async judgeEvents(): Promise<void> {
    const { watcher, bot } = this.#ports
    const store = this.#life?.store
    if (bot === undefined || store === undefined) return
    const last = await bot.finish()
    if (last !== store.headSeq()) {
      watcher.violation(`${this.name}: consumer: was given ${last} of ${store.headSeq()} events`)
    }
  }

  /** The end of a run: every text has an answer by now, and gets the same once more. */
  async judgeAnswers(): Promise<void> {
    const { watcher } = this.#ports
    const messages = this.#life?.messages
    if (messages === undefined) return
    const { waiting, replayed } = this.#user
    this.#options.count?.('answer of before', replayed)
    if (waiting.length > 0)
      watcher.violation(`${this.name}: ${waiting.length} texts without answer`)
    for (const wrong of await this.#user.sendAgain(messages)) {
      watcher.violation(`${this.name}: ${wrong}`)
    }
  }

  #send(life: Life, wish: Wish): void {
    const { messages } = life
    if (messages === undefined) return
    this.#run(life, 'send', async () => {
      const messageId = await this.#user.send(messages, wish)
      this.#ports.watcher.answered(wish.text, messageId)
    })
  }

  /** As `LocalNode`; the watcher hears of a message when it is made, before anything of it is on disk. */
  #messages(life: Life, store: Store, healing: Healing): Messages {
    const { clock } = life
    const { watcher } = this.#ports
    const { mayExpire = false } = this.#options
    const running = new RunningClock({ clock, store })
    const idempotency = new Idempotency({
      store,
      running,
      isReadonly: () => healing.underWay,
      failpoints: life.failpoints,
    })
    life.idempotency = idempotency
    const send: Conversations['send'] = (batch, outgoing) => {
      if (life.session === undefined) throw new HearsayError('network-not-joined', 'no session')
      const message = life.session.conversations.send(batch, outgoing)
      const { to, text } = outgoing
      watcher.asked({ from: this.name, to, id: message.id, text, mayExpire })
      return message
    }
    const nothing = (): void => undefined
    const { messages } = messagesApi({
      store,
      clock,
      idempotency,
      conversations: () => ({ send }) as Conversations,
      needSpace: nothing,
      releaseHold: nothing,
    })
    return {
      send: async (params, ctx) => {
        const answer = await messages.send(params, ctx)
        return life.isMute ? new Promise(() => undefined) : answer
      },
    }
  }

  /** As `LocalNode`: the store, what repairs it, and a session on it. */
  async #boot(life: Life): Promise<void> {
    const { watcher, storeOf, bot } = this.#ports
    const opened = await this.#open(life)
    if (opened === undefined) return
    const store = storeOf?.(opened) ?? opened
    life.store = store
    if (this.#life === life) bot?.watch.opened(store.epoch, store.journal.oldestSeq())
    store.onPoisoned((cause) => {
      life.broken = { cause, seq: store.headSeq() }
      if (this.#life === life) bot?.watch.poisoned()
    })
    const healing = this.#healing(life, store)
    life.messages = this.#messages(life, store, healing)
    await watcher.follow(this.name, store, () => this.#life === life)
    try {
      await this.#enter(life, store)
    } catch (error) {
      if (!this.#isWriteError(store, error)) throw error
      await this.#end(life)
      this.#startAgain()
      return
    }
    this.#run(life, 'healing', () => healing.run(life.ending.signal))
    this.#letRead(life, store)
  }

  /** From now on the bot of its owner can reach it: also while the store takes no writes, and is healed. */
  #letRead(life: Life, store: Store): void {
    const { clock, idempotency } = life
    if (this.#life !== life || idempotency === undefined) return
    const excuses = (error: unknown): boolean =>
      this.isDiskFault && isHearsayError(error) && error.fault === 'storage'
    this.#ports.bot?.reach({ events: eventsApi({ store, clock, idempotency }), excuses })
  }

  /**
   * Undefined when the disk failed a write: what then ends with an error is started again by its service manager. A
   * store that says so of a disk that did not is a violation: whatever is thrown in an opening has this code.
   */
  async #open(life: Life): Promise<Store | undefined> {
    const { clock, rng, failpoints } = life
    const { errors } = this.disk
    try {
      return await openMemoryStore(
        { clock, rng, log: this.#ports.log, failpoints },
        { disk: this.disk.attach() },
      )
    } catch (error) {
      const isOfDisk =
        isHearsayError(error, 'storage-failed') || isHearsayError(error, 'storage-full')
      if (!isOfDisk || this.disk.errors === errors) throw error
      this.#off(life)
      this.#startAgain()
      return undefined
    }
  }

  #startAgain(): void {
    this.#ports.clock.setTimer(AGAIN_MS, () => this.start())
  }

  #healing(life: Life, store: Store): Healing {
    const { watcher, log } = this.#ports
    return new Healing({
      clock: life.clock,
      log,
      store,
      quiesce: async () => {
        life.isUp = false
        try {
          await life.session?.stop()
        } finally {
          if (this.#ports.air.find(this.nodeId)?.online === true) {
            watcher.violation(`${this.name}: a session that was stopped stays in the network`)
          }
        }
      },
      forget: () => {
        life.session = undefined
      },
      reload: async () => {
        // Unless it broke again at once.
        const isHealed = this.#life === life && store.state() === 'ok'
        if (isHealed) this.#ports.bot?.watch.healed(store.journal.oldestSeq())
        await watcher.compare(this.name, store)
      },
      resume: async () => {
        await this.#judgeHealing(life, store)
        await this.#enter(life, store)
      },
      fail: (cause) => watcher.violation(`${this.name}: no way on: ${describeError(cause)}`),
    })
  }

  /** Its owner is told that it was readonly, and why. If the store broke again at once, the next time. */
  async #judgeHealing({ broken }: Life, store: Store): Promise<void> {
    if (broken === undefined) return
    const reason = isHearsayError(broken.cause, 'storage-full') ? 'full' : 'failed'
    const { events } = await store.journal.events(broken.seq, EVENTS_OF_HEALING_MAX)
    if (store.state() !== 'ok') return
    const isTold = (type: string): boolean => events.some((event) => event.type === type)
    const wanted = reason === 'full' ? ['storage.full', 'storage.recovered'] : ['storage.recovered']
    for (const type of wanted.filter((each) => !isTold(each))) {
      this.#ports.watcher.violation(`${this.name}: no ${type} after a healing`)
    }
    this.#options.count?.(`healed of ${reason}`)
  }

  async #enter(life: Life, store: Store): Promise<void> {
    const { clock, rng, failpoints } = life
    const { network, node, index } = this.#options
    const { air, log } = this.#ports
    life.session = new Session(
      { clock, rng, log, store, jobs: this.#jobs(clock, rng), net: memoryNet(air), failpoints },
      {
        network,
        nodeSeed: node.seed,
        requestSeed: node.requestSeed,
        keepsFromDay: 0,
        listen: [`/ip4/127.0.${index}.1/tcp/4001`],
        announce: undefined,
        reachable: 'yes',
      },
    )
    await life.session.start()
    life.isUp = true
    if (store.state() === 'ok') this.#errorsSeen = this.disk.errors
    for (const wish of this.#user.waiting) this.#send(life, wish)
  }

  async #end(life: Life): Promise<void> {
    if (this.#life === life) this.#ports.bot?.leave()
    life.ending.abort(new HearsayError('aborted', 'stopping'))
    const { session, store } = life
    try {
      await session?.stop()
    } catch (error) {
      if (store === undefined || !this.#isWriteError(store, error)) throw error
    }
    await life.idempotency?.settled()
    await store?.close()
    this.#off(life)
  }

  #off(life: Life): void {
    if (this.#life !== life) return
    this.#life = undefined
    life.clock.off()
    this.#ports.air.setOnline(this.nodeId, false)
  }

  /** What a life that has ended still does concerns nobody. */
  #run(life: Life, what: string, work: () => Promise<void>): void {
    work().catch((error: unknown) => {
      if (this.#life !== life) return
      if (life.ending.signal.aborted && isHearsayError(error) && isOfStop(error)) return
      if (life.store !== undefined && this.#isWriteError(life.store, error)) return
      this.#ports.watcher.violation(`${this.name}: ${what}: ${describeError(error)}`)
    })
  }

  /** What a write brings that the disk has failed. A store that turns poisoned by itself is not forgiven. */
  #isWriteError(store: Store, error: unknown): boolean {
    const isPoisoned = store.state() === 'poisoned' && this.isDiskFault
    return isPoisoned && isHearsayError(error) && error.fault === 'storage'
  }

  #skipped(what: string): void {
    this.#options.count?.(`skipped ${what}`)
  }

  /** A job takes no virtual time, and those of all nodes run one after another: WebCrypto decides no order. */
  #jobs(clock: Clock, rng: Rng): JobRunner {
    const jobs = new ConversationJobs({ mls: new MlsAdapter({ rng, clock }), rng })
    const run = (name: JobName) => (input: never) =>
      this.#ports.job<unknown>(() => jobs[name](input) as Promise<unknown>)
    return Object.fromEntries(JOBS.map((name) => [name, run(name)])) as unknown as JobRunner
  }
}

function isOfStop({ code }: HearsayError): boolean {
  return code === 'aborted' || code === 'not-running'
}
