import { type Rng, uniformInt } from '../../../src/base/index.ts'
import {
  blockAucs,
  type ClassifierOptions,
  exchange,
  mean,
  prepare,
  type Sample,
} from './classifier.ts'
import { type Emission, firstAt, type Grid, type Trace, TraceBuilder } from './trace.ts'

/** A leak that is put into a recorded trace, to learn whether it would have been found. */
export type Effect =
  /** Every own packet leaves so much later, or after half of what is left of its slot when that is sooner. */
  | { readonly kind: 'late'; readonly ms: number }
  /** One own packet in so many is not sent. */
  | { readonly kind: 'missing'; readonly oneIn: number }
  /** A small message of so many bytes goes over one of the node's links every `everyMs`. */
  | { readonly kind: 'chatter'; readonly everyMs: number; readonly bytes: number }

interface PlantOptions {
  readonly grid: Grid
  readonly frameBytes: number
}

// A chunk is seen this long after the packet was written, at most.
const MATCH_MS = 50

/** The trace as it would have been if every node had leaked all the time. */
export function plant(
  ports: { rng: Rng },
  trace: Trace,
  emissions: readonly Emission[],
  effect: Effect,
  options: PlantOptions,
): Trace {
  if (effect.kind === 'chatter') return withChatter(ports.rng, trace, emissions, effect)
  const { grid } = options
  const own = ownChunks(trace, emissions, options)
  const changed = new TraceBuilder()
  for (let i = 0; i < trace.at.length; i++) {
    const slot = own.get(i)
    let at = trace.at[i]!
    if (slot !== undefined) {
      if (effect.kind === 'missing') {
        if (uniformInt(ports.rng, effect.oneIn) === 0) continue
      } else {
        const left = grid.originMs + (slot + 1) * grid.slotMs - at
        at += Math.max(0, Math.min(effect.ms, left / 2))
      }
    }
    changed.add(at, trace.from[i]!, trace.to[i]!, trace.bytes[i]!)
  }
  return changed.build()
}

/** The chunks that carry the nodes' own packets, with the slot of each. */
export function ownChunks(
  trace: Trace,
  emissions: readonly Emission[],
  { frameBytes }: PlantOptions,
): ReadonlyMap<number, number> {
  const own = new Map<number, number>()
  for (const { node, to, at, slot } of emissions) {
    for (let i = firstAt(trace, at); i < trace.at.length; i++) {
      if (trace.at[i]! > at + MATCH_MS) break
      const fits = trace.from[i] === node && trace.to[i] === to && trace.bytes[i] === frameBytes
      if (!fits || own.has(i)) continue
      own.set(i, slot)
      break
    }
  }
  return own
}

function withChatter(
  rng: Rng,
  trace: Trace,
  emissions: readonly Emission[],
  effect: Extract<Effect, { kind: 'chatter' }>,
): Trace {
  const changed = new TraceBuilder()
  for (let i = 0; i < trace.at.length; i++) {
    changed.add(trace.at[i]!, trace.from[i]!, trace.to[i]!, trace.bytes[i]!)
  }
  const links = new Map<number, number[]>()
  for (const { node, to } of emissions) {
    const known = links.get(node) ?? []
    if (!known.includes(to)) links.set(node, [...known, to])
  }
  const [first, last] = [trace.at[0] ?? 0, trace.at.at(-1) ?? 0]
  for (const [node, peers] of links) {
    const offset = uniformInt(rng, Math.max(1, Math.round(effect.everyMs)))
    for (let at = first + offset; at < last; at += effect.everyMs) {
      changed.add(at, node, peers[uniformInt(rng, peers.length)]!, effect.bytes)
    }
  }
  return changed.build()
}

/**
 * How often the classifier finds a planted effect: `trials` times idle and busy are exchanged at random within the
 * blocks, so that nothing real is left to find, and the windows that are then called busy are taken from the
 * planted trace. Found: the AUC is above the interval that `error` puts around 0.5.
 */
export function power(
  honest: readonly Sample[],
  planted: readonly Sample[],
  ports: { rng: Rng },
  options: ClassifierOptions & { readonly error: number; readonly trials: number },
): { readonly auc: number; readonly found: number } {
  const base = prepare(honest)
  const aucs = Array.from({ length: options.trials }, () => {
    const labels = exchange(base, ports.rng)
    const mixed = labels.map((busy, i) => ({ ...(busy ? planted : honest)[i]!, busy }))
    const prepared = prepare(mixed)
    return mean(blockAucs(prepared, labels, options))
  })
  const limit = 0.5 + 1.96 * options.error
  return { auc: mean(aucs), found: aucs.filter((auc) => auc > limit).length / aucs.length }
}
