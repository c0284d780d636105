import { uniform } from '../../../src/base/index.ts'
import type { Message } from '../../../src/conversation/index.ts'
import type { ParameterOverrides, PresetName } from '../../../src/directory/index.ts'
import { MESH_DEGREE } from '../../../src/net/constants.ts'
import { World, type WorldNode } from '../../support/world.ts'

export interface LossOptions {
  readonly seed: string
  readonly preset?: PresetName
  readonly overrides?: ParameterOverrides
  /** An even number: every node has one contact. */
  readonly nodes: number
  /** Share of all mix frames that are lost, from the first on. */
  readonly dropShare: number
  readonly trafficMs: number
  /** After the last text. */
  readonly restMs: number
  /** Mean time between two texts of one node. */
  readonly textEveryMs: number
}

export interface LossReport {
  readonly frames: number
  readonly dropped: number
  /** Until the last of all contacts was ready. */
  readonly contactsMs: number
  readonly texts: number
  /** Number of texts by what their senders know of them. */
  readonly states: Readonly<Partial<Record<Message['state'], number>>>
  /** Texts that their reader does not have, and that it has more than once. */
  readonly missing: number
  readonly repeated: number
  /** From the sending of each text until its reader had it, and until its sender knew, ascending. */
  readonly arrivalMs: readonly number[]
  readonly deliveryMs: readonly number[]
  /** Shares of answered requests, as each node sees it at the end. */
  readonly replyRates: readonly number[]
}

const STEP_MS = 250
const CONTACTS_LIMIT_MS = 3_600_000

/**
 * Whole sessions on virtual time, two and two contacts, that exchange keys and texts while frames between mixes are
 * lost at random. The same options give the same report.
 */
export async function runLossyTraffic(options: LossOptions): Promise<LossReport> {
  const { seed, preset, overrides, dropShare } = options
  const count = { frames: 0, dropped: 0 }
  const world: World = new World({
    seed,
    ...(preset === undefined ? {} : { preset }),
    ...(overrides === undefined ? {} : { overrides }),
    net: {
      meshDegree: MESH_DEGREE,
      drop: ({ kind }) => {
        if (kind !== 'frame') return false
        count.frames++
        const isLost = uniform(fate) < dropShare
        if (isLost) count.dropped++
        return isLost
      },
    },
  })
  const fate = world.rng('fate of frames')
  try {
    for (let i = 0; i < options.nodes; i++) await world.add(`n${i}`)
    await world.run(2_000)
    const pairs = pairsOf(world.nodes)
    const contactsMs = await makeContacts(world, pairs)
    const texts = await exchangeTexts(world, pairs, options)
    await world.run(options.restMs)
    return { ...count, contactsMs, texts, ...(await outcome(world)) }
  } finally {
    await world.stop()
  }
}

type Pair = readonly [WorldNode, WorldNode]

function pairsOf(nodes: readonly WorldNode[]): Pair[] {
  return nodes.flatMap((node, i) => (i % 2 === 0 ? [[node, nodes[i + 1] as WorldNode]] : []))
}

/** All at once. Returns how long the last took. */
async function makeContacts(world: World, pairs: readonly Pair[]): Promise<number> {
  for (const [a, b] of pairs) await b.accept(await a.invite(b.name), a.name)
  const isDone = ([a, b]: Pair): boolean =>
    a.phase(b.name) === 'ready' && b.phase(a.name) === 'ready'
  return world.until('all are contacts', () => pairs.every(isDone), CONTACTS_LIMIT_MS)
}

/** Returns the number of texts. */
async function exchangeTexts(
  world: World,
  pairs: readonly Pair[],
  { trafficMs, textEveryMs }: LossOptions,
): Promise<number> {
  const rng = world.rng('traffic')
  const pause = (): number => -Math.log(1 - uniform(rng)) * textEveryMs
  const { clock } = world
  const writers = pairs.flatMap(([a, b]) => [
    { from: a, to: b.name, next: clock.monotonic() + pause() },
    { from: b, to: a.name, next: clock.monotonic() + pause() },
  ])
  const end = clock.monotonic() + trafficMs
  let texts = 0
  while (clock.monotonic() < end) {
    for (const writer of writers) {
      if (writer.next > clock.monotonic()) continue
      await writer.from.send(writer.to, `text ${texts++}`)
      writer.next = clock.monotonic() + pause()
    }
    await world.run(STEP_MS)
  }
  return texts
}

async function outcome({ nodes }: World) {
  const all = async (direction: Message['direction']): Promise<Message[]> => {
    const filter = { direction, reverse: false, from: undefined, limit: 100_000 }
    const found = nodes.map(({ session }) => session.conversations.messages(filter))
    return (await Promise.all(found)).flat()
  }
  const [sent, received] = [await all('out'), await all('in')]
  const states: Partial<Record<Message['state'], number>> = {}
  for (const { state } of sent) states[state] = (states[state] ?? 0) + 1
  const texts = new Set(received.map(({ text }) => text))
  const deliveries = sent.flatMap(({ sentAt, history }) =>
    history.filter(({ state }) => state === 'delivered').map(({ at }) => at - sentAt),
  )
  return {
    states,
    missing: sent.filter(({ text }) => !texts.has(text)).length,
    repeated: received.length - texts.size,
    arrivalMs: ascending(received.map(({ sentAt, receivedAt = sentAt }) => receivedAt - sentAt)),
    deliveryMs: ascending(deliveries),
    replyRates: nodes.map(({ session }) => session.mix.status().replyRate ?? Number.NaN),
  }
}

function ascending(values: readonly number[]): number[] {
  return values.toSorted((a, b) => a - b)
}

/** For people. */
export function describeLoss(report: LossReport): string {
  const { frames, dropped, texts, states, missing, repeated } = report
  const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`
  const quantiles = (sorted: readonly number[]): string =>
    [0.5, 0.9, 0.99, 1]
      .map((share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0)
      .map((ms, i) => `${['median', '90 %', '99 %', 'longest'][i]} ${seconds(ms)}`)
      .join(', ')
  const rates = report.replyRates.map((rate) => (100 * rate).toFixed(0)).join(' ')
  return [
    `frames            ${frames}, lost ${dropped} (${((100 * dropped) / frames).toFixed(1)} %)`,
    `all contacts      after ${seconds(report.contactsMs)}`,
    `texts             ${texts}: ${JSON.stringify(states)}, missing ${missing}, repeated ${repeated}`,
    `until they came   ${quantiles(report.arrivalMs)}`,
    `until known       ${quantiles(report.deliveryMs)}`,
    `answered, %       ${rates}`,
  ].join('\n')
}
