import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Event } from '../../../rpc/client/index.ts'
import { silentLogger, systemClock, systemRng } from '../../../src/base/index.ts'
import { readVaultKey, restoreBackup, systemFiles } from '../../../src/store/index.ts'
import { appendEvents, openHome } from '../../support/old-events.ts'
import { RpcNode } from '../../support/rpc-node.ts'

const BACKUP_AT = 4_800
const CURSOR = 1_500
const READ = 5_010
const ports = { clock: systemClock, rng: systemRng, log: silentLogger }

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hearsay-restored-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

/** A home with a backup of it, after which more events came than the backup has. */
async function lived(file: string): Promise<string> {
  const node = await RpcNode.start()
  await node.stop()
  const store = await openHome(node.home)
  try {
    await store.consumers.create('bot', { from: 'start' })
    await appendEvents(store, BACKUP_AT - store.headSeq())
    await store.consumers.ack('bot', CURSOR)
    await store.backup({ path: file })
    await appendEvents(store, READ - BACKUP_AT)
  } finally {
    await store.close()
  }
  return node.home
}

/** A home that was made of it, and in which other events have come since. */
async function restored(file: string, keyFile: string): Promise<string> {
  const home = join(root, 'home')
  const vaultKey = await readVaultKey(systemFiles, keyFile)
  await restoreBackup(ports, { file, dir: home, vaultKey })
  copyFileSync(keyFile, join(home, 'vault.key'))
  const store = await openHome(home)
  try {
    await appendEvents(store, 300)
  } finally {
    await store.close()
  }
  return home
}

describe('a backup that is restored under a worker', () => {
  it('refuses what the worker still acknowledges, tells it so, and gives every event that it has not', async () => {
    const file = join(root, 'one.backup')
    await using former = await RpcNode.start({ home: await lived(file) })
    const held: Event[] = []
    const reading = await former.client.subscribe({ consumer: 'bot', maxInFlight: 4_096 })
    for await (const event of reading) {
      held.push(event)
      if (event.seq === READ) break
    }
    const last = held.at(-1)
    if (last === undefined) throw new Error('no event')
    const { epoch: formerEpoch } = await former.client.call('node.status')
    expect(last.epoch).toBe(formerEpoch)
    await former.stop()

    const home = await restored(file, join(former.home, 'vault.key'))
    await using present = await RpcNode.start({ home })
    const { client } = present
    const { epoch, headSeq: head } = await client.call('node.status')
    expect(epoch).not.toBe(formerEpoch)
    // The number of the held event is that of another one here.
    expect(head).toBeGreaterThan(last.seq)
    const again = await client.subscribe({ consumer: 'bot', maxInFlight: 4_096 })
    await expect(again.ack(last)).rejects.toMatchObject({
      code: 1401,
      kind: 'CURSOR_AHEAD',
      data: { head, epoch, hint: expect.stringContaining('subscribe anew') as string },
    })
    const resumed = await present.fails('events.list', { after: last.seq, epoch: formerEpoch })
    expect(resumed).toMatchObject({ code: 1401, data: { head, epoch } })
    const { items } = await client.call('events.consumers.list')
    expect(items).toMatchObject([{ name: 'bot', cursor: CURSOR, formerEpoch }])

    const given: Event[] = []
    for await (const event of again) {
      given.push(event)
      if (event.seq === head) break
    }
    expect(given.map(({ seq }) => seq)).toEqual(given.map((_, i) => CURSOR + 1 + i))
    expect(given).toHaveLength(head - CURSOR)
    expect(new Set(given.map((event) => event.epoch))).toEqual(new Set([epoch]))
    const end = given.at(-1)
    if (end === undefined) throw new Error('no event')
    await again.ack(end)
    const after = await client.call('events.consumers.list')
    expect(after.items).toEqual([{ name: 'bot', cursor: head, lag: 0 }])
  })
})
