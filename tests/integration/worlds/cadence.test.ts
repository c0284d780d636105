import { afterEach, describe, expect, it } from 'vitest'
import { concat } from '../../../src/base/index.ts'
import { PUBLICATION_BYTES } from '../../../src/gossip/constants.ts'
import { frameBytes } from '../../../src/mix/frame.ts'
import { coverBox, parseBox } from '../../../src/stream/index.ts'
import {
  type Beat,
  cyclesIn,
  findFlaws,
  findShift,
  measureCadence,
  slotsIn,
} from '../../support/cadence.ts'
import { Capture, type OwnPacket, Publications } from '../../support/capture.ts'
import { ksTwoSample } from '../../support/statistics.ts'
import { World, type WorldNode, type WorldOptions } from '../../support/world.ts'

const SIGNIFICANCE = 0.01
const LONG_MS = 150_000
const STRETCH_MS = 80_000
const SHORT_MS = 30_000
const DAY_MS = 86_400_000
/** Longer than any packet is under way. */
const ON_ITS_WAY_MS = 5_000
/** Fills a box and most of another. */
const PARAGRAPH = 'x'.repeat(1_700)

const running: World[] = []

afterEach(async () => {
  for (const world of running.splice(0)) await world.stop()
})

/** Three nodes that publish once in three slots, 80 times a minute; alice and bob are contacts. */
async function threeNodes(options: WorldOptions) {
  const overrides = { boxRate: 4, ...options.overrides }
  const world = await World.of(['alice', 'bob', 'carol'], { ...options, overrides })
  running.push(world)
  const [alice, bob, carol] = world.nodes as [WorldNode, WorldNode, WorldNode]
  await world.befriend(alice, bob)
  // The last acks of the key exchange.
  await world.run(10_000)
  return { world, alice, bob, carol }
}

type Here = Awaited<ReturnType<typeof threeNodes>>

/** What alice and the network sent while `work` lasted. */
interface Run {
  readonly here: Here
  readonly capture: Capture
  readonly from: number
  readonly to: number
  /** Every slot of it. */
  readonly slots: readonly Beat[]
  readonly publications: Publications['seen']
}

async function record(
  options: WorldOptions,
  work: (here: Here) => Promise<void>,
  plant: (here: Here) => void = () => undefined,
): Promise<Run> {
  const here = await threeNodes({ ...options, drawsByMoment: true })
  const { world, alice } = here
  plant(here)
  const publications = Publications.of(world)
  const capture = Capture.of(world, alice)
  const from = capture.now
  await work(here)
  const to = capture.now
  capture.stop()
  return {
    here,
    capture,
    from,
    to,
    slots: slotsIn(gridOf(here), from, to),
    publications: publications.seen,
  }
}

function gridOf({ world }: Here) {
  const { slotMs, layerEpochMs } = world.network.parameters
  return { originMs: world.network.createdAt, slotMs, epochMs: layerEpochMs }
}

/** Lets `ms` pass with `depth` messages from alice to bob queued all the time. */
async function withQueue({ world, alice }: Here, depth: number, ms: number): Promise<void> {
  const end = world.clock.monotonic() + ms
  while (world.clock.monotonic() < end) {
    while (alice.session.conversations.depth().queued < depth) await alice.send('bob', PARAGRAPH)
    await world.run(250)
  }
}

const idleFor = (ms: number) => (here: Here) => here.world.run(ms)
const queueFor = (ms: number) => (here: Here) => withQueue(here, 20, ms)

/**
 * What tells two runs of one seed apart, one idle and one busy, and what is wrong with either; empty when nothing is.
 * Up to the beginning of the work both are the same, and so is from then on what a node draws at the same moment.
 */
function findLeaks(idle: Run, busy: Run, slots: readonly Beat[] = busy.slots): string[] {
  expect(idle.from).toBe(busy.from)
  const leaks = Object.entries({ idle, busy }).flatMap(([name, run]) =>
    flawsOf(run, slots).map((flaw) => `${name}: ${flaw}`),
  )
  const within = ({ capture }: Run) =>
    capture.packets.filter(({ dueAt }) => dueAt < Math.min(idle.to, busy.to) - 1)
  const [a, b] = [within(idle), within(busy)]
  if (a.length !== b.length) leaks.push(`${a.length} packets idle, ${b.length} busy`)
  const moved = a.filter((packet, i) => !isAlike(packet, b[i]))
  if (moved.length > 0) leaks.push(`${moved.length} packets at other moments`)
  return leaks
}

