import type * as NodeFs from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { utf8 } from '../../../src/base/index.ts'
import { BUCKETS, openStore } from '../../../src/store/index.ts'
import { resolveHome } from '../../../daemon/home.ts'
import { restoreHome } from '../../../daemon/restore.ts'
import { storePorts } from '../../support/store-contract.ts'

/** Moves that are still made before the machine stops. */
const machine = vi.hoisted(() => ({ movesLeft: Number.POSITIVE_INFINITY }))

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof NodeFs>()
  const renameSync: typeof fs.renameSync = (from, to) => {
    if (machine.movesLeft-- <= 0) throw new Error('the machine has stopped')
    fs.renameSync(from, to)
  }
  return { ...fs, renameSync }
})

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'hearsay-steps-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

const open = (dir: string) => openStore(storePorts, { dir, reserveBytes: 4096 })

async function write(dir: string, text: string, path?: string): Promise<void> {
  const store = await open(dir)
  await store.batch().putSecret(BUCKETS.scratch, utf8('a'), utf8(text)).commit()
  if (path !== undefined) await store.backup({ path, withKey: true })
  await store.close()
}

/** What the next start finds: a text, or why it refuses. */
async function next(dir: string): Promise<string> {
  try {
    const store = await open(dir)
    const value = await store.get(BUCKETS.scratch, utf8('a'))
    await store.close()
    return Buffer.from(value ?? []).toString()
  } catch (error) {
    return String((error as { code?: string }).code)
  }
}

it('a restore that stops at any move leaves the old state, the new one or a home that refuses to start', async () => {
  const file = join(root, 'a.backup')
  await write(join(root, 'elsewhere'), 'backed up', file)
  const seen = new Set<string>()
  for (let moves = 0; ; moves++) {
    const dir = join(root, `home-${moves}`)
    await write(dir, 'was here')
    const home = resolveHome(dir, {})
    const request = { file, keyFile: undefined, replace: true, sha256: undefined }
    const restore = () => restoreHome(storePorts, home, request)
    machine.movesLeft = moves
    const stopped = await restore().then(
      () => false,
      () => true,
    )
    machine.movesLeft = Number.POSITIVE_INFINITY
    const found = await next(dir)
    seen.add(found)
    expect([
      'was here',
      'backed up',
      'storage-corrupt',
      'storage-key-mismatch',
      'not-found',
    ]).toContain(found)
    if (!stopped) break
    await restore()
    expect(await next(dir)).toBe('backed up')
  }
  expect(seen.size).toBeGreaterThan(3)
})
