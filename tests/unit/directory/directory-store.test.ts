import { expect, it } from 'vitest'
import { concat, silentLogger, u32be } from '../../../src/base/index.ts'
import { DirectoryStore } from '../../../src/directory/directory-store.ts'
import { BUCKETS, memoryDisk, openMemoryStore } from '../../../src/store/index.ts'
import { damage } from '../../support/copied-disk.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const id = (fill: number) => new Uint8Array(32).fill(fill)

it('a damaged row of the directory costs what others have too, and nothing else', async () => {
  const disk = memoryDisk()
  const ports = { clock: new VirtualClock(), rng: seededRng('directory'), log: silentLogger }
  const buckets = [BUCKETS.descriptors, BUCKETS.frozenSets, BUCKETS.descriptorConflicts] as const
  const first = await openMemoryStore(ports, { disk })
  for (const fill of [1, 2, 3]) {
    const batch = first.batch()
    for (const bucket of buckets) batch.put(bucket, concat(u32be(fill), id(fill)), id(fill))
    await batch.commit()
  }
  await first.close()
  for (const bucket of buckets) await damage(disk, bucket, (key) => key[3] === 2)
  const store = await openMemoryStore(ports, { disk })
  const directory = new DirectoryStore(store)
  expect(await directory.descriptors()).toEqual([id(1), id(3)])
  expect(await directory.conflicts()).toEqual([id(1), id(3)])
  expect((await directory.frozen()).map(({ epoch }) => epoch)).toEqual([1, 3])
  await directory.dropFrozenBefore(3)
  await directory.flush()
  expect((await directory.frozen()).map(({ epoch }) => epoch)).toEqual([3])
  expect((await store.check()).damaged).toEqual({ descriptors: 1, descriptorConflicts: 1 })
})
