import { shuffled } from '../../../src/base/index.ts'
import { FETCH_SHARE } from '../../../src/mix/constants.ts'
import { FastRng } from './fast-rng.ts'
import { FreeTracker } from './free-tracker.ts'
import { quantile, simulateLatencies } from './latency.ts'
import { LayeredTracker } from './layered-tracker.ts'
import {
  type Bound,
  Calibration,
  LinkedStream,
  namedAfterQuantile,
  type StreamVerdict,
} from './linked-stream.ts'
import type { Observation } from './observation.ts'
import { drawWorld, seat, type World } from './place.ts'
import { fitTrust, posterior, type RehearsedCase, type Trust } from './rehearsal.ts'
import { ReplyEvidence } from './reply-evidence.ts'
import type { Scenario } from './scenario.ts'
import { TimingKernel } from './timing-kernel.ts'
import { type LinkedPublication, Traffic } from './traffic.ts'

export interface RunOptions {
  readonly seed: string
  /** Victims altogether, over several networks where one is too small. */
  readonly victims: number
  /** Linked boxes per victim: the horizon. */
  readonly messages: number
  /** Publications of the rehearsal. */
  readonly rehearsed: number
  readonly linkMs: readonly [number, number]
  /** Share of the work that is done, 0 to 1. */
  readonly onProgress?: (done: number) => void
}

export interface ScenarioResult {
  readonly scenario: Scenario
  readonly mixesMean: number
  readonly corruptMean: number
  readonly victims: number
  readonly trust: Trust
  readonly publications: number
  readonly entropyMeanBits: number
  readonly entropyP5Bits: number
  readonly maxBits: number
  /** Mean of log2(p(truth) · candidates) of one publication: by all evidence, by the path, by replies. */
  readonly bitsPerPublication: number
  readonly bitsOfPath: number
  readonly bitsOfReply: number
  readonly meanTruth: number
  readonly meanSquares: number
  readonly linkedMedian: Bound
  readonly linkedP10: Bound
  readonly namedWrongly: number
  readonly verdicts: readonly StreamVerdict[]
  readonly routeP50Ms: number
  readonly routeP95Ms: number
  /** Packets that a node hands to a link per second: all nodes, and those that mix. */
  readonly packetsPerNode: number
  readonly packetsPerMix: number
  readonly selfHops: number
}

/** Elections are drawn anew at least this often, in linked boxes: a stream of days sees many of them. */
const BOXES_PER_EPOCH = 25
/** Beliefs about replies that are kept until the end of an epoch: 200 MB. */
const BELIEFS_MAX = 25_000_000
const REHEARSED_VICTIMS_MAX = 200
const KERNEL_SAMPLES = 100_000
const LEAST_PROBABILITY = 1e-12
/** Small networks differ from each other: fewer are not representative. */
const WORLDS_MIN = 3
const LARGE_WORLD = 100

/** A network with its corrupt nodes and victims. */
interface Stage {
  readonly world: World
  readonly isCorrupt: Uint8Array
  readonly isVictim: Uint8Array
  readonly victims: number
  /** Node to index among the candidates, -1 for corrupt ones. */
  readonly candidateOf: Int32Array
  readonly candidates: number
}

/** Runs one scenario. The same options give the same result. */
export function runScenario(scenario: Scenario, options: RunOptions): ScenarioResult {
  return new ScenarioRun(scenario, options).run()
}

class ScenarioRun {
  readonly #scenario: Scenario
  readonly #options: RunOptions
  readonly #every: number
  readonly #replyDelayMs: number
  readonly #kernels: { route: TimingKernel; reply: TimingKernel; roundTrip: TimingKernel }
  readonly #latency: { p50: number; p95: number }
  readonly #mixes: number[] = []
  readonly #sent = { seconds: 0, all: 0, nodes: 0, byMixes: 0, mixes: 0 }
  #selfHops = 0