function flawsOf({ here, capture, from, to, publications }: Run, slots: readonly Beat[]): string[] {
  const size = frameBytes(here.alice.session.mix.geometry)
  const flaws = findFlaws(measureCadence(capture.sightings, slots), size, SIGNIFICANCE)
  if (capture.stray > 0) flaws.push(`${capture.stray} frames of nobody`)
  if (capture.sizes.some((each) => each !== size)) flaws.push(`frames of ${capture.sizes}`)
  if (publications.some((each) => each.size !== PUBLICATION_BYTES)) flaws.push('sizes in gossip')
  // One of each node in each cycle, but for those that were under way when it began or ended.
  const cycles = cyclesIn(gridOf(here), here.alice.session.publishEvery, from, to)
  const due = here.world.nodes.length * cycles.length
  const { length } = publications
  if (cycles.length > 0 && (length < due - 12 || length > due + 12)) {
    flaws.push(`${length} publications in ${cycles.length} cycles`)
  }
  return flaws
}

function isAlike(a: OwnPacket, b: OwnPacket | undefined): boolean {
  return a.slot === b?.slot && a.kind === b.kind && a.dueAt === b.dueAt && a.at === b.at
}

const countReal = ({ capture }: Run) => capture.packets.filter(({ real }) => real).length

describe('what a node sends', () => {
  it('is the same with 0 and with 20 messages queued, refreshes of the keys included', async () => {
    const idle = await record({ seed: 'queue' }, idleFor(LONG_MS))
    const busy = await record({ seed: 'queue' }, queueFor(LONG_MS))
    expect(idle.slots.length).toBeGreaterThan(590)
    expect(countReal(busy)).toBeGreaterThan(180)
    expect(countReal(idle)).toBe(0)
    expect(busy.here.alice.jobs.refresh ?? 0).toBeGreaterThan(0)
    expect(busy.here.bob.jobs.followCommit ?? 0).toBeGreaterThan(0)
    expect(findLeaks(idle, busy)).toEqual([])
  })

  it('is the same while it makes new contacts', async () => {
    const seed = 'contacts'
    const idle = await record({ seed }, idleFor(STRETCH_MS))
    const busy = await record({ seed }, async ({ world, alice, bob }) => {
      const end = world.clock.monotonic() + STRETCH_MS
      for (let i = 0; world.clock.monotonic() < end; i++) {
        const [inviter, claimer] = i % 2 === 0 ? [alice, bob] : [bob, alice]
        await claimer.accept(await inviter.invite(`friend ${i}`), `friend ${i}`)
        await world.until('ready', () => claimer.phase(`friend ${i}`) === 'ready')
      }
    })
    const { jobs } = busy.here.alice
    expect(jobs.acceptClaim).toBeGreaterThan(2)
    expect(jobs.acceptOffer).toBeGreaterThan(2)
    expect(countReal(busy)).toBeGreaterThan(20)
    expect(findLeaks(idle, busy, idle.slots)).toEqual([])
  })

  it('is the same on a disk that is slow, and real boxes leave at the moments of cover', async () => {
    const diskMs = (rng: { bytes(length: number): Uint8Array }) => (rng.bytes(1)[0] ?? 0) / 3
    const idle = await record({ seed: 'disk', diskMs }, idleFor(2 * STRETCH_MS))
    const busy = await record({ seed: 'disk', diskMs }, async ({ world, alice }) => {
      const end = world.clock.monotonic() + 2 * STRETCH_MS
      while (world.clock.monotonic() < end) {
        await alice.send('bob', PARAGRAPH)
        await world.run(2_500)
      }
    })
    expect(findLeaks(idle, busy, idle.slots)).toEqual([])
    const { real, cover } = busy.capture.momentsInSlot()
    expect(Math.min(real.length, cover.length)).toBeGreaterThan(60)
    expect(ksTwoSample(real, cover)).toBeGreaterThan(SIGNIFICANCE)
  })

  it('is the same when the link goes and comes back, with a queue and without', async () => {
    const options = { seed: 'link', overrides: { rejoinHoldMs: 20_000 } }
    const stretches: Beat[] = []
    const away =
      (depth: number) =>
      async (here: Here): Promise<void> => {
        const { world, alice, bob } = here
        for (let i = 0; i < 3; i++) {
          world.air.setOnline(alice.nodeId, false)
          for (let n = 0; n < depth; n++) await alice.send('bob', PARAGRAPH)
          await bob.send('alice', 'while you were away')
          await world.run(32_000)
          world.air.setOnline(alice.nodeId, true)
          // Until its links stand again.
          await world.run(2_000)
          const start = world.network.createdAt + world.clock.monotonic()
          await world.run(25_000)
          stretches.push(...slotsIn(gridOf(here), start, start + 25_000))
        }
      }
    const idle = await record(options, away(0))
    const slots = stretches.splice(0)
    const busy = await record(options, away(20))
    expect(stretches).toEqual(slots)
    expect(countReal(busy)).toBeGreaterThan(20)
    const leaks = findLeaks(idle, busy, slots).filter((leak) => !leak.includes('publications'))
    expect(leaks).toEqual([])
  })

  it('carries nothing real during the hold after an absence', async () => {
    const here = await threeNodes({ seed: 'holds', overrides: { rejoinHoldMs: 60_000 } })
    const { world, alice } = here
    world.air.setOnline(alice.nodeId, false)
    for (let n = 0; n < 20; n++) await alice.send('bob', PARAGRAPH)
    await world.run(35_000)
    const capture = Capture.of(world, alice)
    world.air.setOnline(alice.nodeId, true)
    await world.until('linked', () => alice.session.mix.holdLeftMs() > 0)
    const hold = alice.session.mix.holdLeftMs()
    expect(hold).toBeGreaterThan(5_000)
    const end = capture.now + hold
    await world.run(hold + 20_000)
    const published = capture.packets.filter(({ kind }) => kind === 'publish')
    const real = published.filter((packet) => packet.real)
    expect(real.length).toBeGreaterThan(10)
    expect(real.filter(({ dueAt }) => dueAt < end)).toEqual([])
    expect(published.filter(({ dueAt }) => dueAt < end).length).toBeGreaterThan(5)
  })

  it('is dated today on both sides of midnight, real and cover', async () => {
    const startMs = Date.UTC(2026, 0, 15, 23, 58)
    const midnight = Date.UTC(2026, 0, 16)
    const options = { seed: 'midnight', startMs }
    const idle = await record(options, idleFor(160_000))
    const busy = await record(options, async (here) => {
      await withQueue(here, 3, 60_000)
      await here.world.run(40_000)
      // Minutes of nothing but real boxes must not leave old cover behind.
      await withQueue(here, 20, 60_000)
    })
    expect(findLeaks(idle, busy)).toEqual([])
    const { ttlDays } = busy.here.world.network.parameters
    const { publications } = busy
    expect(publications.some(({ at }) => at < midnight)).toBe(true)
    expect(publications.some(({ at, real }) => at > midnight && real)).toBe(true)
    const odd = publications.filter(
      ({ at, expiryDay }) => expiryDay !== Math.floor(at / DAY_MS) + ttlDays,
    )
    // On its way at midnight, whatever it carries.
    expect(odd.every(({ at }) => at - midnight < ON_ITS_WAY_MS)).toBe(true)
  })
})

