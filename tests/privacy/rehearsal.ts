import { type Rng, toHex } from '../../src/base/index.ts'
import { Publications } from '../support/capture.ts'
import { seededRng } from '../support/seeded-rng.ts'
import { World, type WorldNode, type WorldOptions } from '../support/world.ts'
import type { Publication } from './analysis/publications.ts'
import {
  type Cycles,
  type Emission,
  type Phase,
  type Trace,
  TraceBuilder,
} from './analysis/trace.ts'
import { pairedPhases } from './synthetic.ts'

export interface RehearsalOptions {
  readonly seed: string
  readonly overrides?: WorldOptions['overrides']
  readonly pairs: number
  /** Messages that wait at an idle node; none by default, at most 1. */
  readonly idleDepth?: number
  /** Spoils the code or its ports, before anything starts. */
  readonly plant?: (stage: Stage) => Pick<WorldOptions, 'clock'> | undefined
  /** Spoils the nodes when they run. */
  readonly plantInto?: (node: WorldNode) => void
}

/** What a planted leak may look at. */
export interface Stage {
  /** Whether messages wait at a node. */
  isBusy(name: string): boolean
  readonly rng: Rng
}

/** What was seen, in the same form as of a testnet. */
export interface Rehearsal {
  readonly cycles: Cycles
  readonly nodes: number
  readonly phases: readonly Phase[]
  /** Every frame, gossip message and request on every link. */
  readonly trace: Trace
  readonly frameBytes: number
  readonly emissions: readonly (Emission & { readonly kind: string })[]
  readonly publications: readonly Publication[]
  /** Publications of boxes that carried something. */
  readonly real: readonly Publication[]
}

const NAMES = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank'] as const
const PHASE_MS = 15_000
const PAUSE_MS = 9_000
const STEP_MS = 250
/** Fills a box and most of another. */
const PARAGRAPH = 'x'.repeat(1_700)
const DEPTH = 4

/**
 * A whole network of real sessions on virtual time, watched like a testnet of daemons: three pairs of contacts that
 * are idle and busy by turns.
 */
export async function rehearse(options: RehearsalOptions): Promise<Rehearsal> {
  const emissions: (Omit<Emission, 'to'> & { kind: string; to: string })[] = []
  const nodes: WorldNode[] = []
  const stage: Stage = {
    isBusy: (name) => {
      const node = nodes.find((each) => each.name === name)
      return node?.up === true && node.session.conversations.depth().queued > 1
    },
    rng: seededRng(`${options.seed}/planted`),
  }
  const world = new World({
    seed: options.seed,
    ...(options.overrides === undefined ? {} : { overrides: options.overrides }),
    ...options.plant?.(stage),
    onEmission: (name, { slot, kind, sentAt, to }) => {
      const node = NAMES.indexOf(name as (typeof NAMES)[number])
      emissions.push({ node, slot, kind, at: sentAt, to: toHex(to) })
    },
  })
  const { air, network } = world
  try {
    for (const name of NAMES) nodes.push(await world.add(name))
    await world.run(2_000)
    await befriendPairs(world)
    const ids = new Map(nodes.map(({ nodeId }, i) => [toHex(nodeId), i]))
    const nodeOf = (id: Uint8Array) => ids.get(toHex(id)) ?? -1
    const trace = new TraceBuilder()
    let frameBytes = 0
    air.tap(({ at, from, to, kind, bytes }) => {
      trace.add(at, nodeOf(from), nodeOf(to), bytes.length)
      if (kind === 'frame') frameBytes = bytes.length
    })
    const publications = Publications.of(world)
    for (const node of world.nodes) options.plantInto?.(node)
    const origin = world.clock.monotonic()
    const timing = { pairs: options.pairs, phaseMs: PHASE_MS, pauseMs: PAUSE_MS }
    const phases = pairedPhases(world.rng('phases'), timing).map((phase) => ({
      ...phase,
      from: phase.from + origin,
      to: phase.to + origin,
    }))
    for (const { busy, to } of phases) {
      await use(world, busy ? DEPTH : (options.idleDepth ?? 0), to)
    }
    const { slotMs, layerEpochMs } = network.parameters
    const seen = publications.seen.map(({ at, address, real }) => ({
      at: at - network.createdAt,
      box: address,
      real,
    }))
    return {
      cycles: {
        originMs: 0,
        slotMs,
        slotsPerEpoch: Math.floor(layerEpochMs / slotMs),
        publishEvery: world.nodes[0]!.session.publishEvery,
      },
      nodes: NAMES.length,
      phases,
      trace: trace.build(),
      frameBytes,
      emissions: emissions.map(({ to, ...each }) => ({ ...each, to: ids.get(to) ?? -1 })),
      publications: seen,
      real: seen.filter(({ real }) => real),
    }
  } finally {
    await world.stop()
  }
}

async function befriendPairs(world: World): Promise<void> {
  const pairs = pairsOf(world)
  for (const [a, b] of pairs) await b.accept(await a.invite(b.name), a.name)
  await world.until('all are contacts', () =>
    pairs.every(([a, b]) => a.phase(b.name) === 'ready' && b.phase(a.name) === 'ready'),
  )
}

function pairsOf({ nodes }: World): [WorldNode, WorldNode][] {
  return nodes.flatMap((node, i): [WorldNode, WorldNode][] =>
    i % 2 === 0 ? [[node, nodes[i + 1]!]] : [],
  )
}

/** Keeps `depth` messages waiting everywhere until a time. */
async function use(world: World, depth: number, until: number): Promise<void> {
  while (world.clock.monotonic() < until) {
    for (const [a, b] of pairsOf(world)) {
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        while (from.session.conversations.depth().queued < depth)
          await from.send(to.name, PARAGRAPH)
      }
    }
    await world.run(STEP_MS)
  }
}
