import { asNodeId, equalBytes, type Logger } from '../../../src/base/index.ts'
import type { Message } from '../../../src/conversation/index.ts'
import { signKeyPairFromSeed } from '../../../src/crypto/index.ts'
import type { PresetName } from '../../../src/directory/index.ts'
import { MESH_DEGREE } from '../../../src/net/constants.ts'
import { MemoryNetwork, type Sent } from '../../support/memory-net.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { FaultDisk } from '../faults/disk.ts'
import { type Fixture, makeFixture } from '../faults/fixture.ts'
import { Machine } from '../faults/machine.ts'
import { Watcher } from '../faults/watcher.ts'
import { FastRng } from '../privacy/fast-rng.ts'

export interface ChurnOptions {
  readonly seed: string
  readonly preset: PresetName
  readonly nodes: number
  /** Pairs of contacts that write to each other; nobody is in two. */
  readonly pairs: number
  /** Texts a second over all pairs, while their senders are there. */
  readonly rate: number
  readonly textBytes: number
  /** Means of exponential draws. */
  readonly sessionMs: number
  readonly absenceMs: number
  /** Share of all mix frames that are lost, beside those that nodes lose when they go. */
  readonly dropShare: number
  /** How long nodes come and go, and how long they all stay after that at most. */
  readonly churnMs: number
  readonly restMs: number
}

export interface ChurnReport {
  readonly violations: readonly string[]
  readonly texts: number
  readonly stops: number
  /** By the last state that their senders know. */
  readonly states: Readonly<Record<string, number>>
  /** From when it was asked for, or the first return of the recipient, to the moment when it had the text; ascending. */
  readonly waitsMs: readonly number[]
  /** Texts that their recipients never had. */
  readonly missing: number
  /** What became of mix packets, over all nodes. */
  readonly packets: Readonly<Record<string, number>>
  /** Mean share of requests that were answered, as nodes that were there saw it. */
  readonly replyRate: number
}

const WARM_MS = 60_000
const STEP_MS = 1_000
const LOOK_MS = 15_000
const EXPIRES_MS = 86_400_000

/** The conversations that a run begins with. Takes minutes for many nodes. */
export function churnFixture({ nodes, pairs, preset }: ChurnOptions): Promise<Fixture> {
  const half = Math.floor(nodes / 2)
  const numbers = Array.from({ length: pairs }, (_, i) => [i, i + half] as const)
  return makeFixture(nodes, { preset, pairs: numbers })
}

/** Every node comes and goes, mixes and keepers too, on virtual time: the same options give the same report. */
export async function runChurn(fixture: Fixture, options: ChurnOptions): Promise<ChurnReport> {
  return new Run(fixture, options).all()
}

class Run {
  readonly #options: ChurnOptions
  readonly #clock: VirtualClock
  readonly #watcher = new Watcher()
  readonly #machines: Machine[] = []
  readonly #contacts: (readonly string[])[]
  /** Of each machine: since when it was up, in order, and until when. */
  readonly #presence: { readonly up: number; down: number }[][] = []
  readonly #packets: Record<string, number> = {}
  readonly #rates: number[] = []
  readonly #asked = new Map<string, { readonly to: number; readonly at: number }>()
  #churning = true
  #stops = 0
  #jobs: Promise<unknown> = Promise.resolve()

