import { expect, it } from 'vitest'
import { asNodeId, silentLogger } from '../../../src/base/index.ts'
import { PeerBans } from '../../../src/node/peer-bans.ts'
import { BUCKETS, memoryDisk, openMemoryStore } from '../../../src/store/index.ts'
import { damage } from '../../support/copied-disk.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

it('a ban whose end is damaged has none, and the others are as they were', async () => {
  const clock = new VirtualClock()
  const ports = { clock, rng: seededRng('bans'), log: silentLogger }
  const disk = memoryDisk()
  const [one, two] = [1, 2].map((fill) => asNodeId(new Uint8Array(32).fill(fill)))
  if (one === undefined || two === undefined) throw new Error('no nodes')
  const first = await openMemoryStore(ports, { disk })
  const before = new PeerBans({ store: first, clock })
  const batch = first.batch()
  for (const node of [one, two]) before.ban(batch, node, clock.now() + 1_000)
  await batch.commit()
  await first.close()
  await damage(disk, BUCKETS.peerBans, (key) => key[0] === 1)
  const bans = new PeerBans({ store: await openMemoryStore(ports, { disk }), clock })
  await bans.load()
  await clock.advance(2_000)
  expect([bans.has(one), bans.has(two)]).toEqual([true, false])
})
