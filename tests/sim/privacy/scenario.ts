import { type NetworkParameters, PRESETS, publishEvery } from '../../../src/directory/index.ts'
import type { Election } from './place.ts'
import type { Rules } from './traffic.ts'

export type ShippedPreset = Exclude<NetworkParameters['preset'], 'custom'>

/** One row of the table: a network, its rules, and an adversary. */
export interface Scenario {
  /** Unique; seeds the run. */
  readonly id: string
  /** What it is, for people. */
  readonly label: string
  readonly preset: NetworkParameters['preset']
  readonly parameters: NetworkParameters
  readonly nodes: number
  /** Share of the nodes that work for the adversary. */
  readonly corrupt: number
  readonly election: Election
  readonly rules: Rules
  /** Mean of the exponential part of the time between an act and its reply; undefined: as in the product. */
  readonly replyDelayMs?: number
  /** Slots of a cycle as simulated. */
  readonly publishEvery: number
}

export const ADOPTED_RULES: Rules = {
  topology: 'layered',
  emission: 'slotted',
  position: 'private',
  replies: 'alike',
  copyRoutes: 'disjoint',
}

/** Node counts and corrupt shares of the published table. */
export const TABLE_NODES = [12, 50, 200] as const
export const TABLE_CORRUPT = [0, 0.125, 0.25] as const

/**
 * Longest cycle that is simulated: in a longer one more of the same packets publish than would, so that a stream is
 * simulated sooner. What it hides among is the same; the observer sees a few more acts, which is to its advantage.
 */
const SIMULATED_PUBLISH_EVERY = 8

/** A preset as shipped. */
export function adopted(preset: ShippedPreset, nodes: number, corrupt: number): Scenario {
  const parameters = PRESETS[preset]
  return {
    id: `${preset}-${nodes}-${corrupt}`,
    label: `${preset} as shipped`,
    preset,
    parameters,
    nodes,
    corrupt,
    election: 'elected',
    rules: ADOPTED_RULES,
    publishEvery: Math.min(SIMULATED_PUBLISH_EVERY, publishEvery(nodes, parameters)),
  }
}

function weakened(
  id: string,
  label: string,
  change: Partial<Omit<Scenario, 'rules'>> & { readonly rules?: Partial<Rules> },
): Scenario {
  const base = adopted('balanced', change.nodes ?? 50, change.corrupt ?? 0)
  return {
    ...base,
    ...change,
    id,
    label,
    preset: 'custom',
    rules: { ...base.rules, ...change.rules },
  }
}

/** The setting of the research note (appendix A): one packet per two seconds, no replies, every exit visible. */
function appendix(
  id: string,
  label: string,
  layers: number,
  election: Election,
  rules: Partial<Rules>,
): Scenario {
  const parameters: NetworkParameters = {
    ...PRESETS.balanced,
    preset: 'custom',
    layers,
    mixDelayMs: 1_000,
    slotMs: 2_000,
    copies: 1,
  }
  return weakened(id, label, {
    parameters,
    election,
    publishEvery: 8,
    rules: { replies: 'none', ...rules },
  })
}

/** What each rule of the design is worth: the design without it, at 50 nodes. */
export const WEAK_SCENARIOS: readonly Scenario[] = [
  appendix('free-poisson-3', 'free routes, Poisson, 3 hops, no replies', 3, 'everybody', {
    topology: 'free',
    emission: 'poisson',
  }),
  appendix('free-poisson-4', 'the same with 4 hops', 4, 'everybody', {
    topology: 'free',
    emission: 'poisson',
  }),
  appendix('free-slotted-4', 'free routes, slots', 4, 'everybody', { topology: 'free' }),
  appendix('layered-poisson-4', 'layers, Poisson', 4, 'everybody', { emission: 'poisson' }),
  appendix('layered-slotted-4', 'layers, slots', 4, 'everybody', {}),
  appendix('elected-slotted-4', 'layers, slots, 16 elected mixes', 4, { mixes: 16 }, {}),
  weakened('balanced-poisson', 'balanced without slots (Poisson)', {
    rules: { emission: 'poisson' },
  }),
  weakened('balanced-everybody', 'balanced without election (every node mixes)', {
    election: 'everybody',
  }),
  weakened('balanced-silent', 'balanced, publications get no reply', {
    rules: { replies: 'unpublished' },
  }),
  weakened('balanced-silent-200', 'the same with 200 nodes', {
    nodes: 200,
    publishEvery: publishEvery(200, PRESETS.balanced),
    rules: { replies: 'unpublished' },
  }),
  weakened('balanced-public', 'balanced, the publishing slot is public', {
    rules: { position: 'public' },
  }),
  weakened('balanced-same-route', 'balanced, both copies over one route, a quarter corrupt', {
    corrupt: 0.25,
    rules: { copyRoutes: 'same' },
  }),
  // Not weaker: what a longer time until the reply would be worth.
  weakened('balanced-late-5', 'balanced, replies after 1 s + Exp(5 s)', { replyDelayMs: 5_000 }),
  weakened('balanced-late-10', 'balanced, replies after 1 s + Exp(10 s)', {
    replyDelayMs: 10_000,
  }),
  weakened('balanced-late-10-eighth', 'the same, an eighth corrupt', {
    replyDelayMs: 10_000,
    corrupt: 0.125,
  }),
]
