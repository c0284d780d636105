import { type Rng, uniform, uniformInt } from '../../src/base/index.ts'
import type { Publication } from './analysis/publications.ts'
import type { Cycles, Emission, Phase, Trace } from './analysis/trace.ts'
import { TraceBuilder } from './analysis/trace.ts'

/** Leaks that a careless implementation would have. Each is off when it is not named. */
export interface Leak {
  /** Packets leave this much later while messages wait. */
  readonly lateMs?: number
  /** While messages wait, the second copy of a box follows the first one so many slots sooner or later. */
  readonly gapSlots?: number
  /** Every cycle publishes in the same of its slots. */
  readonly fixedOrder?: boolean
  /** One packet in this many is left out when it would be cover. */
  readonly skipOneIn?: number
  /** Publishing brings no reply. */
  readonly silentPublish?: boolean
}

export interface SyntheticOptions {
  readonly nodes: number
  readonly layers: number
  readonly slotMs: number
  readonly mixDelayMs: number
  readonly publishEvery: number
  readonly copies: number
  readonly phases: readonly Phase[]
  readonly leak?: Leak
}

/** A packet of its own, with what only the node knows of it. */
type Departure = Emission & { readonly kind: 'publish' | 'other' }

export interface SyntheticRun {
  readonly cycles: Cycles
  readonly trace: Trace
  readonly emissions: readonly Departure[]
  readonly publications: readonly Publication[]
}

export const SYNTHETIC_FRAME_BYTES = 3_200
const PUBLICATION_BYTES = 2_240
const LINK_MS = 2
const SLOTS_PER_EPOCH = 1_200
/** Slots between two copies of one box: uniform in 1 to this. */
const GAP_SLOTS = 8

/**
 * A network that follows the protocol and has no code in common with it: per slot one packet of each node at a
 * uniform moment, over one node per layer with exponential delays, and one reply back; per cycle one published box
 * in a slot that was drawn. In busy phases every published box is real, in idle ones none is.
 */
export function synthesise(ports: { rng: Rng }, options: SyntheticOptions): SyntheticRun {
  return new Synthesis(ports.rng, options).run()
}

class Synthesis {
  readonly #rng: Rng
  readonly #options: SyntheticOptions
  readonly #trace = new TraceBuilder()
  readonly #emissions: Departure[] = []
  readonly #publications: Publication[] = []
  /** Copies that have still to leave, by node. */
  readonly #later: { readonly slot: number; readonly box: number }[][]
  #boxes = 0

  constructor(rng: Rng, options: SyntheticOptions) {
    this.#rng = rng
    this.#options = options
    this.#later = Array.from({ length: options.nodes }, () => [])
  }