  constructor({ network, nodes, stoppedAt }: Fixture, options: ChurnOptions) {
    this.#options = options
    this.#clock = new VirtualClock(stoppedAt)
    this.#contacts = nodes.map(({ contacts }) => contacts)
    const fate = this.#rng('fate of frames')
    const drops = ({ kind }: Sent) => kind === 'frame' && fate.float() < options.dropShare
    const air = new MemoryNetwork(
      { clock: this.#clock, rng: this.#rng('air') },
      {
        latencyMs: [2, 8],
        meshDegree: MESH_DEGREE,
        fate: (sent) => (this.#isOn(sent) && !drops(sent) ? [0] : []),
      },
    )
    for (const [index, node] of nodes.entries()) {
      const disk = new FaultDisk(
        { clock: this.#clock, rng: this.#rng(`${node.name}/disk`), onStep: () => {} },
        node.image,
      )
      const ports = {
        clock: this.#clock,
        air,
        watcher: this.#watcher,
        rng: (start: number) => this.#rng(`${node.name}/${start}`),
        log: this.#logger(node.name),
        job: <T>(work: () => Promise<T>) => this.#job(work),
        disk,
      }
      const nodeId = asNodeId(signKeyPairFromSeed(node.seed).publicKey)
      const ends = { expiresInMs: EXPIRES_MS, mayExpire: true }
      const of = { network, node, index, nodeId, ...ends }
      this.#machines.push(new Machine(ports, of))
      this.#presence.push([])
    }
  }

  async all(): Promise<ChurnReport> {
    const { churnMs, restMs } = this.#options
    const starts = this.#rng('starts')
    for (const index of this.#machines.keys()) {
      this.#later(starts.float() * 2_000, () => this.#start(index))
    }
    await this.#clock.advance(WARM_MS)
    for (const index of this.#machines.keys()) this.#leaveSoon(index)
    this.#write()
    this.#look()
    await this.#clock.advance(churnMs)
    this.#churning = false
    const end = this.#clock.monotonic() + restMs
    while (!this.#isSettled() && this.#clock.monotonic() < end) await this.#clock.advance(STEP_MS)
    const report = await this.#report()
    for (const machine of this.#machines) machine.cut('lost')
    return report
  }

  #isSettled(): boolean {
    return this.#machines.every(({ session }) => session !== undefined) && this.#watcher.isSettled()
  }

  #start(index: number): void {
    this.#machines[index]?.start()
    this.#presence[index]?.push({ up: this.#clock.monotonic(), down: Number.POSITIVE_INFINITY })
  }

  #leaveSoon(index: number): void {
    const rng = this.#rng(`churn/${index}`)
    const { sessionMs, absenceMs } = this.#options
    const draw = (meanMs: number): number => -Math.log(1 - rng.float()) * meanMs
    const stay = (): void => this.#later(draw(sessionMs), leave)
    const leave = (): void => {
      const machine = this.#machines[index]
      if (!this.#churning || machine === undefined) return
      // Still starting: it leaves a moment later.
      if (machine.session === undefined) return this.#later(STEP_MS, leave)
      this.#stops++
      this.#countPackets(machine)
      const life = this.#presence[index]?.at(-1)
      if (life !== undefined) life.down = this.#clock.monotonic()
      machine.stop(() => {
        this.#later(draw(absenceMs), () => {
          this.#start(index)
          stay()
        })
      })
    }
    stay()
  }

  #write(): void {
    const { pairs, rate, textBytes } = this.#options
    const writers = this.#contacts.flatMap((contacts, from) =>
      contacts[0] === undefined ? [] : [{ from, to: contacts[0] }],
    )
    const everyMs = (1_000 * 2 * pairs) / rate
    for (const [i, { from, to }] of writers.entries()) {
      const toIndex = this.#machines.findIndex(({ name }) => name === to)
      const next = (number: number): void => {
        if (!this.#churning) return
        const machine = this.#machines[from]
        if (machine?.session !== undefined) {
          const text = `${from}>${toIndex}#${number} `.padEnd(textBytes, '.')
          this.#asked.set(text, { to: toIndex, at: this.#clock.monotonic() })
          machine.send(to, text)
        }
        this.#later(everyMs, () => next(number + 1))
      }
      this.#later((everyMs * i) / writers.length, () => next(0))
    }
  }

  #look(): void {
    if (!this.#churning) return
    for (const { session } of this.#machines) {
      const rate = session?.mix.status().replyRate
      if (rate !== undefined) this.#rates.push(rate)
    }
    this.#later(LOOK_MS, () => this.#look())
  }

  #countPackets({ session }: Machine): void {
    for (const [what, count] of Object.entries(session?.mix.status().counts ?? {})) {
      this.#packets[what] = (this.#packets[what] ?? 0) + count
    }
  }

