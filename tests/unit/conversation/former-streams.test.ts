import { describe, expect, it } from 'vitest'
import { FORMER_STREAMS_MAX, RECORDS_PER_TURN } from '../../../src/conversation/constants.ts'
import { BUCKETS } from '../../../src/store/index.ts'
import { damage } from '../../support/copied-disk.ts'
import { type Air, type Device, OPTIONS, pair } from '../../support/devices.ts'

const DAY_MS = 86_400_000
/** Longer than a hole is waited for in a stream. */
const GAP_SLOTS = 640

interface Two {
  readonly air: Air
  readonly alice: Device
  readonly bob: Device
}

/** Alice writes a text that bob does not hear, and others that wait with him behind it and are acknowledged. */
async function heldBehindHole({ air, alice, bob }: Two, name: string, count = 1): Promise<void> {
  await air.slots(12)
  air.keepers = false
  bob.keeps = false
  air.hears = (_box, to) => to !== bob
  await alice.send(`missed ${name}`)
  await air.slot()
  let boxes = 0
  air.hears = (_box, to) => to !== bob || air.sent.at(-1)?.from !== 'alice' || boxes++ === 0
  let held = await alice.send(`held ${name}`)
  for (let i = 1; i < count; i++) held = await alice.send(`held ${name} ${i}`)
  await air.until(async () => (await alice.state(held)) === 'delivered')
  expect(await bob.received()).not.toContain(`held ${name}`)
  air.hears = () => true
}

/** This device loses what it writes with, and comes back as a new one; its windows are whole. */
async function comesBack({ air, alice, bob }: Two, device: Device): Promise<void> {
  await device.crash()
  await damage(device.disk, BUCKETS.streams)
  await device.restart()
  for (const each of [alice, bob]) await each.noteResetPlaces()
  await air.until(() => alice.phase() === 'ready' && bob.phase() === 'ready', 400)
  await air.until(() => alice.conversations.outbox().length === 0, 400)
}

const gaps = async (device: Device) =>
  (await device.journal('message.gap')).map(({ data }) => data['missing'])

describe('a text that waited, acknowledged, behind a hole of a stream that is over', () => {
  it.each([
    ['alice', 'alice'],
    ['alice', 'bob'],
    ['bob', 'alice'],
    ['bob', 'bob'],
  ] as const)('outlives a second recovery: %s, then %s', async (first, second) => {
    const two = await pair()
    const { air, alice, bob } = two
    await heldBehindHole(two, 'text')
    await comesBack(two, two[first])
    await comesBack(two, two[second])
    expect(await bob.received()).toEqual(['missed text'])
    await air.slots(GAP_SLOTS)
    expect(await bob.received()).toEqual(['missed text', 'held text'])
    // All that was missing came in the new stream.
    expect(await gaps(bob)).toEqual([])
    expect(await alice.events()).not.toContain('message.failed')
  })

  it('outlives a restart of its reader between two recoveries', async () => {
    const two = await pair()
    const { air, alice, bob } = two
    await heldBehindHole(two, 'text')
    for (let i = 0; i < 2; i++) {
      await comesBack(two, alice)
      await bob.crash()
      await bob.restart()
    }
    await air.slots(GAP_SLOTS)
    expect(await bob.received()).toEqual(['missed text', 'held text'])
  })

  it('of every stream that is kept arrives', async () => {
    const two = await pair()
    const { air, alice, bob } = two
    const names = Array.from({ length: FORMER_STREAMS_MAX }, (_, i) => `${i}`)
    for (const name of names) {
      await heldBehindHole(two, name)
      await comesBack(two, alice)
    }
    await air.slots(GAP_SLOTS)
    const expected = names.flatMap((name) => [`missed ${name}`, `held ${name}`])
    expect((await bob.received()).toSorted()).toEqual(expected.toSorted())
    expect(await gaps(bob)).toEqual([])
  })

  it('is told of when its stream is the one too many', async () => {
    const two = await pair()
    const { air, alice, bob } = two
    await heldBehindHole(two, 'first')
    await comesBack(two, alice)
    for (let i = 0; i < FORMER_STREAMS_MAX; i++) {
      expect(await gaps(bob)).toEqual([])
      await comesBack(two, alice)
    }
    expect(await gaps(bob)).toEqual(['1'])
    await air.slots(GAP_SLOTS)
    expect(await bob.received()).toEqual(['missed first'])
  })

  it('arrives when its reader was off until the stream ended', async () => {
    const two = await pair()
    const { air, alice, bob } = two
    await heldBehindHole(two, 'text')
    await comesBack(two, alice)
    await bob.crash()
    await air.clock.advance(OPTIONS.ttlDays * DAY_MS)
    await bob.restart()
    await air.slots(4)
    expect(await bob.received()).toEqual(['missed text', 'held text'])
  })
})

