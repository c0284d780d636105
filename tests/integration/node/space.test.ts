import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLogger, systemClock, systemRng } from '../../../src/base/index.ts'
import { createNode, type HearsayNode } from '../../../src/node/index.ts'
import { type FilePort, systemFiles } from '../../../src/store/index.ts'

const MIB = 1024 * 1024

let home: string
let freeBytes: number
let node: HearsayNode

const files: FilePort = { ...systemFiles, freeBytes: async () => freeBytes }

beforeEach(async () => {
  freeBytes = 30 * MIB
  home = await mkdtemp(join(tmpdir(), 'hearsay-space-'))
  node = await createNode(
    { clock: systemClock, rng: systemRng, log: silentLogger, files },
    {
      home,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      mailboxQuotaBytes: 512 * MIB,
      version: '0.1.0',
    },
  )
  await node.start()
  await node.api.network.create({ name: 'one', preset: 'swift' }, {})
})
afterEach(async () => {
  await node.stop()
  await rm(home, { recursive: true, force: true })
})

async function untilRoom(bytes: number): Promise<void> {
  const from = performance.now()
  for (;;) {
    const { storage } = await node.api.node.status()
    if (storage.boxRoomBytes === bytes) return
    if (performance.now() - from > 20_000) throw new Error(`never room for ${bytes} bytes`)
    await systemClock.sleep(20)
  }
}

describe('a node that starts on a disk that is nearly full', () => {
  it('takes no box from its first moment on, says so once, and goes on when there is room', async () => {
    const { storage, health } = await node.api.node.status()
    expect(storage).toMatchObject({
      boxes: 0,
      boxBytes: 0,
      boxQuotaBytes: 512 * MIB,
      boxRoomBytes: 0,
      boxLifetimeMs: 2 * 86_400_000,
      retentionMs: null,
    })
    expect(health.map(({ code }) => code)).toContain('STORAGE_LOW')
    freeBytes = 100 * 1024 * MIB
    await untilRoom(512 * MIB)
    const { items } = await node.api.events.list({ after: 0, limit: 100 })
    const told = items.map(({ type }) => type).filter((type) => type.startsWith('storage.'))
    expect(told).toEqual(['storage.low', 'storage.recovered'])
  })

  it('has another quota at once, also for the network that it joins next', async () => {
    freeBytes = 100 * 1024 * MIB
    await untilRoom(512 * MIB)
    node.setMailboxQuota(128 * MIB)
    const quota = { boxQuotaBytes: 128 * MIB, boxRoomBytes: 128 * MIB }
    expect((await node.api.node.status()).storage).toMatchObject(quota)
    await node.api.network.leave({ wipe: true }, {})
    expect((await node.api.node.status()).storage).toMatchObject({ boxes: 0, retentionMs: null })
    await node.api.network.create({ name: 'two', preset: 'swift' }, {})
    expect((await node.api.node.status()).storage).toMatchObject(quota)
  })
})
