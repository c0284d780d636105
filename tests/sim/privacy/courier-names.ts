import { shuffled } from '../../../src/base/index.ts'
import type { NetworkParameters } from '../../../src/directory/index.ts'
import { drawRoute } from '../../../src/mix/route.ts'
import { FastRng } from './fast-rng.ts'
import { drawWorld, seat, type SimPlace } from './place.ts'

/** Where a layer has no other mix that is free, the own node stays. */
const REDRAWS_MAX = 12

/** `drawn`: the real `drawRoute`. `own-left-out`: a node never takes itself, in no layer. */
export type CourierRule = 'drawn' | 'own-left-out'

export interface CourierNamesOptions {
  readonly seed: string
  readonly rule: CourierRule
  readonly parameters: Pick<NetworkParameters, 'layers' | 'mixDelayMs' | 'slotMs' | 'copies'>
  readonly nodes: number
  /** Nodes in each /16. */
  readonly nodesPerNet: number
  /** Linked boxes whose couriers the contact knows. */
  readonly boxes: number
  /** Networks, and different senders tried in each; more would share the errors of what the contact learnt. */
  readonly worlds: number
  readonly sendersPerWorld: number
  /** Routes from which the contact learns each candidate's couriers. */
  readonly learnt: number
}

export interface CourierNamesResult {
  readonly options: CourierNamesOptions
  readonly trials: number
  /** Share of the candidates that look likelier than the sender, half of those that look alike; chance is 0.5. */
  readonly meanRank: number
  /** Half the width of its 95 % confidence interval. */
  readonly rankMargin: number
  readonly meanPosterior: number
  readonly chance: number
  /** Senders named with a posterior above 0.9. */
  readonly named: number
}

/**
 * What a hostile contact without any view of the links learns from the couriers of a stream's boxes. It knows the
 * mixes of the epoch and the rule of routes, and simulates every candidate. Senders are nodes of the last layer, for
 * whom a rule that leaves the own node out shows at once.
 */
export function tryCourierNames(options: CourierNamesOptions): CourierNamesResult {
  const { parameters, nodes, nodesPerNet, worlds, sendersPerWorld } = options
  const rng = new FastRng(`${options.seed}/couriers/${options.rule}/${nodes}/${nodesPerNet}`)
  const ranks: number[] = []
  let [posteriors, named] = [0, 0]
  for (let w = 0; w < worlds; w++) {
    const world = drawWorld(rng, nodes, nodesPerNet)
    const layers = seat(rng, world, w, 'elected', parameters)
    const last = layers.at(-1) as readonly SimPlace[]
    const likelihoods = world.places.map((self) => learn(rng, layers, self, options))
    for (const sender of shuffled(rng, last).slice(0, sendersPerWorld)) {
      const logs = new Float64Array(nodes)
      for (let box = 0; box < options.boxes; box++) {
        for (const [copy, courier] of drawCouriers(rng, layers, sender, options).entries()) {
          for (let node = 0; node < nodes; node++) {
            const likely = likelihoods[node]?.[copy]?.[courier] as number
            logs[node] = (logs[node] as number) + Math.log(likely)
          }
        }
      }
      const own = logs[sender.index] as number
      const likelier = logs.filter((log) => log > own).length
      const alike = logs.filter((log) => log === own).length - 1
      ranks.push((likelier + alike / 2) / (nodes - 1))
      const posterior = 1 / logs.reduce((sum, log) => sum + Math.exp(log - own), 0)
      posteriors += posterior
      if (posterior > 0.9) named++
    }
  }
  const trials = ranks.length
  const mean = ranks.reduce((a, b) => a + b, 0) / trials
  const variance = ranks.reduce((a, b) => a + (b - mean) ** 2, 0) / Math.max(1, trials - 1)
  return {
    options,
    trials,
    meanRank: mean,
    rankMargin: 1.96 * Math.sqrt(variance / trials),
    meanPosterior: posteriors / trials,
    chance: 1 / nodes,
    named,
  }
}

/** Probability of each node to be courier, per copy, for one sender. Never 0: what was not seen may still happen. */
function learn(
  rng: FastRng,
  layers: readonly (readonly SimPlace[])[],
  self: SimPlace,
  options: CourierNamesOptions,
): Float64Array[] {
  const couriers = layers.at(-1) ?? []
  const counts = Array.from({ length: options.parameters.copies }, () => {
    const counted = new Float64Array(options.nodes)
    for (const { index } of couriers) counted[index] = 0.5
    return counted
  })
  for (let n = 0; n < options.learnt; n++) {
    for (const [copy, courier] of drawCouriers(rng, layers, self, options).entries()) {
      const counted = counts[copy] as Float64Array
      counted[courier] = (counted[courier] as number) + 1
    }
  }
  const total = options.learnt + couriers.length / 2
  return counts.map((counted) => counted.map((count) => count / total))
}

/** The couriers of one box, one per copy. */
function drawCouriers(
  rng: FastRng,
  layers: readonly (readonly SimPlace[])[],
  self: SimPlace,
  { rule, parameters }: CourierNamesOptions,
): number[] {
  const avoid: SimPlace[] = []
  const couriers: number[] = []
  for (let copy = 0; copy < parameters.copies; copy++) {
    const draw = () => drawRoute(rng, layers, { self, direction: 'request', avoid })
    let route = draw()
    for (let n = 0; rule === 'own-left-out' && n < REDRAWS_MAX && route.includes(self); n++) {
      route = draw()
    }
    avoid.push(...route)
    couriers.push((route.at(-1) as SimPlace).index)
  }
  return couriers
}