  run(): SyntheticRun {
    const { nodes, slotMs, publishEvery, phases, leak } = this.#options
    const slots = Math.ceil(Math.max(...phases.map(({ to }) => to)) / slotMs)
    for (let node = 0; node < nodes; node++) {
      let publishSlot = 0
      for (let slot = 0; slot < slots; slot++) {
        if (slot % publishEvery === 0) {
          publishSlot = slot + (leak?.fixedOrder ? 0 : uniformInt(this.#rng, publishEvery))
        }
        this.#slot(node, slot, slot === publishSlot)
      }
    }
    return {
      cycles: { originMs: 0, slotMs, slotsPerEpoch: SLOTS_PER_EPOCH, publishEvery },
      trace: this.#trace.build(),
      emissions: this.#emissions,
      publications: this.#publications.toSorted((a, b) => a.at - b.at),
    }
  }

  #slot(node: number, slot: number, publishes: boolean): void {
    const { slotMs, leak } = this.#options
    const moment = slot * slotMs + uniform(this.#rng) * slotMs
    const busy = this.#isBusy(moment)
    const skipOneIn = leak?.skipOneIn ?? 0
    if (skipOneIn > 0 && !publishes && uniformInt(this.#rng, skipOneIn) === 0) return
    // A late packet is still sent in its slot: the leak that is hardest to see.
    const left = (slot + 1) * slotMs - moment
    const at = busy ? moment + Math.min(leak?.lateMs ?? 0, left / 2) : moment
    const box = publishes ? this.#nextBox(node, slot, busy) : undefined
    const kind = box === undefined ? 'other' : 'publish'
    const answered = !(publishes && leak?.silentPublish === true)
    const { to, courier, arrived } = this.#route(node, at)
    this.#emissions.push({ node, slot, at, to, kind })
    if (box !== undefined) this.#publish(courier, box, arrived)
    if (answered) this.#reply(courier, node, arrived)
  }

  #nextBox(node: number, slot: number, busy: boolean): number {
    const { copies, leak } = this.#options
    const waiting = this.#later[node]!
    const due = waiting.findIndex((copy) => copy.slot <= slot)
    if (due >= 0) return waiting.splice(due, 1)[0]!.box
    const box = this.#boxes++
    const shift = busy ? (leak?.gapSlots ?? 0) : 0
    for (let copy = 1; copy < copies; copy++) {
      const gap = Math.max(1, 1 + uniformInt(this.#rng, GAP_SLOTS) + shift)
      waiting.push({ slot: slot + gap, box })
    }
    return box
  }

  /** One node per layer; node n mixes in layer n mod L. */
  #route(node: number, at: number): { to: number; courier: number; arrived: number } {
    const { layers } = this.#options
    const hops = Array.from({ length: layers }, (_, layer) => this.#mixOf(layer))
    const arrived = this.#travel([node, ...hops], at)
    return { to: hops[0]!, courier: hops.at(-1)!, arrived }
  }

  #reply(courier: number, node: number, arrived: number): void {
    const { layers } = this.#options
    const hops = Array.from({ length: layers - 1 }, (_, layer) => this.#mixOf(layer))
    this.#travel([courier, ...hops, node], arrived + this.#delay())
  }

  /** Sends a frame along `path`, with a delay at every node between. Returns when it is done with the last one. */
  #travel(path: readonly number[], at: number): number {
    let now = at
    for (let hop = 0; hop + 1 < path.length; hop++) {
      // A hop to oneself is not on the wire.
      if (path[hop] !== path[hop + 1]) {
        this.#trace.add(now, path[hop]!, path[hop + 1]!, SYNTHETIC_FRAME_BYTES)
      }
      now += LINK_MS + this.#delay()
    }
    return now
  }

  #publish(courier: number, box: number, at: number): void {
    this.#publications.push({ at, box })
    for (let other = 0; other < this.#options.nodes; other++) {
      if (other !== courier) this.#trace.add(at + LINK_MS, courier, other, PUBLICATION_BYTES)
    }
  }

  #mixOf(layer: number): number {
    const { nodes, layers } = this.#options
    const perLayer = Math.floor(nodes / layers)
    return layer + layers * uniformInt(this.#rng, perLayer)
  }

  #delay(): number {
    return -Math.log(1 - uniform(this.#rng)) * this.#options.mixDelayMs
  }

  #isBusy(at: number): boolean {
    return this.#options.phases.some(({ busy, from, to }) => busy && at >= from && at < to)
  }
}

/** Phases in pairs, idle and busy in a drawn order, with `pauseMs` before each that is not judged. */
export function pairedPhases(
  rng: Rng,
  options: { readonly pairs: number; readonly phaseMs: number; readonly pauseMs: number },
): Phase[] {
  const { pairs, phaseMs, pauseMs } = options
  const phases: Phase[] = []
  let at = 0
  for (let block = 0; block < pairs; block++) {
    const busyFirst = uniformInt(rng, 2) === 1
    for (const busy of [busyFirst, !busyFirst]) {
      phases.push({ busy, block, from: at + pauseMs, to: at + pauseMs + phaseMs })
      at += pauseMs + phaseMs
    }
  }
  return phases
}