/** Bob holds a text behind a hole, and finds its row damaged when he starts. */
async function heldAndDamaged(two: Awaited<ReturnType<typeof pair>>): Promise<void> {
  const { bob } = two
  await heldBehindHole(two, 'text')
  await bob.crash()
  await damage(bob.disk, BUCKETS.partialRecords)
  await bob.restart()
}

describe('a damaged row of such a text', () => {
  it('in a stream that is over is told of, once', async () => {
    const two = await pair()
    const { air, alice, bob } = two
    await heldBehindHole(two, 'text')
    await comesBack(two, alice)
    await bob.crash()
    await damage(bob.disk, BUCKETS.partialRecords)
    for (let start = 0; start < 2; start++) {
      await bob.restart()
      expect([await gaps(bob), bob.phase()]).toEqual([['1'], 'ready'])
      await bob.crash()
    }
    await bob.restart()
    await air.slots(GAP_SLOTS)
    expect([await bob.received(), await gaps(bob)]).toEqual([['missed text'], ['1']])
  })

  it('is told of when a recovery ends the stream before its hole is given up', async () => {
    const two = await pair()
    const { air, alice, bob } = two
    await heldAndDamaged(two)
    expect(await gaps(bob)).toEqual([])
    await comesBack(two, alice)
    await air.slots(GAP_SLOTS)
    expect([await bob.received(), await gaps(bob)]).toEqual([['missed text'], ['1']])
  })

  it('is told of, once, when other starts come before that recovery and after it', async () => {
    const two = await pair()
    const { air, alice, bob } = two
    await heldAndDamaged(two)
    // What comes meanwhile stores the reader without the record.
    let boxes = 0
    air.hears = (_box, to) => to !== bob || air.sent.at(-1)?.from !== 'alice' || boxes++ === 0
    const more = await alice.send('more')
    await air.until(async () => (await alice.state(more)) === 'delivered')
    await bob.crash()
    await bob.restart()
    expect([await bob.received(), await gaps(bob)]).toEqual([[], []])
    air.hears = () => true
    for (let recovery = 0; recovery <= FORMER_STREAMS_MAX; recovery++) {
      await comesBack(two, alice)
      await air.slots(GAP_SLOTS)
      expect([await bob.received(), await gaps(bob)]).toEqual([['missed text', 'more'], ['1']])
      await bob.crash()
      await bob.restart()
    }
  })
})

describe('streams that are over', () => {
  it('end together no faster than one that goes on', async () => {
    const two = await pair()
    const { air, alice, bob } = two
    const count = RECORDS_PER_TURN - 4
    for (let stream = 0; stream < FORMER_STREAMS_MAX; stream++) {
      await heldBehindHole(two, `${stream}`, count)
      await comesBack(two, alice)
    }
    await bob.crash()
    await air.clock.advance(OPTIONS.ttlDays * DAY_MS)
    await bob.restart()
    const before = (await bob.received()).length
    const heads = [bob.store.headSeq()]
    bob.store.journal.onAppend(() => heads.push(bob.store.headSeq()))
    await air.slots(4)
    expect((await bob.received()).length - before).toBe(FORMER_STREAMS_MAX * count)
    const events = heads.slice(1).map((head, i) => head - (heads[i] ?? 0))
    expect(Math.max(...events)).toBe(RECORDS_PER_TURN)
  })

  it('leave nothing behind at their end', async () => {
    const two = await pair()
    const { air, alice, bob } = two
    await heldBehindHole(two, 'text')
    await comesBack(two, alice)
    await comesBack(two, bob)
    await air.clock.advance(OPTIONS.ttlDays * DAY_MS)
    await air.slots(8)
    let rows = 0
    for await (const _ of bob.store.keys(BUCKETS.partialRecords)) rows++
    expect(rows).toBe(0)
    await alice.send('after')
    await air.until(async () => (await bob.received()).at(-1) === 'after', 400)
    expect(await bob.received()).toEqual(['missed text', 'held text', 'after'])
  })
})
