import { changeLinks, parsePartition, percentiles } from '../../../daemon/testnet/index.ts'
import { uniformInt } from '../../../src/base/index.ts'
import { type Outcome, rehearse, type RunOptions, type Stage } from '../rehearse.ts'

/** After the heal, until what was sent before it must have arrived. */
const HEALED_MS = 120_000
const PAUSE_MS = 20_000

/** R7: the network is cut in two, one way, around one node, and into a ring, under load. */
export function partition(options: RunOptions): Promise<Outcome> {
  const short = options.tier === 'P'
  const nodes = options.nodes ?? (short ? 6 : 10)
  const ms = (options.minutes ?? 0.5) * 60_000
  return rehearse(options, {
    nodes,
    preset: options.preset ?? 'swift',
    relayed: true,
    rate: options.rate ?? 30,
    minRate: 10,
    settleMs: 240_000,
    faults: async (stage) => {
      const one = String(uniformInt(stage.rng, nodes))
      const cuts = short || options.minutes !== undefined ? [['halves']] : everyKind(one)
      const after: number[] = []
      for (const [n, words] of cuts.entries()) {
        if (n > 0) await stage.sleep(PAUSE_MS)
        after.push(...(await cut(stage, words, { nodes, ms })))
      }
      const { p50, p99 } = percentiles(after)
      if ((p99 ?? 0) > HEALED_MS) stage.late.push(`p99 after the heal is ${p99} ms`)
      return {
        cuts: cuts.map((words) => words.join(' ')).join('; '),
        'each, s': ms / 1000,
        'sent in a cut, arrived after its heal': after.length,
        'p50 after the heal, ms': p50 ?? '-',
        'p99 after the heal, ms': p99 ?? '-',
      }
    },
  })
}

function everyKind(one: string): string[][] {
  return [['halves'], ['isolate', one], ['one-way', `${one}>*`], ['ring']]
}

/** Cuts, waits, heals; milliseconds from the heal to the arrival of what was sent before and came after it. */
async function cut(
  { rig, late, sleep }: Stage,
  words: readonly string[],
  { nodes, ms }: { nodes: number; ms: number },
): Promise<number[]> {
  const { progress } = rig.options
  const name = words.join(' ')
  progress(`partition ${name}`)
  const links = changeLinks({}, parsePartition(words, nodes), (faults) => ({
    ...faults,
    down: true,
  }))
  await rig.links(name, links)
  await sleep(ms)
  await rig.links('heal', {})
  const healedAt = performance.now()
  const before = new Set(
    rig.recorder.sends.flatMap(({ acceptedAt, text }) =>
      acceptedAt !== undefined && acceptedAt < healedAt ? [text] : [],
    ),
  )
  const arrived = () =>
    rig.recorder.events.filter(({ type, text }) => type === 'message.received' && before.has(text))
  const open = () => before.size - new Set(arrived().map(({ text }) => text)).size
  while (open() > 0 && performance.now() - healedAt < HEALED_MS) {
    progress(`healed; ${open()} of the messages from before are on their way`)
    await sleep(250)
  }
  if (open() > 0) late.push(`${open()} messages did not arrive ${HEALED_MS} ms after "${name}"`)
  return arrived()
    .filter(({ at }) => at >= healedAt)
    .map(({ at }) => at - healedAt)
}