describe('what couriers publish', () => {
  it('is as much, by the same couriers and at such moments, whoever writes', async () => {
    const overrides = { boxRate: 8 }
    const idle = await record({ seed: 'couriers', overrides }, idleFor(STRETCH_MS))
    const busy = await record({ seed: 'couriers', overrides }, queueFor(STRETCH_MS))
    expect(findLeaks(idle, busy)).toEqual([])
    const { slotMs } = busy.here.world.network.parameters
    const { createdAt } = busy.here.world.network
    const phase = ({ at }: { at: number }) => ((at - createdAt) % slotMs) / slotMs
    const real = busy.publications.filter((each) => each.real)
    const cover = busy.publications.filter((each) => !each.real)
    expect(real.length).toBeGreaterThan(130)
    expect(cover.length).toBeGreaterThan(150)
    expect([
      ...findShift('idle and busy', idle.publications.map(phase), busy.publications.map(phase)),
      ...findShift('real and cover', real.map(phase), cover.map(phase)),
    ]).toEqual([])
    // Of alice's boxes each courier brings its share, as of everybody's.
    const couriers = [...new Set(busy.publications.map(({ courier }) => courier))]
    const share = (some: typeof real, courier: string) =>
      some.filter((each) => each.courier === courier).length / some.length
    expect(couriers.length).toBeGreaterThan(1)
    for (const courier of couriers) {
      const expected = share(cover, courier)
      const sigma = Math.sqrt((expected * (1 - expected)) / real.length)
      expect(Math.abs(share(real, courier) - expected)).toBeLessThan(4 * sigma)
    }
  })
})