  constructor(scenario: Scenario, options: RunOptions) {
    this.#scenario = scenario
    this.#options = options
    this.#every = scenario.publishEvery
    this.#replyDelayMs = scenario.replyDelayMs ?? scenario.parameters.mixDelayMs
    const { parameters, nodes } = scenario
    const rng = new FastRng(`${options.seed}/latency/${scenario.id}`)
    const { linkMs } = options
    const replyDelayMs = this.#replyDelayMs
    const sample = simulateLatencies(rng, {
      parameters,
      nodes,
      linkMs,
      samples: KERNEL_SAMPLES,
      replyDelayMs,
    })
    const kernel = (values: Float64Array) => new TimingKernel(values, parameters.mixDelayMs)
    this.#kernels = {
      route: kernel(sample.route),
      reply: kernel(sample.reply),
      roundTrip: kernel(sample.roundTrip),
    }
    this.#latency = { p50: quantile(sample.route, 0.5), p95: quantile(sample.route, 0.95) }
  }

  run(): ScenarioResult {
    const { victims, messages, onProgress } = this.#options
    const trust = this.#rehearse()
    const { nodes } = this.#scenario
    const worlds = Math.max(
      nodes < LARGE_WORLD ? WORLDS_MIN : 1,
      Math.ceil(victims / (nodes - Math.ceil(this.#scenario.corrupt * nodes))),
    )
    // What is named later than two thirds changes neither the median nor the 10th percentile of one network.
    const enough = worlds === 1 ? 2 / 3 : 1
    const calibration = {
      all: new Calibration(),
      path: new Calibration(),
      reply: new Calibration(),
    }
    const verdicts: StreamVerdict[] = []
    let corrupt = 0
    for (let w = 0; w < worlds; w++) {
      const rng = new FastRng(`${this.#options.seed}/${this.#scenario.id}/${w}`)
      const here = Math.ceil((victims - verdicts.length) / (worlds - w))
      const stage = this.#drawStage(rng, here, (w + 0.5) / worlds)
      corrupt += (nodes - stage.candidates) / worlds
      const follow = new Follower(stage, trust, calibration, messages)
      for (let epoch = 1; follow.boxes < messages && follow.namedShare < enough; epoch++) {
        const boxes = Math.min(BOXES_PER_EPOCH, messages - follow.boxes)
        this.#playEpoch(rng, stage, epoch, boxes, (seen, from) => follow.add(seen, from))
        follow.endEpoch()
        onProgress?.((w + follow.boxes / messages) / worlds)
      }
      verdicts.push(...follow.verdicts())
    }
    return this.#summary(calibration, verdicts, trust, corrupt)
  }

  /** Fits the trust on a network of its own. */
  #rehearse(): Trust {
    const rng = new FastRng(`${this.#options.seed}/rehearsal/${this.#scenario.id}`)
    const stage = this.#drawStage(rng, REHEARSED_VICTIMS_MAX, 0.5)
    const cases: RehearsedCase[] = []
    for (let epoch = 1; cases.length < this.#options.rehearsed; epoch++) {
      const perBox = stage.victims * this.#scenario.parameters.copies
      const left = Math.ceil((this.#options.rehearsed - cases.length) / perBox)
      this.#playEpoch(rng, stage, epoch, Math.min(BOXES_PER_EPOCH, left), (seen, { node }) => {
        cases.push({ truth: stage.candidateOf[node] as number, ...evidence(stage, seen) })
      })
    }
    return fitTrust(cases)
  }

  #drawStage(rng: FastRng, victims: number, rounding: number): Stage {
    const { nodes, corrupt } = this.#scenario
    const world = drawWorld(rng, nodes)
    const order = shuffled(rng, [...world.places.keys()])
    const corrupted = Math.floor(corrupt * nodes + rounding)
    const isCorrupt = new Uint8Array(nodes)
    const isVictim = new Uint8Array(nodes)
    const candidateOf = new Int32Array(nodes).fill(-1)
    for (const [rank, node] of order.entries()) {
      if (rank < corrupted) isCorrupt[node] = 1
      else if (rank < corrupted + victims) isVictim[node] = 1
      candidateOf[node] = rank - corrupted
    }
    const candidates = nodes - corrupted
    const followed = Math.min(victims, candidates)
    return { world, isCorrupt, isVictim, victims: followed, candidateOf, candidates }
  }

  /** Traffic of one election, watched until `boxes` boxes of each victim and their replies are through. */
  #playEpoch(
    rng: FastRng,
    stage: Stage,
    epoch: number,
    boxes: number,
    see: (observation: Observation, from: LinkedPublication) => void,
  ): void {
    const { parameters, rules, nodes, election } = this.#scenario
    const { layers: hops, mixDelayMs, slotMs, copies, layerEpochMs } = parameters
    const { route, reply, roundTrip } = this.#kernels
    const layers = seat(rng, stage.world, epoch, election, parameters)
    const cycleMs = this.#every * slotMs
    const fitting = Math.max(1, Math.floor(layerEpochMs / (cycleMs * copies)))
    const beliefs = (stage.victims * copies * nodes * reply.longest) / slotMs
    const rounds = Math.min(boxes, fitting, Math.max(1, Math.floor(BELIEFS_MAX / beliefs)))
    const onObservation = (seen: Observation) => see(seen, traffic.linked(seen.publication))
    const { isCorrupt, isVictim, candidates } = stage
    const replies =
      rules.replies === 'none'
        ? undefined
        : new ReplyEvidence({
            nodes,
            candidates,
            slotMs,
            route,
            roundTrip,
            silentCycleMs: rules.replies === 'unpublished' ? cycleMs : undefined,
          })
    const observer =
      rules.topology === 'free'
        ? new FreeTracker({ onObservation }, { nodes, hops })
        : new LayeredTracker(
            { replies, onObservation },
            {
              nodes,
              mixDelayMs,
              replyDelayMs: this.#replyDelayMs,
              isCorrupt,
              visibleShare: 1 - (1 - 1 / this.#every) * (1 - FETCH_SHARE),
              answersPublications: rules.replies === 'alike',
              replyWindowMs: reply.longest,
            },
          )
    const traffic = new Traffic(
      { rng, observer },
      {
        rules,
        places: stage.world.places,
        layers,
        slotMs,
        mixDelayMs,
        replyDelayMs: this.#replyDelayMs,
        layerEpochMs,
        publishEvery: this.#every,
        copies,
        linkMs: this.#options.linkMs,
        isCorrupt,
        isVictim,
        linkedUntil: ((rounds - 1) * copies + 1) * cycleMs,
      },
    )
    const lead = roundTrip.longest
    const end = rounds * copies * cycleMs + route.longest + reply.longest + 2 * mixDelayMs
    traffic.begin(-lead)
    traffic.run(end)
    observer.finish(end)
    this.#count(traffic, layers, (lead + end) / 1_000)
  }

  #count(
    { counts }: Traffic,
    layers: readonly (readonly { index: number }[])[],
    seconds: number,
  ): void {
    const mixes = new Set(layers.flat().map(({ index }) => index))
    this.#mixes.push(mixes.size)
    for (const [node, sent] of counts.sent.entries()) {
      this.#sent.all += sent
      if (mixes.has(node)) this.#sent.byMixes += sent
    }
    this.#sent.nodes += seconds * counts.sent.length
    this.#sent.mixes += seconds * mixes.size
    this.#selfHops += counts.selfHops
  }

  #summary(
    calibration: Calibrations,
    verdicts: readonly StreamVerdict[],
    trust: Trust,
    corruptMean: number,
  ): ScenarioResult {
    const { entropies } = calibration.all
    const { messages } = this.#options
    const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length
    return {
      scenario: this.#scenario,
      mixesMean: mean(this.#mixes),
      corruptMean,
      victims: verdicts.length,
      trust,
      publications: calibration.all.publications,
      entropyMeanBits: mean(entropies),
      entropyP5Bits: quantile(entropies, 0.05),
      maxBits: calibration.all.maxBits,
      bitsPerPublication: calibration.all.meanBits,
      bitsOfPath: calibration.path.meanBits,
      bitsOfReply: calibration.reply.meanBits,
      meanTruth: calibration.all.meanTruth,
      meanSquares: calibration.all.meanSquares,
      linkedMedian: namedAfterQuantile(verdicts, 0.5, messages),
      linkedP10: namedAfterQuantile(verdicts, 0.1, messages),
      namedWrongly: verdicts.filter(({ isWrong }) => isWrong).length,
      verdicts,
      routeP50Ms: this.#latency.p50,
      routeP95Ms: this.#latency.p95,
      packetsPerNode: this.#sent.all / this.#sent.nodes,
      packetsPerMix: this.#sent.byMixes / this.#sent.mixes,
      selfHops: this.#selfHops,
    }
  }
}

