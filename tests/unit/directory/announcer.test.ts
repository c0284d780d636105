import { expect, it } from 'vitest'
import { silentLogger, TaskGroup } from '../../../src/base/index.ts'
import { admitOpen } from '../../../src/directory/admission.ts'
import { Announcer } from '../../../src/directory/announcer.ts'
import type { DirectoryStore } from '../../../src/directory/directory-store.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { T0, testContent, testNetwork, testNode } from './fixtures.ts'

it('shows a descriptor to nobody, not even to those who ask, before it is on disk', async () => {
  const said: string[] = []
  const clock = new VirtualClock(T0)
  const network = testNetwork()
  const node = testNode(1)
  const store = {
    admission: async () => admitOpen(T0),
    putDescriptor: () => void said.push('put'),
    flush: async () => {
      await Promise.resolve()
      said.push('on disk')
    },
  } satisfies Pick<DirectoryStore, 'admission' | 'putDescriptor' | 'flush'>
  const tasks = new TaskGroup(silentLogger)
  const announcer = new Announcer(
    {
      clock,
      rng: seededRng('announcer'),
      log: silentLogger,
      pubsub: {
        publish: async () => {
          said.push('sent')
          return 1
        },
      },
      store: store as unknown as DirectoryStore,
      tasks,
      sign: node.sign,
      accept: () => void said.push('in the table'),
      lastSequence: () => 0,
    },
    network,
    node.nodeId,
    testContent(network, node),
  )
  await announcer.start()
  await tasks.stop()
  expect(said).toEqual(['put', 'on disk', 'in the table', 'sent'])
})
