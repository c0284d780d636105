import { describe, expect, it } from 'vitest'
import { head, RpcNode } from '../../support/rpc-node.ts'

const STRANGER = '12D3KooWLmJ8vPt1ctAdtFfs3QTVeafmTET6tQEUUG2itJRFcc3e'

describe('a mutation under a key', () => {
  it('happens once, whoever repeats it, at the same time, later and after a restart', async () => {
    await using first = await RpcNode.start()
    const { client } = first
    const results = new Map<string, object>()
    const params: [string, object, object][] = [
      ['network.create', { name: 'lab', preset: 'swift' }, { name: 'other', preset: 'swift' }],
      ['network.invite', { uses: 2 }, { uses: 3 }],
      ['contacts.invite', { label: 'bob' }, { label: 'carol' }],
      ['contacts.rename', { contact: 'bob', alias: 'robert' }, { contact: 'bob', alias: 'rob' }],
      ['peers.ban', { peerId: STRANGER }, { peerId: STRANGER, ttl: '1h' }],
      ['events.consumers.create', { name: 'bot' }, { name: 'tob' }],
      ['events.consumers.create', { name: 'gone' }, { name: 'enog' }],
      ['events.consumers.delete', { name: 'gone' }, { name: 'bot' }],
      ['config.set', { key: 'log.level', value: 'debug' }, { key: 'log.level', value: 'info' }],
    ]
    const keyed = (at: number, each: object) => ({ ...each, idempotencyKey: `k-${at}` })
    for (const [at, [method, same, other]] of params.entries()) {
      const both = await Promise.all(
        Array.from({ length: 8 }, () => client.request(method, keyed(at, same))),
      )
      const fresh = both.filter((each) => (each as { replayed?: true }).replayed !== true)
      expect({ method, fresh: fresh.length }).toEqual({ method, fresh: 1 })
      const [done] = fresh as object[]
      results.set(`k-${at}`, done ?? {})
      for (const each of both)
        expect({ ...(each as object), replayed: true }).toEqual({ ...done, replayed: true })
      expect(await first.fails(method, keyed(at, other))).toMatchObject({ code: 1201 })
    }
    const before = await head(first)
    await using second = await first.restart()
    for (const [at, [method, same, other]] of params.entries()) {
      expect(await second.client.request(method, keyed(at, same))).toEqual({
        ...results.get(`k-${at}`),
        replayed: true,
      })
      expect(await second.fails(method, keyed(at, other))).toMatchObject({ code: 1201 })
    }
    expect(await head(second)).toBe(before)

    const leave = { idempotencyKey: 'leave', wipe: false }
    const left = await second.client.request('network.leave', leave)
    expect(await second.client.request('network.leave', leave)).toEqual({
      ...(left as object),
      replayed: true,
    })
    // A late repetition must not end what was joined since.
    await second.client
      .call('network.create', { name: 'b', preset: 'swift' })
      .catch(() => undefined)
    await using third = await second.restart()
    expect(await third.client.request('network.leave', leave)).toMatchObject({ replayed: true })
  })

  it('has a key that a failed call did not use up', async () => {
    await using node = await RpcNode.start()
    await node.fails('contacts.invite', { label: 'bob', idempotencyKey: 'k' })
    await node.client.call('network.create', { name: 'lab', preset: 'swift' })
    const invite = await node.client.call('contacts.invite', { label: 'bob', idempotencyKey: 'k' })
    expect(invite.replayed).toBeUndefined()
    const other = { label: 'carol', idempotencyKey: 'k' }
    expect((await node.fails('contacts.invite', other)).code).toBe(1201)
    expect((await node.client.call('contacts.list')).items).toHaveLength(1)
  })

  it('gives a consumer that exists with the same types, and names a conflict of types', async () => {
    await using node = await RpcNode.start()
    const bot = { name: 'bot', types: ['message.received', 'contact.ready'] }
    const made = await node.client.call('events.consumers.create', bot)
    const again = { ...bot, types: bot.types.toReversed() }
    expect(await node.client.call('events.consumers.create', again)).toEqual(made)
    for (const types of [undefined, ['message.received']]) {
      const params = types === undefined ? { name: 'bot' } : { name: 'bot', types }
      expect((await node.fails('events.consumers.create', params)).code).toBe(1405)
    }
  })
})