  async #report(): Promise<ChurnReport> {
    const waitsMs: number[] = []
    let missing = 0
    const arrivals = new Map<string, number>()
    const offset = this.#clock.now() - this.#clock.monotonic()
    for (const machine of this.#machines) {
      this.#countPackets(machine)
      for (const { text, receivedAt } of await received(machine)) {
        if (receivedAt !== undefined) arrivals.set(text, receivedAt - offset)
      }
    }
    const sent = [...this.#watcher.sent.values()].filter(({ accepted }) => accepted)
    const states: Record<string, number> = {}
    for (const { text, state } of sent) {
      states[state] = (states[state] ?? 0) + 1
      const { to, at } = this.#asked.get(text) ?? { to: -1, at: 0 }
      const arrivedAt = arrivals.get(text)
      if (arrivedAt === undefined) missing++
      else waitsMs.push(Math.max(0, arrivedAt - this.#thereFrom(to, at)))
    }
    return {
      violations: this.#watcher.violations,
      texts: sent.length,
      stops: this.#stops,
      states,
      waitsMs: waitsMs.toSorted((a, b) => a - b),
      missing,
      packets: this.#packets,
      replyRate: this.#rates.reduce((sum, rate) => sum + rate, 0) / this.#rates.length,
    }
  }

  /** The first moment from `at` on at which a node is there. */
  #thereFrom(index: number, at: number): number {
    const lives = this.#presence[index] ?? []
    const next = lives.find(({ down }) => down > at)
    return Math.max(at, next?.up ?? at)
  }

  #isOn({ from }: Sent): boolean {
    return this.#machines.find(({ nodeId }) => equalBytes(nodeId, from))?.isOn === true
  }

  #rng(purpose: string): FastRng {
    return new FastRng(`${this.#options.seed}/${purpose}`)
  }

  #job<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#jobs.then(work)
    this.#jobs = done.catch(() => undefined)
    return this.#clock.hold(done)
  }

  #later(ms: number, fn: () => void): void {
    this.#clock.setTimer(ms, fn)
  }

  #logger(node: string): Logger {
    const logger: Logger = {
      error: (message) => this.#watcher.violation(`${node}: log: ${message}`),
      warn: () => undefined,
      info: () => undefined,
      debug: () => undefined,
      child: () => logger,
    }
    return logger
  }
}

async function received({ session }: Machine): Promise<Message[]> {
  const filter = { direction: 'in' as const, reverse: false, from: undefined, limit: 100_000 }
  return (await session?.conversations.messages(filter)) ?? []
}

/** For people. */
export function describeChurn(report: ChurnReport, promptMs: number): string {
  const { violations, texts, stops, states, waitsMs, missing, packets, replyRate } = report
  const seconds = (ms: number): string => `${(ms / 1_000).toFixed(0)} s`
  const quantile = (share: number): string =>
    seconds(waitsMs[Math.min(waitsMs.length - 1, Math.floor(share * waitsMs.length))] ?? 0)
  const prompt = waitsMs.filter((ms) => ms <= promptMs).length
  return [
    ...violations.map((violation) => `violation         ${violation}`),
    `stops             ${stops}`,
    `texts             ${texts}: ${JSON.stringify(states)}, never came ${missing}`,
    `within ${seconds(promptMs).padEnd(10)} ${((100 * prompt) / Math.max(1, texts)).toFixed(2)} %`,
    `until they came   median ${quantile(0.5)}, 90 % ${quantile(0.9)}, 99 % ${quantile(0.99)}, longest ${quantile(1)}`,
    `answered          ${(100 * replyRate).toFixed(0)} %`,
    `packets           ${JSON.stringify(packets)}`,
  ].join('\n')
}
