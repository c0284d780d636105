import { type BoxBytes, HearsayError, silentLogger } from '../../../src/base/index.ts'
import { Emitter, type EmitterOptions } from '../../../src/mix/emitter.ts'
import {
  cycleOf,
  drawRoute,
  type KeeperAsk,
  type Layers,
  type MixPlace,
  type RequestKind,
  slotAt,
  slotStart,
} from '../../../src/mix/index.ts'
import type { MixRequest } from '../../../src/mix/request.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { RoughClock } from '../../support/rough-clock.ts'
import { isReal, layersOf, nodeAt, paperBox, placeAt } from './fixtures.ts'

export interface BenchOptions {
  readonly seed?: string
  readonly startMs?: number
  readonly slotMs?: number
  readonly copies?: number
  readonly publishEvery?: number
  readonly slotsPerEpoch?: number
}

/** A packet at its moment. */
export interface Written {
  readonly slot: number
  readonly kind: RequestKind
  readonly dueAt: number
  readonly request: MixRequest
  readonly route: readonly MixPlace[]
  /** Wall clock and monotonic. */
  readonly at: number
  readonly monotonic: number
  readonly hasLeft: boolean
}

/** A node of which only the emitter is real. */
export class EmitterBench {
  readonly clock: RoughClock
  readonly options: EmitterOptions
  readonly emitter: Emitter
  readonly layers: Layers = layersOf([6, 6, 6])
  readonly written: Written[] = []
  readonly fates: { box: BoxBytes; hasLeft: boolean }[] = []
  /** Slots in which work began. */
  readonly works: number[] = []
  /** Whether a real question might be asked, for each that was. */
  readonly asks: boolean[] = []
  readonly answers: (Uint8Array | undefined)[] = []
  /** Settles questions from outside, in the order of their packets. */
  readonly settles: ((answer: Uint8Array | undefined) => void)[] = []
  covers = 0
  asked = 0
  /** Boxes that were being filled at one time, at most. */
  mostAtOnce = 0
  waiting = 0
  serial = 0
  publishEvery: number
  nextBoxMs = 2
  workMs = 1
  mayLeave = true
  hasRoute = true
  hasKeeper = true
  isLinked: (packet: number, kind: RequestKind) => boolean = () => true
  fails: { work?: boolean; nextBox?: boolean; published?: boolean; nextAsk?: boolean } = {}
  #packets = 0
  #filling = 0
  #request: { request: MixRequest; route: readonly MixPlace[]; hasLeft: boolean } | undefined

  constructor(options: BenchOptions = {}) {
    const { slotMs = 250, copies = 1, publishEvery = 8, slotsPerEpoch = 96 } = options
    const seed = options.seed ?? 'emitter'
    const clock = new RoughClock(new VirtualClock(options.startMs))
    this.clock = clock
    this.publishEvery = publishEvery
    this.options = {
      originMs: clock.now() - 77,
      slotMs,
      epochMs: slotsPerEpoch * slotMs,
      copies,
    }
    const routes = seededRng(`${seed} routes`)
    const self = placeAt('self')
    this.emitter = new Emitter(
      {
        clock,
        rng: seededRng(seed),
        log: silentLogger,
        source: {
          work: async (signal) => {
            this.works.push(slotAt(this.options, clock.now() + 100))
            if (this.fails.work) throw new HearsayError('storage-poisoned', 'the disk is gone')
            await clock.virtual.sleep(this.workMs, signal)
          },
          nextBox: () => this.#nextBox(),
          published: async (box, hasLeft) => {
            this.fates.push({ box, hasLeft })
            if (this.fails.published) throw new HearsayError('storage-poisoned', 'the disk is gone')
          },
          coverBox: () => {
            this.covers++
            return paperBox(clock, 'cover', this.serial++)
          },
          nextAsk: (mayBeReal) => this.#nextAsk(mayBeReal),
        },
        publishEvery: () => this.publishEvery,
        mayLeave: () => this.mayLeave,
        build: (request, { avoid, settle }) => {
          if (!this.hasRoute) return undefined
          this.settles.push(settle)
          const route = drawRoute(routes, this.layers, { self, direction: 'request', avoid })
          const packet = this.#packets++
          return {
            route,
            send: () => {
              const hasLeft = this.isLinked(packet, request.kind)
              this.#request = { request, route, hasLeft }
              return hasLeft
            },
          }
        },
        onEmission: ({ slot, kind, dueAt }) => {
          const sent = this.#request
          this.#request = undefined
          if (sent === undefined) return
          const times = { at: clock.now(), monotonic: clock.monotonic() }
          this.written.push({ slot, kind, dueAt, ...sent, ...times })
        },
      },
      this.options,
    )
  }

  async #nextBox(): Promise<BoxBytes | undefined> {
    this.asked++
    if (this.fails.nextBox) throw new HearsayError('storage-poisoned', 'the disk is gone')
    if (this.waiting === 0) return undefined
    this.waiting--
    const box = paperBox(this.clock, 'real', this.serial++)
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#filling)
    await this.clock.virtual.sleep(this.nextBoxMs)
    this.#filling--
    return box
  }

  #nextAsk(mayBeReal: boolean): KeeperAsk | undefined {
    this.asks.push(mayBeReal)
    if (this.fails.nextAsk) throw new HearsayError('bad-key', 'a keeper with a bad key')
    if (!this.hasKeeper) return undefined
    const settle = (answer: Uint8Array | undefined) => void this.answers.push(answer)
    return { keeper: nodeAt('keeper'), sealed: new Uint8Array(114), settle }
  }

  /** Starts, and lets time pass to the first boundary of cycle and epoch. */
  async start(): Promise<this> {
    this.emitter.start()
    const slotsPerEpoch = this.options.epochMs / this.options.slotMs
    const next = Math.ceil((slotAt(this.options, this.clock.now()) + 1) / slotsPerEpoch)
    const boundary = slotStart(this.options, next * slotsPerEpoch)
    await this.run(boundary - this.clock.now())
    for (const list of [this.written, this.works, this.asks, this.answers, this.settles]) {
      list.length = 0
    }
    this.covers = 0
    return this
  }

  run(ms: number): Promise<void> {
    return this.clock.virtual.advance(ms)
  }

  slots(count: number): Promise<void> {
    return this.run(count * this.options.slotMs)
  }

  cycles(count: number): Promise<void> {
    return this.slots(count * this.publishEvery)
  }

  /** Stops, and lets what cannot be aborted come to its end. */
  async stop(): Promise<void> {
    const stopped = this.emitter.stop()
    await this.run(1_000)
    await stopped
  }

  get publications(): (Written & { readonly box: BoxBytes; readonly isReal: boolean })[] {
    return this.written.flatMap((each) =>
      each.request.kind === 'publish'
        ? [{ ...each, box: each.request.box, isReal: isReal(each.request.box) }]
        : [],
    )
  }

  /** Publications of each cycle that was entered. */
  perCycle(): number[] {
    const counts = new Map<number, number>()
    for (const { slot, kind } of this.written) {
      const { first } = cycleOf(this.options, slot, this.publishEvery)
      counts.set(first, (counts.get(first) ?? 0) + (kind === 'publish' ? 1 : 0))
    }
    return [...counts.values()]
  }
}
