/**
 * One result of the simulator: how well a preset hides a sender among `nodes` nodes of which a share `corrupt` is
 * hostile, from somebody who sees every link and is told which boxes are the sender's. Limits: tests/sim/privacy.
 */
export interface PrivacyRow {
  readonly preset: string
  readonly nodes: number
  /** Share of hostile mixes, 0 to 1. */
  readonly corrupt: number
  /** Mean and 5th percentile of the sender's entropy per publication, bits; `maxBits` would be perfect. */
  readonly entropyMeanBits: number
  readonly entropyP5Bits: number
  readonly maxBits: number
  /** Linked boxes until the sender is named with probability above 0.9: median and 10th percentile. */
  readonly linkedMedian: number
  readonly linkedP10: number
  /** The same as days of use, 50 texts sent and 50 received a day. */
  readonly daysMedian: number
  readonly daysP10: number
  /** The simulation ended before: the figures are at least these. */
  readonly censored: boolean
}

/** Hostile share that an estimate assumes: every eighth node. */
export const ASSUMED_CORRUPT = 0.125

export interface Protection {
  /** Nodes that look alike to the observer for one box, at least so many in 95 of 100. */
  readonly anonymitySet: number
  /** Linked boxes that 9 of 10 senders may publish before they are named. */
  readonly protectedMessages: number
  readonly protectedDays: number
  /** The simulation ended before: at least these. */
  readonly atLeast: boolean
  /** Nodes of the network that was simulated: the largest that is not larger than this one. */
  readonly simulatedNodes: number
}

/** What the table says of a network; undefined for parameters or sizes that were not simulated. */
export function protectionOf(
  table: readonly PrivacyRow[],
  { preset, nodes }: { readonly preset: string; readonly nodes: number },
): Protection | undefined {
  const row = table
    .filter((each) => each.preset === preset && each.corrupt === ASSUMED_CORRUPT)
    .filter((each) => each.nodes <= nodes)
    .toSorted((a, b) => b.nodes - a.nodes)[0]
  if (row === undefined) return undefined
  return {
    anonymitySet: 2 ** row.entropyP5Bits,
    protectedMessages: row.linkedP10,
    protectedDays: row.daysP10,
    atLeast: row.censored,
    simulatedNodes: row.nodes,
  }
}
