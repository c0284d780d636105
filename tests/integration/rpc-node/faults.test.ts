import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { RpcNode, startPair, untilEvent, head } from '../../support/rpc-node.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

describe('a worker thread that dies', () => {
  it('in the middle of jobs costs no contact: the key exchange ends well', async () => {
    const post = Worker.prototype.postMessage
    const tries = new Map<string, number>()
    let killed = 0
    vi.spyOn(Worker.prototype, 'postMessage').mockImplementation(function (this: Worker, ...given) {
      post.apply(this, given as Parameters<typeof post>)
      const call = given[0] as { job?: string } | undefined
      // Two out of three attempts: a job that is lost three times in a row counts as refused.
      if (call?.job === undefined) return
      const tried = (tries.get(call.job) ?? 0) + 1
      tries.set(call.job, tried)
      if (tried % 3 === 0) return
      killed += 1
      this.terminate().catch(() => undefined)
    })
    await using pair = await startPair()
    expect(killed).toBeGreaterThanOrEqual(6)
    const after = await head(pair.bob)
    await pair.alice.client.call('messages.send', { to: 'bob', body: { text: 'still here' } })
    await untilEvent(pair.bob, 'message.received', after)
    for (const node of [pair.alice, pair.bob]) {
      const { items } = await node.client.call('contacts.list')
      expect(items.map(({ state }) => state)).toEqual(['ready'])
    }
  })
})

describe('a disk that is full', () => {
  it('ends writing with one error and a fix, goes on reading, and is fine when there is space again', async () => {
    const home = mkdtempSync(join(tmpdir(), 'hearsay-full-'))
    const mounted = mountSmall(home)
    if (!mounted) return
    try {
      await using alice = await RpcNode.start({ home: join(home, 'h') })
      await alice.client.call('network.create', { name: 'lab', preset: 'swift' })
      await alice.client.call('contacts.invite', { label: 'bob' })
      const ballast = join(home, 'ballast')
      fill(ballast)
      const seen = new Map<number, string>()
      for (let i = 0; i < 200; i++) {
        const error = await alice
          .fails('contacts.invite', { label: `c-${i}` })
          .catch(() => undefined)
        if (error === undefined) continue
        seen.set(error.code, String(error.data['hint']))
        expect([1008, 1009]).toContain(error.code)
        if (error.code === 1009) break
      }
      expect(new Set(seen.keys())).toEqual(new Set([1008, 1009]))
      for (const hint of seen.values()) expect(hint).toMatch(/by itself/)
      const status = await alice.client.call('node.status')
      expect(status).toMatchObject({ state: 'readonly', mixing: { cover: 'off' } })
      const [first] = status.health
      expect(first).toMatchObject({ code: 'STORAGE_READONLY', severity: 'error' })
      expect(status.health.map(({ code }) => code)).not.toContain('NO_PEERS')
      const inVain = await alice.fails('node.wait', { for: 'ready', timeoutMs: 0 })
      expect(inVain.message).toContain('free space')
      const { items } = await alice.client.call('contacts.list')
      expect(items.map(({ alias }) => alias)).toContain('bob')
      await alice.client.call('events.list', { after: 0 })
      const { checks } = await alice.client.call('node.doctor', { checks: ['storage'] })
      expect(checks).toMatchObject([{ ok: false, fix: expect.any(String) }])
      for (const [method, params] of [
        ['events.consumers.create', { name: 'bot' }],
        ['network.leave', { wipe: true }],
        ['config.set', { key: 'log.level', value: 'info', idempotencyKey: 'x' }],
      ] as const) {
        expect({ method, code: (await alice.fails(method, params)).code }).toEqual({
          method,
          code: 1009,
        })
      }
      rmSync(ballast)
      await alice.client.call('node.wait', { for: 'ready', timeoutMs: 10_000 })
      await alice.client.call('contacts.invite', { label: 'healed' })
      await using again = await alice.restart()
      expect(await again.client.call('node.status')).toMatchObject({ state: 'running' })
      await again.client.call('contacts.invite', { label: 'after' })
      const kept = (await again.client.call('contacts.list')).items.map(({ alias }) => alias)
      expect(kept).toEqual(expect.arrayContaining(['bob', 'healed', 'after']))
    } finally {
      execFileSync('umount', ['-l', home])
      rmSync(home, { recursive: true, force: true })
    }
  })
})

describe('subscriptions', () => {
  it('and waits that come and go leave no listener, timer or entry behind', async () => {
    await using node = await RpcNode.start()
    const { client } = node
    await client.call('network.create', { name: 'lab', preset: 'swift' })
    await client.call('events.consumers.create', { name: 'bot' })
    const round = async () => {
      const one = await client.call('events.subscribe', { consumer: 'bot' })
      const two = await client
        .call('events.subscribe', { after: 0, types: ['contact.ready'] })
        .catch(() => client.call('events.subscribe', { after: 0 }))
      await client.call('events.wait', { after: await head(node), timeoutMs: 1 })
      await node.fails('node.wait', { for: 'linked', timeoutMs: 1 })
      for (const { subscription } of [one, two])
        await client.call('events.unsubscribe', { subscription })
    }
    const warnings: unknown[] = []
    const warned = (warning: Error) => warnings.push(warning.name)
    process.on('warning', warned)
    try {
      for (let i = 0; i < 5; i++) await round()
      const before = timers()
      for (let i = 0; i < 100; i++) await round()
      await new Promise((resolve) => setImmediate(resolve))
      expect(timers()).toBeLessThanOrEqual(before + 3)
      expect(warnings).toEqual([])
    } finally {
      process.off('warning', warned)
    }
    const logged = JSON.stringify(node.log)
    expect(node.log.filter(({ level }) => level === 'error')).toEqual([])
    expect(logged).not.toContain('bot')
  })
})

function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
}

/** A file system of 24 MiB; false without the right to mount one. */
function mountSmall(path: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', path], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

function fill(path: string): void {
  for (const size of [1 << 20, 1 << 14, 1 << 10]) {
    try {
      for (;;) writeFileSync(path, new Uint8Array(size), { flag: 'a' })
    } catch {
      // Full for pieces of this size.
    }
  }
}