/** By all evidence, and by each kind alone. */
interface Calibrations {
  readonly all: Calibration
  readonly path: Calibration
  readonly reply: Calibration
}

/** The victims of one network, box after box. */
class Follower {
  readonly #stage: Stage
  readonly #trust: Trust
  readonly #calibration: Calibrations
  readonly #messages: number
  readonly #streams = new Map<number, LinkedStream>()
  /** Evidence of boxes whose other copies have not been seen, by node and box. */
  readonly #open = new Map<string, Float64Array[]>()
  #copies = 1

  constructor(stage: Stage, trust: Trust, calibration: Calibrations, messages: number) {
    this.#stage = stage
    this.#trust = trust
    this.#calibration = calibration
    this.#messages = messages
    for (const [node, is] of stage.isVictim.entries()) {
      const truth = stage.candidateOf[node] as number
      if (is === 1) this.#streams.set(node, new LinkedStream(truth, stage.candidates))
    }
  }

  /** Boxes that every victim has published. */
  get boxes(): number {
    return Math.min(...[...this.#streams.values()].map(({ boxes }) => boxes))
  }

  get namedShare(): number {
    const streams = [...this.#streams.values()]
    return streams.filter(({ isNamed }) => isNamed).length / streams.length
  }

  add(seen: Observation, { node, box, copy }: LinkedPublication): void {
    const stream = this.#streams.get(node) as LinkedStream
    if (stream.boxes >= this.#messages) return
    const { path, reply } = evidence(this.#stage, seen)
    const probabilities = posterior(path, reply, this.#trust)
    const truth = this.#stage.candidateOf[node] as number
    const { all, path: byPath, reply: byReply } = this.#calibration
    all.add(truth, probabilities)
    byPath.add(truth, posterior(path, reply, { ...this.#trust, reply: 0 }))
    byReply.add(truth, posterior(path, reply, { ...this.#trust, path: 0 }))
    const key = `${node}/${box}`
    const copies = [...(this.#open.get(key) ?? []), probabilities.map(Math.log)]
    this.#open.set(key, copies)
    this.#copies = Math.max(this.#copies, copy + 1)
    if (copies.length < this.#copies) return
    this.#open.delete(key)
    stream.addBox(copies)
  }

  /** Boxes with a copy outside the epoch are left out. */
  endEpoch(): void {
    this.#open.clear()
  }

  verdicts(): StreamVerdict[] {
    return [...this.#streams.values()].map((stream) => stream.verdict())
  }
}

/** The evidence of a publication about the candidates alone. */
function evidence(
  { candidateOf, candidates }: Stage,
  seen: Observation,
): { path: Float64Array; reply: Float64Array } {
  const path = new Float64Array(candidates)
  const reply = new Float64Array(candidates)
  for (const [node, candidate] of candidateOf.entries()) {
    if (candidate < 0) continue
    path[candidate] = Math.log(Math.max(seen.path[node] as number, LEAST_PROBABILITY))
    reply[candidate] = seen.reply?.[node] ?? 0
  }
  return { path, reply }
}
