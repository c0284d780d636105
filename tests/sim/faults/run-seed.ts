import { createHash } from 'node:crypto'
import {
  asNodeId,
  equalBytes,
  type FailpointName,
  type LogFields,
  type Logger,
  type NodeId,
} from '../../../src/base/index.ts'
import { signKeyPairFromSeed } from '../../../src/crypto/index.ts'
import type { Network } from '../../../src/directory/index.ts'
import { MESH_DEGREE } from '../../../src/net/constants.ts'
import { MemoryNetwork, type Sent } from '../../support/memory-net.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { FastRng } from '../privacy/fast-rng.ts'
import type { CryptoWatch } from '../../support/crypto-watch.ts'
import { Bot } from './bot.ts'
import { ConsumerWatch } from './consumer-watch.ts'
import { FaultDisk } from './disk.ts'
import type { Fixture } from './fixture.ts'
import { Incidents } from './incidents.ts'
import { Machine } from './machine.ts'
import { overBounds } from './memory-bounds.ts'
import { HastyDisk, type Planted, plantedPatch, plantedStore } from './planted.ts'
import { drawSchedule, RUN_MS, type Schedule, type Text } from './schedule.ts'
import { unreadBoxes } from './unread.ts'
import { Watcher } from './watcher.ts'
import { Weather } from './weather.ts'

export interface SeedReport {
  readonly seed: number
  readonly nodes: number
  readonly schedule: Schedule
  readonly violations: readonly string[]
  readonly trace: string
  readonly virtualMs: number
  readonly counts: Readonly<Record<string, number>>
}

export interface SeedPorts {
  readonly fixture: Fixture
  readonly crypto: CryptoWatch
}

export interface SeedOptions {
  readonly seed: number
  /** In place of the one that the seed draws. */
  readonly schedule?: Schedule | undefined
  readonly planted?: Planted | undefined
  /** How long the schedule is; `RUN_MS` by default. */
  readonly runMs?: number | undefined
}

const SETTLE_STEP_MS = 2_000
const SETTLE_LIMIT_MS = 900_000
/** Of a mix frame: kind 1, 0 for a packet | version 1 | suite 1 | share 32. */
const PACKET_KIND = 0
const PACKET_HEAD_BYTES = 35
/** What an honest node never gives a reason for. */
const BLAME = /^a (node (signed two descriptors|named two mix keys)|courier signed two boxes)/
/** Several slots: what was heard is read. */
const QUIET_MS = 12_000
const TIMERS_MAX = 400
/** Of so many seeds one has a node whose memory is counted. */
const WEIGHED_EVERY = 3
/** Machines start within this time; the run begins when it is over. */
const START_MS = 2_000
/**
 * A clock that jumps further ahead may end texts before their time; so may the way from one step back to another, and a start
 * while it is behind (the known fault in `src/conversation/SPEC.md` §6).
 */
const JUMP_MS = 100_000
/** So long after the fixture was stopped at most: a new epoch begins in about half of the runs. */
const OFF_MS_MAX = 120_000
/** Mean time from one look of a node's retention to the next. */
const RETAIN_MS = 30_000

/** The same arguments give the same report. One at a time in a process. */
export async function runSeed(ports: SeedPorts, options: SeedOptions): Promise<SeedReport> {
  const unpatch = plantedPatch(options.planted)
  const run = new Run(ports, options)
  // Whatever is thrown beside the path of a promise that somebody waits for.
  const stray = (error: unknown): void => run.stray(error)
  process.on('unhandledRejection', stray)
  try {
    return await run.all()
  } finally {
    process.off('unhandledRejection', stray)
    unpatch?.()
  }
}

class Run {
  readonly #seed: number
  readonly #network: Network
  readonly #crypto: CryptoWatch
  readonly #schedule: Schedule
  readonly #runMs: number
  readonly #clock: VirtualClock
  readonly #weather: Weather
  readonly #air: MemoryNetwork
  readonly #watcher = new Watcher()
  readonly #machines: Machine[] = []
  readonly #indices = new WeakMap<NodeId, number>()
  readonly #contacts: (readonly string[])[] = []
  readonly #trace = createHash('sha256')
  readonly #incidents: Incidents
  readonly #heads = new Set<string>()
  #jobs: Promise<unknown> = Promise.resolve()

