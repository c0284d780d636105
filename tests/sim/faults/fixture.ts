import { silentLogger } from '../../../src/base/index.ts'
import type { Network, ParameterOverrides, PresetName } from '../../../src/directory/index.ts'
import { BUCKETS, openMemoryStore } from '../../../src/store/index.ts'
import { World, type WorldNode } from '../../support/world.ts'
import { type DiskImage, imageOf } from './disk.ts'

/** Nodes that know each other, with established conversations, as they were when all were stopped. */
export interface Fixture {
  readonly network: Network
  /** Wall clock of the moment, milliseconds. */
  readonly stoppedAt: number
  readonly nodes: readonly FixtureNode[]
}

export interface FixtureNode {
  readonly name: string
  readonly seed: Uint8Array
  readonly requestSeed: Uint8Array
  /** Names of the nodes that it writes to; each calls the others by these names. */
  readonly contacts: readonly string[]
  readonly image: DiskImage
}

/**
 * Few packets, so that a seed costs little; every path is as in a larger network. The epochs are short enough to
 * change within a run.
 */
export const PARAMETERS: ParameterOverrides = {
  layers: 2,
  mixDelayMs: 1_500,
  slotMs: 3_000,
  boxRate: 4,
  keyEpochMs: 180_000,
  layerEpochMs: 180_000,
  addressWindow: 16,
  slack: 100,
}

const CONTACTS_LIMIT_MS = 3_600_000
const WARM_MS = 375_000
const AGE_MS = 86_400_000

/** Boxes and events of the fixture's own past, which every seed would carry along. */
const PAST = [
  BUCKETS.boxes,
  BUCKETS.boxExpiry,
  BUCKETS.boxPlacement,
  BUCKETS.hotBoxes,
  BUCKETS.mailboxCount,
  BUCKETS.replayTags,
]

export interface FixtureOptions {
  /** For how long the nodes run at least: until the third epoch begins, the first with a frozen set, by default. */
  readonly warmMs?: number
  /** The conversations are a day old: their first texts make new keys. */
  readonly isAged?: boolean
  /** As it is, in place of `PARAMETERS`. */
  readonly preset?: PresetName
  /** Who are contacts, by number; neighbours in a ring by default. */
  readonly pairs?: readonly (readonly [number, number])[]
}

/** The same for the same number of nodes and the same options. */
export async function makeFixture(count: number, options: FixtureOptions = {}): Promise<Fixture> {
  const { isAged = false, warmMs = WARM_MS, preset } = options
  const kind = preset === undefined ? { overrides: PARAMETERS } : { preset }
  const world = new World({ seed: `fixture of ${count}`, ...kind })
  for (let i = 0; i < count; i++) await world.add(`n${i}`)
  await world.run(2_000)
  const numbers =
    options.pairs ?? world.nodes.map((_, i): readonly [number, number] => [i, (i + 1) % count])
  const pairs = numbers.map(([a, b]) => [world.nodes[a], world.nodes[b]] as [WorldNode, WorldNode])
  for (const [a, b] of pairs) await b.accept(await a.invite(b.name), a.name)
  const isReady = ([a, b]: readonly [WorldNode, WorldNode]): boolean =>
    a.phase(b.name) === 'ready' && b.phase(a.name) === 'ready'
  await world.until('all are contacts', () => pairs.every(isReady), CONTACTS_LIMIT_MS)
  if (isAged) {
    await world.stop()
    await world.run(AGE_MS)
    for (const node of world.nodes) await node.start()
    await world.run(warmMs)
  } else await world.run(Math.max(0, warmMs - world.clock.monotonic()))
  await world.stop()
  for (const node of world.nodes) await world.drive(forgetPast(world, node))
  const nodes = world.nodes.map(async (node, i) => ({
    name: node.name,
    seed: node.seed,
    requestSeed: world.rng(`${node.name}/request`).bytes(32),
    contacts: [
      ...numbers.flatMap(([a, b]) => (a === i ? [`n${b}`] : [])),
      ...numbers.flatMap(([a, b]) => (b === i ? [`n${a}`] : [])),
    ],
    image: await imageOf(node.disk),
  }))
  return {
    network: world.network,
    stoppedAt: world.clock.now(),
    nodes: await Promise.all(nodes),
  }
}

async function forgetPast(world: World, { name, disk }: WorldNode): Promise<void> {
  const { clock } = world
  const ports = { clock, rng: world.rng(`${name}/past`), log: silentLogger }
  const store = await openMemoryStore(ports, { disk })
  const batch = store.batch()
  for (const bucket of PAST) {
    for await (const [key] of store.iterate(bucket)) batch.del(bucket, key)
  }
  await batch.commit()
  await store.journal.trim(store.headSeq() + 1)
  await store.close()
}
