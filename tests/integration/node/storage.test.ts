import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLogger, systemClock, systemRng } from '../../../src/base/index.ts'
import { createNode, type HearsayNode } from '../../../src/node/index.ts'
import { type FilePort, type OpenFile, systemFiles } from '../../../src/store/index.ts'

type Fault = 'none' | 'ENOSPC' | 'EIO'

let home: string
let fault: Fault
let node: HearsayNode

const broken = () => Object.assign(new Error('the disk fails'), { code: fault })

/** A file whose syncs fail on demand. */
const failing = (file: OpenFile): OpenFile => ({
  ...file,
  sync: async () => {
    if (fault !== 'none') throw broken()
    await file.sync()
  },
})

/** The secrets need synced files: every new contact and every key breaks the store. */
const files: FilePort = {
  ...systemFiles,
  freeBytes: async (path) => (fault === 'ENOSPC' ? 0 : systemFiles.freeBytes(path)),
  create: async (path) => failing(await systemFiles.create(path)),
  open: async (path) => {
    const file = await systemFiles.open(path)
    return file && failing(file)
  },
}

const ctx = (key: string) => ({
  idempotency: { scope: 'owner', key, requestHash: new Uint8Array(32).fill(1) },
})

async function start(): Promise<void> {
  node = await createNode(
    { clock: systemClock, rng: systemRng, log: silentLogger, files },
    { home, listen: ['/ip4/127.0.0.1/tcp/0'], version: '0.1.0' },
  )
  await node.start()
}

async function until(state: string): Promise<number> {
  const from = performance.now()
  while ((await node.api.node.status()).state !== state) {
    if (performance.now() - from > 20_000) throw new Error(`never ${state}`)
    await systemClock.sleep(20)
  }
  return performance.now() - from
}

beforeEach(async () => {
  fault = 'none'
  home = await mkdtemp(join(tmpdir(), 'hearsay-storage-'))
  await start()
  await node.api.network.create({ name: 'one', preset: 'swift' }, {})
  await node.api.events.consumers.create({ name: 'bot', from: 'start' }, {})
})
afterEach(async () => {
  fault = 'none'
  await node.stop()
  await rm(home, { recursive: true, force: true })
})

describe('a node whose disk fails', () => {
  it.each(['ENOSPC', 'EIO'] as const)(
    'reads on, acknowledges nothing new, and is back by itself within 5 s (%s)',
    async (kind) => {
      const { api } = node
      const first = await api.contacts.invite({ label: 'before' }, ctx('before'))
      const head = (await api.node.status()).headSeq
      fault = kind
      await expect(api.contacts.invite({ label: 'under way' }, ctx('retry'))).rejects.toMatchObject(
        {
          code: kind === 'EIO' ? 'storage-failed' : 'storage-full',
        },
      )
      await until('readonly')
      await expect(api.contacts.invite({ label: 'late' }, ctx('late'))).rejects.toMatchObject({
        code: 'storage-poisoned',
      })
      await expect(api.peers.ban({ peerId: 'x' }, ctx('ban'))).rejects.toMatchObject({
        code: 'storage-poisoned',
      })
      // Nothing of this needs the disk to take writes.
      expect((await api.events.list({ after: 0, limit: 100 })).head).toBe(head)
      expect(await api.events.ack({ consumer: 'bot', seq: head })).toEqual({ cursor: head })
      expect((await api.contacts.list({ limit: 10 })).items.length).toBeGreaterThan(0)
      const { health } = await api.node.status()
      expect(health.map(({ code }) => code)).toContain('STORAGE_READONLY')
      expect((await api.contacts.invite({ label: 'before' }, ctx('before'))).replayed).toBe(true)

      fault = 'none'
      expect(await until('running')).toBeLessThan(5000)
      const status = await api.node.status()
      expect(status.network?.name).toBe('one')
      expect((await api.events.consumers.list()).items).toMatchObject([
        { name: 'bot', cursor: head },
      ])
      const again = await api.contacts.invite({ label: 'under way' }, ctx('retry'))
      expect(again.inviteId).not.toBe(first.inviteId)
      const { items } = await api.events.list({ after: head, limit: 100 })
      const told = items.map(({ type }) => type).filter((type) => type.startsWith('storage.'))
      expect(told).toEqual(
        kind === 'EIO' ? ['storage.recovered'] : ['storage.full', 'storage.recovered'],
      )
      const labels = (await api.contacts.list({ limit: 10 })).items.map(({ alias }) => alias)
      expect(labels.filter((label) => label === 'under way').length).toBeLessThan(2)
    },
  )

  it('stops while it waits for the disk, and starts again on what was acknowledged', async () => {
    const invited = await node.api.contacts.invite({ label: 'before' }, ctx('before'))
    fault = 'EIO'
    await node.api.contacts.invite({ label: 'lost' }, ctx('lost')).catch(() => undefined)
    await until('readonly')
    await node.stop()
    fault = 'none'
    await start()
    const again = await node.api.contacts.invite({ label: 'before' }, ctx('before'))
    expect(again).toMatchObject({ inviteId: invited.inviteId, replayed: true })
  })
})