  constructor({ fixture, crypto }: SeedPorts, options: SeedOptions) {
    const { seed, schedule, planted } = options
    this.#seed = seed
    this.#runMs = options.runMs ?? RUN_MS
    this.#network = fixture.network
    this.#crypto = crypto
    crypto.forget()
    const { nodes, network, stoppedAt } = fixture
    const off = this.#rng('off').float() * OFF_MS_MAX
    this.#clock = new VirtualClock(stoppedAt + Math.round(off))
    this.#schedule = schedule ?? drawSchedule(this.#rng('schedule'), nodes.length, this.#runMs)
    this.#weather = new Weather(this.#rng('weather'))
    this.#air = new MemoryNetwork(
      { clock: this.#clock, rng: this.#rng('air') },
      { latencyMs: [2, 8], meshDegree: MESH_DEGREE, fate: (sent) => this.#fate(sent) },
    )
    this.#incidents = new Incidents({
      clock: this.#clock,
      weather: this.#weather,
      air: this.#air,
      machines: this.#machines,
      count: (what) => this.#count(what),
    })
    const storeOf = plantedStore(planted)
    const count = (what: string, by?: number): void => this.#count(what, by)
    for (const [index, node] of nodes.entries()) {
      const violation = (what: string): void => this.#watcher.violation(`${node.name}: ${what}`)
      const watch = new ConsumerWatch({ violation })
      const bot = new Bot({ clock: this.#clock, rng: this.#rng(`${node.name}/bot`), watch, count })
      const ports = {
        clock: this.#clock,
        air: this.#air,
        watcher: this.#watcher,
        rng: (start: number) => this.#rng(`${node.name}/${start}`),
        log: this.#logger(node.name, () => machine.isDiskFault),
        job: <T>(work: () => Promise<T>) => this.#job(work),
        onReach: (name: FailpointName) => this.#incidents.reach(machine, name),
        bot,
        ...(storeOf === undefined ? {} : { storeOf }),
      }
      const Disk = planted === 'ack-before-sync' ? HastyDisk : FaultDisk
      const disk: FaultDisk = new Disk(
        {
          clock: this.#clock,
          rng: this.#rng(`${node.name}/disk`),
          onStep: (kind) => this.#incidents.step(machine, 'disk', kind),
        },
        node.image,
      )
      const nodeId = asNodeId(signKeyPairFromSeed(node.seed).publicKey)
      const mayExpire = this.#jumps(index)
      const machine = new Machine(
        { ...ports, disk },
        { network, node, index, nodeId, mayExpire, count },
      )
      this.#machines.push(machine)
      this.#contacts.push(node.contacts)
    }
  }

  async all(): Promise<SeedReport> {
    const starts = this.#rng('starts')
    for (const machine of this.#machines) {
      this.#later(starts.float() * START_MS, () => machine.start())
      this.#retainNowAndThen(machine, this.#rng(`${machine.name}/retention`))
    }
    await this.#clock.advance(START_MS)
    for (const fault of this.#schedule.faults)
      this.#later(fault.at, () => this.#incidents.begin(fault))
    for (const [number, text] of this.#schedule.texts.entries()) {
      this.#later(text.at, () => this.#send(number, text))
    }
    await this.#clock.advance(this.#runMs)
    // What is violated already does not get better with time.
    if (this.#watcher.violations.length === 0) {
      await this.#settle()
      await this.#judge()
    }
    for (const { disk } of this.#machines) {
      this.#count('a write failed', disk.errors)
      this.#count('a file that can be spared failed', disk.spareErrors)
    }
    // Nothing of this run may go on beside the next one.
    for (const machine of this.#machines) machine.cut('lost')
    return {
      seed: this.#seed,
      nodes: this.#machines.length,
      schedule: this.#schedule,
      violations: this.#watcher.violations,
      trace: this.#trace.digest('hex'),
      virtualMs: this.#clock.monotonic(),
      counts: this.#watcher.counts,
    }
  }

  stray(error: unknown): void {
    const what = error instanceof Error ? error.stack : String(error)
    this.#watcher.violation(`nobody waited for a promise that was rejected: ${what}`)
  }

  #send(number: number, { from, to, bytes }: Text): void {
    const contacts = this.#contacts[from] ?? []
    const alias = contacts[to % contacts.length]
    if (alias === undefined) return
    this.#machines[from]?.send(alias, `${this.#seed}/${number} `.padEnd(bytes, 'x'))
  }

  #retainNowAndThen(machine: Machine, rng: FastRng): void {
    this.#later(-Math.log(1 - rng.float()) * RETAIN_MS, () => {
      machine.retain()
      this.#retainNowAndThen(machine, rng)
    })
  }

  /** Until every promise has ended. */
  async #settle(): Promise<void> {
    this.#incidents.disarm()
    const end = this.#clock.now() + SETTLE_LIMIT_MS
    const isUp = (): boolean => this.#machines.every(({ session }) => session !== undefined)
    while (!(isUp() && this.#watcher.isSettled()) && this.#clock.now() < end) {
      if (this.#watcher.violations.length > 0) return
      await this.#clock.advance(SETTLE_STEP_MS)
    }
  }

  /** By node. */
  async #unread(): Promise<Map<string, string[]>> {
    const unread = new Map<string, string[]>()
    for (const { session, store, name } of this.#machines) {
      if (session === undefined || store === undefined) continue
      unread.set(name, await unreadBoxes(this.#network, session, store))
    }
    return unread
  }

  async #judge(): Promise<void> {
    const watcher = this.#watcher
    const before = await this.#unread()
    await this.#clock.advance(QUIET_MS)
    for (const machine of this.#machines) {
      const { session, store, name } = machine
      if (session === undefined || store === undefined) {
        watcher.violation(`${name}: did not come back`)
        continue
      }
      const filter = { reverse: false, from: undefined, limit: 10_000 }
      await watcher.close(name, store, await session.conversations.messages(filter))
      const unread = await unreadBoxes(this.#network, session, store)
      const stuck = unread.filter((address) => before.get(name)?.includes(address))
      if (stuck.length > 0) {
        watcher.violation(`${name}: ${stuck.length} boxes that are waited for stay unread`)
      }
      await machine.judgeAnswers()
      await machine.judgeEvents()
      const { queued } = session.conversations.depth()
      if (queued > watcher.open(name)) watcher.violation(`${name}: ${queued} texts in the outbox`)
      if (machine.pendingTimers > TIMERS_MAX) {
        watcher.violation(`${name}: ${machine.pendingTimers} timers`)
      }
    }
    watcher.closeSent()
    this.#weigh()
    const { reused } = this.#crypto
    if (reused > 0) watcher.violation(`${reused} times two plaintexts under one key and nonce`)
  }

  /**
   * One node of some seeds: a look costs some 70 ms. What is kept for ever shows most in the one that has run for the
   * longest.
   */
  #weigh(): void {
    if (this.#seed % WEIGHED_EVERY !== 1) return
    const [oldest] = this.#machines
      .filter(({ upSince }) => upSince !== undefined)
      .toSorted((a, b) => (a.upSince ?? 0) - (b.upSince ?? 0))
    if (oldest === undefined) return
    const held = oldest.held()
    for (const over of overBounds(held, this.#machines.length)) {
      this.#watcher.violation(`${oldest.name}: ${over}`)
    }
    this.#count('fields that were counted', held.size)
  }

  #rng(purpose: string): FastRng {
    return new FastRng(`${this.#seed}/${purpose}`)
  }

  #job<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#jobs.then(work)
    this.#jobs = done.catch(() => undefined)
    return this.#clock.hold(done)
  }

  #later(ms: number, fn: () => void): void {
    this.#clock.setTimer(ms, fn)
  }

  #fate(sent: Sent): readonly number[] {
    this.#note(sent)
    const [from, to] = [this.#indexOf(sent.from), this.#indexOf(sent.to)]
    const machine = this.#machines[from]
    if (machine === undefined || !machine.isOn) return []
    const fate = this.#weather.fate(from, to)
    const [late] = fate
    if (late === undefined) this.#count('on the way lost')
    else if (fate.length > 1) this.#count('on the way doubled')
    else if (late > 0) this.#count('on the way late')
    this.#incidents.step(machine, 'net', sent.kind)
    return fate
  }

  #indexOf(nodeId: NodeId): number {
    const known = this.#indices.get(nodeId)
    if (known !== undefined) return known
    const index = this.#machines.findIndex((machine) => equalBytes(machine.nodeId, nodeId))
    if (index >= 0) this.#indices.set(nodeId, index)
    return index
  }

  #note({ at, from, to, kind, name, bytes }: Sent): void {
    if (kind === 'frame') this.#noteFrame(bytes)
    this.#trace.update(`${at} ${kind} ${name} ${bytes.length} `).update(from).update(to)
    this.#trace.update(bytes)
    this.#count(kind)
  }

  /** Each layer of a packet has a share of its own, and nobody sends one twice. */
  #noteFrame(frame: Uint8Array): void {
    if (frame[0] !== PACKET_KIND) return
    const head = Buffer.from(frame.subarray(0, PACKET_HEAD_BYTES)).toString('latin1')
    if (this.#heads.has(head)) this.#watcher.violation('a packet was sent twice')
    this.#heads.add(head)
  }

  #jumps(index: number): boolean {
    return this.#schedule.faults.some(
      (fault) =>
        fault.kind === 'clock-step' && fault.node === index && Math.abs(fault.byMs) > JUMP_MS,
    )
  }

  #count(what: string, by = 1): void {
    const { counts } = this.#watcher
    counts[what] = (counts[what] ?? 0) + by
  }

  /** Errors of a node are violations, but for those that a write error brings. */
  #logger(node: string, isDiskFault: () => boolean): Logger {
    const error = (message: string, fields: LogFields = {}): void => {
      const line = `${message} ${JSON.stringify(fields)}`
      if (isDiskFault() && /storage-(poisoned|failed|full)/.test(line)) return
      this.#watcher.violation(`${node}: log: ${line}`)
    }
    const logger: Logger = {
      error,
      warn: (message) => {
        this.#count(`warn ${message}`)
        if (BLAME.test(message)) this.#watcher.violation(`${node}: log: ${message}`)
      },
      info: () => undefined,
      debug: () => undefined,
      child: () => logger,
    }
    return logger
  }
}
