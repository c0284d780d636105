import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { type Clock, HOUR_MS, systemClock } from '../../../src/base/index.ts'
import { head, RpcNode } from '../../support/rpc-node.ts'

const SWIFT = { preset: 'swift' } as const
const OFF_MS = 2 * HOUR_MS

/** The clock of a machine that is wrong by so much. */
const wrongBy = (ms: number): Clock => ({ ...systemClock, now: () => systemClock.now() + ms })

async function words(node: RpcNode, uri: string): Promise<string> {
  return (await node.client.call('network.inspect', { uri })).words
}

describe('a network', () => {
  it('is created, joined by words, left and joined again', async () => {
    await using alice = await RpcNode.start()
    await using bob = await RpcNode.start()
    const { uri, networkId } = await alice.client.call('network.create', { name: 'lab', ...SWIFT })
    const wrong = await bob.fails('network.join', { uri, expectWords: 'one two three four' })
    expect(wrong.code).toBe(1301)
    expect(await bob.client.call('node.status')).toMatchObject({ network: null })
    const expectWords = (await words(bob, uri)).toUpperCase().replaceAll(' ', '-')
    await bob.client.call('network.join', { uri, expectWords })
    expect(await bob.client.call('network.join', { uri })).toMatchObject({ networkId })
    await bob.client.call('node.wait', { for: 'linked' })
    await alice.client.call('node.wait', { for: 'peers=1' })
    await bob.client.call('network.leave', {})
    expect((await bob.fails('network.get')).code).toBe(1306)
    await bob.client.call('network.join', { uri })
    await bob.client.call('node.wait', { for: 'linked' })
  })

  it('of another operator is refused while one is joined', async () => {
    await using alice = await RpcNode.start()
    const other = await alice.client.call('network.create', { name: 'b', ...SWIFT, join: false })
    await alice.client.call('network.create', { name: 'a', ...SWIFT })
    for (const [method, params] of [
      ['network.join', { uri: other.uri }],
      ['network.create', { name: 'c', ...SWIFT }],
    ] as const) {
      expect((await alice.fails(method, params)).code).toBe(1302)
    }
    expect((await alice.client.call('network.get')).name).toBe('a')
  })

  it('that admits by invitation admits its creator and who was invited, and nobody else', async () => {
    await using alice = await RpcNode.start()
    await using bob = await RpcNode.start()
    await using carol = await RpcNode.start()
    const params = { name: 'closed', ...SWIFT, admission: 'operator' } as const
    const { uri } = await alice.client.call('network.create', params)
    const refused = await carol.fails('network.join', { uri })
    expect(refused).toMatchObject({ code: 1307, data: { hint: expect.stringContaining('invite') } })
    expect(await carol.client.call('node.status')).toMatchObject({ network: null })
    const got = await alice.client.call('network.get')
    expect((await carol.fails('network.join', { uri: got.uri })).code).toBe(1307)

    const invited = await alice.client.call('network.invite', { uses: 1, ttl: '1h' })
    await bob.client.call('network.join', { uri: invited.uri })
    await bob.client.call('node.wait', { for: 'linked' })
    expect((await bob.fails('network.invite')).code).toBe(1304)

    await using again = await bob.restart()
    await again.client.call('node.wait', { for: 'linked' })
  })

  it('invitation that is over is refused before anything is joined', async () => {
    await using alice = await RpcNode.start()
    await using bob = await RpcNode.start()
    const params = { name: 'closed', ...SWIFT, admission: 'operator' } as const
    await alice.client.call('network.create', params)
    const { uri } = await alice.client.call('network.invite', { ttl: '1ms' })
    await expect.poll(async () => (await bob.fails('network.join', { uri })).code).toBe(1103)
    expect(await bob.client.call('node.status')).toMatchObject({ network: null })
  })

  it('is not joined under a clock that is behind its founding, and the clock is named', async () => {
    await using alice = await RpcNode.start()
    await using bob = await RpcNode.start({ clock: wrongBy(-OFF_MS) })
    const { uri } = await alice.client.call('network.create', { name: 'a', ...SWIFT })
    const refused = await bob.fails('network.join', { uri, idempotencyKey: 'j' })
    expect(refused).toMatchObject({
      code: 1305,
      message: 'the clock of this machine is at least 2 hours behind those of other nodes',
      data: { name: 'CLOCK_SKEW', hint: expect.stringContaining('timedatectl') },
    })
    expect(refused.data['skewMs']).toBeLessThan(-OFF_MS + 60_000)
    expect(await bob.client.call('node.status')).toMatchObject({ network: null })
    await using again = await bob.restart()
    expect(await again.client.call('network.join', { uri, idempotencyKey: 'j' })).toMatchObject({
      state: 'joining',
    })
  })

  it('does not link a node whose clock is ahead, and its status, doctor and waits say why', async () => {
    await using alice = await RpcNode.start()
    await using bob = await RpcNode.start({ clock: wrongBy(OFF_MS) })
    const { uri } = await alice.client.call('network.create', { name: 'a', ...SWIFT })
    await bob.client.call('network.join', { uri })
    const codes = async () => (await bob.client.call('node.status')).health.map(({ code }) => code)
    await expect.poll(codes, { timeout: 60_000 }).toContain('CLOCK_SKEW')
    expect(await codes()).not.toContain('NO_ROUTE')
    const failed = await bob.fails('node.wait', { for: 'linked', timeoutMs: 0 })
    expect(failed).toMatchObject({
      code: 1305,
      message: 'the clock of this machine is 2 hours ahead of those of other nodes',
    })
    expect(Math.abs(Number(failed.data['skewMs']) - OFF_MS)).toBeLessThan(60_000)
    // A peer is there: the clock has nothing to do with it.
    await bob.client.call('node.wait', { for: 'peers=1', timeoutMs: 0 })
    const { checks } = await bob.client.call('node.doctor', { checks: ['clock'] })
    expect(checks).toMatchObject([{ name: 'clock', ok: false }])
    const told = JSON.stringify(bob.log)
    expect(told).not.toContain('skew')
  })

  it('leaves nothing behind when it is wiped, and another can be joined', async () => {
    await using alice = await RpcNode.start()
    await using other = await RpcNode.start()
    const elsewhere = await other.client.call('network.create', { name: 'b', ...SWIFT })
    await alice.client.call('network.create', { name: 'a', ...SWIFT })
    await alice.client.call('contacts.invite', { label: 'bob', idempotencyKey: 'i' })
    await alice.client.call('events.consumers.create', { name: 'bot', from: 'start' })
    const before = await head(alice)
    await alice.client.call('network.leave', { wipe: true, idempotencyKey: 'leave' })
    expect(
      await alice.client.call('network.leave', { wipe: true, idempotencyKey: 'leave' }),
    ).toMatchObject({ replayed: true })
    const { items } = await alice.client.call('events.list', { after: before })
    expect(JSON.stringify(items)).not.toContain('bob')
    expect((await alice.fails('events.list', { after: 0 })).code).toBe(1400)
    const stream = await alice.client.subscribe({ consumer: 'bot' })
    expect(stream.start.resumedFrom).toBe(before)
    stream.close()

    await alice.client.call('network.join', { uri: elsewhere.uri })
    await alice.client.call('node.wait', { for: 'linked' })
    expect(await alice.client.call('contacts.list')).toMatchObject({ items: [] })
    // The key was forgotten with the network: it makes a new invitation, not an old one of nowhere.
    const invite = await alice.client.call('contacts.invite', { label: 'bob', idempotencyKey: 'i' })
    expect(invite.replayed).toBeUndefined()
  })

  it('that was left without a wipe keeps its contacts out of every other network', async () => {
    await using alice = await RpcNode.start()
    await using other = await RpcNode.start()
    const elsewhere = await other.client.call('network.create', { name: 'b', ...SWIFT })
    const first = await alice.client.call('network.create', { name: 'a', ...SWIFT })
    await alice.client.call('contacts.invite', { label: 'bob' })
    await alice.client.call('network.leave', {})
    const refused = await alice.fails('network.join', { uri: elsewhere.uri })
    expect(refused).toMatchObject({ code: 1302, message: expect.stringContaining('wipe') })
    await alice.client.call('network.join', { uri: first.uri })
    expect((await alice.client.call('contacts.list')).items).toHaveLength(1)
    await alice.client.call('network.leave', {})
    await alice.client.call('network.leave', { wipe: true })
    await alice.client.call('network.join', { uri: elsewhere.uri })
    await alice.client.call('node.wait', { for: 'linked' })
    expect((await alice.client.call('contacts.list')).items).toEqual([])
  })

  it('survives many who join, leave and create at the same moment', async () => {
    await using alice = await RpcNode.start()
    await using other = await RpcNode.start()
    const { uri } = await other.client.call('network.create', { name: 'b', ...SWIFT })
    const calls = Array.from({ length: 24 }, (_, i) =>
      i % 3 === 0
        ? alice.client.request('network.join', { uri })
        : i % 3 === 1
          ? alice.client.request('network.leave', {})
          : alice.client.request('network.create', { name: `n${i}`, ...SWIFT }),
    )
    const outcomes = await Promise.allSettled(calls)
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
    for (const { reason } of refused) expect([1302, 1306]).toContain(reason.code)
    await alice.client.request('network.leave', {}).catch(() => undefined)
    await alice.client.call('network.join', { uri })
    await alice.client.call('node.wait', { for: 'linked' })
    expect(alice.log.filter(({ level }) => level === 'error')).toEqual([])
  })

  it('whose port is taken is joined as soon as it is free', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : undefined
    await using node = await RpcNode.start({ listen: [`/ip4/127.0.0.1/tcp/${port}`] })
    const params = { name: 'a', ...SWIFT, idempotencyKey: 'c' }
    const taken = await node.fails('network.create', params)
    expect(taken).toMatchObject({ code: 1014, data: { hint: expect.stringContaining('port') } })
    const { health } = await node.client.call('node.status')
    expect(health.map(({ code }) => code)).toContain('NETWORK_NOT_ENTERED')
    expect((await node.fails('contacts.list')).message).toContain('node.status')
    await new Promise((resolve) => server.close(resolve))
    const created = await node.client.call('network.create', params)
    expect(created.replayed).toBe(true)
    expect((await node.client.call('network.inspect', { uri: created.uri })).bootstraps).toEqual([
      expect.stringContaining(`/tcp/${port}/p2p/`),
    ])
    expect((await node.client.call('contacts.list')).items).toEqual([])
  })

  it('refuses listen addresses that are not of this machine with a reason', async () => {
    await using node = await RpcNode.start({ listen: ['/ip4/203.0.113.7/tcp/4001'] })
    const failed = await node.fails('network.create', { name: 'a', ...SWIFT })
    expect(failed).toMatchObject({ code: 1015, data: { name: 'LISTEN_FAILED' } })
  })
})