describe('a leak is found by the same checks', () => {
  const queued = (node: WorldNode) => node.session.conversations.depth().queued > 0
  /** Puts something between alice's mix and her links. */
  const onLinks =
    (
      change: (
        send: (bytes: Uint8Array) => boolean,
        bytes: Uint8Array,
        here: Here,
      ) => boolean | Promise<void>,
    ) =>
    (here: Here): void => {
      const { links } = here.alice.session.net
      const send = links.send.bind(links)
      links.send = (peer, protocol, bytes) => {
        const result = change((changed) => send(peer, protocol, changed), bytes, here)
        return typeof result === 'boolean' ? result : true
      }
    }
  const late = (ms: (left: number) => number) =>
    onLinks((send, bytes, { world, alice }) => {
      const { slotMs } = world.network.parameters
      const left = slotMs - (world.clock.monotonic() % slotMs)
      if (!queued(alice)) return send(bytes)
      return world.clock.sleep(ms(left)).then(() => void send(bytes))
    })
  const planted: Readonly<Record<string, (here: Here) => void>> = {
    'an extra frame when messages wait': onLinks((send, bytes, { world, alice }) => {
      if (queued(alice))
        send(concat(bytes.subarray(0, 1), world.rng('extra').bytes(bytes.length - 1)))
      return send(bytes)
    }),
    'an extra box when messages wait': ({ world, alice }) => {
      const { conversations, gossip } = alice.session
      const published = conversations.published.bind(conversations)
      const { id: networkId } = world.network
      conversations.published = async (box, hasLeft) => {
        const { expiryDay } = parseBox(box)
        await gossip.publish(coverBox({ networkId, expiryDay, rng: world.rng('planted') }))
        await published(box, hasLeft)
      }
    },
    'lateness when messages wait': late(() => 20),
    'lateness that never leaves its slot': late((left) => Math.min(50, left / 2)),
    'another size when messages wait': onLinks((send, bytes, { alice }) =>
      send(queued(alice) ? concat(bytes, Uint8Array.of(0)) : bytes),
    ),
    'more publications when messages wait': ({ alice }) => {
      const { session } = alice
      const honest = session.publishEvery
      Object.defineProperty(session, 'publishEvery', {
        get: () => (queued(alice) ? honest - 1 : honest),
      })
    },
  }

  it.each(Object.entries(planted))('%s', async (name, plant) => {
    const idle = await record({ seed: name }, idleFor(SHORT_MS), plant)
    const busy = await record({ seed: name }, queueFor(SHORT_MS), plant)
    expect(findLeaks(idle, busy)).not.toEqual([])
  })

  it('no cover when nothing waits', async () => {
    const plant = onLinks((send, bytes, { alice }) => !queued(alice) || send(bytes))
    const idle = await record({ seed: 'no cover' }, idleFor(SHORT_MS), plant)
    const busy = await record({ seed: 'no cover' }, queueFor(SHORT_MS), plant)
    expect(findLeaks(idle, busy)).not.toEqual([])
  })

  it('and what has no leak passes the same short run', async () => {
    const idle = await record({ seed: 'control' }, idleFor(SHORT_MS))
    const busy = await record({ seed: 'control' }, queueFor(SHORT_MS))
    expect(findLeaks(idle, busy)).toEqual([])
  })
})
