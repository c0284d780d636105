import { afterEach, describe, expect, it } from 'vitest'
import { BUCKETS, type MemoryDisk } from '../../../src/store/index.ts'
import { copiedDisk, damage } from '../../support/copied-disk.ts'
import { World, type WorldNode } from '../../support/world.ts'

const running: World[] = []
afterEach(async () => {
  for (const world of running.splice(0)) await world.stop()
})

/** Damaged rows of each bucket, one at a time, spread over it. */
const ROWS_TRIED = 3

async function rowsOf(disk: MemoryDisk, bucket: number): Promise<number> {
  let count = 0
  const range = { gte: Uint8Array.of(bucket), lt: Uint8Array.of(bucket + 1) }
  for await (const _ of disk.engine.keys(range)) count++
  return count
}

/** Alice has every kind of row: a history both ways, texts under way, boxes, keys, tags. */
async function lived(): Promise<{ world: World; alice: WorldNode; known: Set<string> }> {
  const world = await World.of(['alice', 'bob', 'carol'], { seed: 'damage' })
  running.push(world)
  const [alice, bob, carol] = world.nodes as [WorldNode, WorldNode, WorldNode]
  await world.befriend(alice, bob)
  await world.befriend(alice, carol)
  await bob.send('alice', 'of bob')
  await carol.send('alice', 'of carol')
  await world.until('texts', async () => (await alice.received()).length === 2)
  await bob.stop()
  await alice.send('bob', 'under way')
  await world.run(5_000)
  await alice.send('bob', 'queued')
  await alice.stop()
  return { world, alice, known: new Set(['of bob', 'of carol']) }
}

describe('a whole node with one damaged row', () => {
  it('starts, shows what is whole, and says what is not', async () => {
    const { world, alice, known } = await lived()
    const whole = alice.disk
    const tried = new Set<string>()
    for (const [name, bucket] of Object.entries(BUCKETS)) {
      const rows = await rowsOf(whole, bucket)
      for (let n = 0; n < Math.min(rows, ROWS_TRIED); n++) {
        tried.add(name)
        const hit = Math.floor((rows * n) / Math.min(rows, ROWS_TRIED))
        const what = `row ${hit} of ${rows} in ${name}`
        alice.disk = await copiedDisk(whole)
        let row = 0
        await damage(alice.disk, bucket, () => row++ === hit)
        await alice.start()
        const shown = await alice.received()
        const missing = [...known].filter((text) => !shown.includes(text))
        const { damagedValues } = await alice.store.space()
        const { damaged } = await alice.store.check()
        const isSaid = damagedValues > 0 || Object.keys(damaged).length > 0
        expect({ what, foreign: shown.filter((text) => !known.has(text)) }).toEqual({
          what,
          foreign: [],
        })
        expect({ what, isSaid }).toEqual({ what, isSaid: true })
        // One message, and none of a contact that is hit.
        const most = name === 'messages' || name === 'conversations' ? 1 : 0
        expect({ what, fits: missing.length <= most }).toEqual({ what, fits: true })
        const phases = ['bob', 'carol'].map((alias) => {
          const found = alice.session.conversations.contacts().find((each) => each.alias === alias)
          return found?.phase ?? 'lost'
        })
        const untouched = phases.filter((phase) => phase === 'ready').length
        expect({ what, goesOn: untouched > 0 }).toEqual({ what, goesOn: true })
        await alice.stop()
      }
    }
    expect([...tried]).toEqual(
      expect.arrayContaining([
        'contacts',
        'sendGroups',
        'streams',
        'readWindows',
        'outbox',
        'messages',
        'messageIndex',
        'hotBoxes',
        'boxes',
        'mixKeys',
        'replayTags',
        'descriptors',
      ]),
    )
    await world.run(0)
  })
})
