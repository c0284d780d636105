import { COURIER_ROOM, MIN_MIXES_PER_LAYER, MIN_QUOTA } from './constants.ts'
import type { NetworkParameters } from './parameters.ts'

type RateParameters = Pick<NetworkParameters, 'slotMs' | 'boxRate' | 'copies'>

/**
 * Length of a publishing cycle in slots, the same for every node of an epoch: the smallest of
 * 2, 3, 4, 6, 8, 12, 16, … with which `nodes` nodes together publish at most `boxRate` boxes per second. The
 * coarse steps keep it from changing with every node that joins.
 */
export function publishEvery(nodes: number, parameters: RateParameters): number {
  const { slotMs, boxRate, copies } = parameters
  const exact = (Math.max(1, nodes) * 1_000) / (slotMs * boxRate * copies)
  let step = 2
  while (step < exact) step = (step & (step - 1)) === 0 ? (step / 2) * 3 : (step / 3) * 4
  return step
}

/** Distinct boxes per second that the whole network really publishes with `nodes` nodes. */
export function effectiveRate(nodes: number, parameters: RateParameters): number {
  const { slotMs, copies } = parameters
  return (nodes * 1_000) / (slotMs * publishEvery(nodes, parameters) * copies)
}

/**
 * Upper bound for a count that is Poisson distributed with this mean: `slack` times it, or three standard
 * deviations above it. At least 8.
 */
export function quotaOf(mean: number, slack: NetworkParameters['slack']): number {
  const bound = slack === '3sigma' ? mean + 3 * Math.sqrt(mean) : mean * slack
  return Math.max(MIN_QUOTA, Math.ceil(bound))
}

/**
 * Publications that one of `couriers` couriers may make in a directory epoch with `nodes` nodes: more than
 * its share, or a few senders who flood up to the allowance of mixes would use up what couriers may bring.
 */
export function courierQuota(
  nodes: number,
  couriers: number,
  parameters: RateParameters & Pick<NetworkParameters, 'layerEpochMs' | 'slack'>,
): number {
  const publications = effectiveRate(nodes, parameters) * parameters.copies
  const mean = (publications * parameters.layerEpochMs) / 1_000 / Math.max(1, couriers)
  return quotaOf(roomFor(mean, parameters.slack), parameters.slack)
}

/**
 * Publications that one courier may make in a directory epoch at most, however few nodes and couriers there are:
 * what the layer of couriers shares when it has as few as it may.
 */
export function courierCeiling({
  boxRate,
  copies,
  layerEpochMs,
  slack,
}: Pick<NetworkParameters, 'boxRate' | 'copies' | 'layerEpochMs' | 'slack'>): number {
  const mean = (boxRate * copies * layerEpochMs) / 1_000 / MIN_MIXES_PER_LAYER
  return quotaOf(roomFor(mean, slack), slack)
}

/** Three standard deviations of a whole epoch are next to nothing; a factor has room already. */
function roomFor(mean: number, slack: NetworkParameters['slack']): number {
  return slack === '3sigma' ? COURIER_ROOM * mean : mean
}
