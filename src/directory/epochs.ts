import type { Network } from './network.ts'

type Dated = Pick<Network, 'createdAt' | 'parameters'>

const countFrom = (start: number, now: number, length: number) =>
  Math.max(0, Math.floor((now - start) / length))

/** Number of the directory epoch (= layer epoch) at `now`, 0 from the network's creation and before it. */
export function epochAt(network: Dated, now: number): number {
  return countFrom(network.createdAt, now, network.parameters.layerEpochMs)
}

/** First millisecond of a directory epoch. */
export function epochStart(network: Dated, epoch: number): number {
  return network.createdAt + epoch * network.parameters.layerEpochMs
}

/** Number of the key epoch at `now`, counted like `epochAt`. A directory epoch holds a whole number of them. */
export function keyEpochAt(network: Dated, now: number): number {
  return countFrom(network.createdAt, now, network.parameters.keyEpochMs)
}
