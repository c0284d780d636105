import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { head, type RpcNode, startPair, untilEvent } from '../../support/rpc-node.ts'

let pair: { alice: RpcNode; bob: RpcNode }

beforeAll(async () => {
  pair = await startPair()
})

afterAll(async () => {
  await pair.alice[Symbol.asyncDispose]()
  await pair.bob[Symbol.asyncDispose]()
})

describe('two nodes that are contacts', () => {
  it('answer every method about each other', async () => {
    const { client } = pair.alice
    const contact = await client.call('contacts.get', { contact: 'bob' })
    const safetyNumber = contact.safetyNumber ?? ''
    const wrong = safetyNumber.replace(/\d/, (digit) => String((Number(digit) + 1) % 10))
    expect(
      (await pair.alice.fails('contacts.verify', { contact: 'bob', safetyNumber: wrong })).code,
    ).toBe(1105)
    const short = safetyNumber.slice(0, -1) + ' '
    const typo = await pair.alice.fails('contacts.verify', {
      contact: 'bob',
      safetyNumber: `${short}  `,
    })
    expect(typo.code).toBe(-32602)
    expect((await client.call('contacts.get', { contact: 'bob' })).verified).toBe(false)
    const verified = await client.call('contacts.verify', {
      contact: contact.contactId,
      safetyNumber,
    })
    expect(verified).toEqual({ contactId: contact.contactId, verified: true })
    await client.call('contacts.rename', { contact: 'bob', alias: 'robert' })
    await client.call('contacts.rename', { contact: 'robert', alias: 'bob' })
    const invite = await client.call('contacts.invite', {})
    await client.call('contacts.inviteCancel', { inviteId: invite.inviteId })
    expect(
      (await pair.alice.fails('contacts.inviteCancel', { inviteId: invite.inviteId })).code,
    ).toBe(1104)
    await client.call('contacts.remove', { contact: invite.contactId })
    for (const method of ['outbox.list', 'messages.list', 'peers.list', 'contacts.list'] as const) {
      await client.call(method, { limit: 1 })
    }
    await client.call('network.invite', { uses: 3 })
  })

  it('send once per key, and repeat the same seq and id', async () => {
    const { client } = pair.alice
    const params = { to: 'bob', body: { text: 'once' }, idempotencyKey: 'once' }
    const after = await head(pair.bob)
    const all = await Promise.all(
      Array.from({ length: 16 }, () => client.call('messages.send', params)),
    )
    const [first] = all.filter(({ replayed }) => replayed !== true)
    for (const each of all)
      expect({ ...each, replayed: true }).toEqual({ ...first, replayed: true })
    const [event] = (await client.call('events.list', { after: (first?.seq ?? 0) - 1, limit: 1 }))
      .items
    expect(event).toMatchObject({ type: 'message.queued', data: { messageId: first?.messageId } })
    expect((await pair.alice.fails('messages.send', { ...params, to: 'alice' })).code).toBe(1201)
    await untilEvent(pair.bob, 'message.received', after)
    await client.call('messages.wait', { messageId: first?.messageId ?? '', state: 'delivered' })
    const got = await pair.bob.client.call('events.list', { after, types: ['message.received'] })
    expect(got.items).toHaveLength(1)
  })

  it('wait for a state, and see a cancel and a wait race to one answer', async () => {
    const { client } = pair.alice
    for (let i = 0; i < 8; i++) {
      const { messageId } = await client.call('messages.send', {
        to: 'bob',
        body: { text: `race ${i}` },
      })
      const wait = client.call('messages.wait', { messageId, state: 'delivered' })
      const cancels = await Promise.allSettled([
        client.call('messages.cancel', { messageId }),
        client.call('messages.cancel', { messageId }),
      ])
      const cancelled = cancels.filter(({ status }) => status === 'fulfilled').length
      expect(cancelled).toBeLessThanOrEqual(1)
      const { state } = await wait
      expect(state).toBe(cancelled === 1 ? 'cancelled' : 'delivered')
      const { history } = await client.call('messages.get', { messageId })
      expect(history.at(-1)?.state).toBe(state)
      expect((await pair.alice.fails('messages.cancel', { messageId })).code).toBe(1204)
    }
  })

  it('give up a wait whose client is gone, and leave no listener behind', async () => {
    const { alice } = pair
    const { messageId } = await alice.client.call('messages.send', {
      to: 'bob',
      body: { text: 'x' },
    })
    await alice.client.call('messages.wait', { messageId, state: 'delivered' })
    const gone = new AbortController()
    const wait = alice.client.call(
      'events.wait',
      { after: await head(alice) },
      { signal: gone.signal },
    )
    gone.abort(new Error('gone'))
    await expect(wait).rejects.toThrow('gone')
    const late = await alice
      .fails('messages.wait', { messageId: messageId, state: 'cancelled', timeoutMs: 0 })
      .catch(() => undefined)
    expect(late).toBeUndefined()
  })

  it('keep a consumer across a restart of the daemon: nothing lost, what was not acknowledged again', async () => {
    const { bob } = pair
    await bob.client.call('events.consumers.create', {
      name: 'bot',
      types: ['message.received'],
    })
    const sent = []
    for (let i = 0; i < 6; i++) {
      sent.push(
        await pair.alice.client.call('messages.send', { to: 'bob', body: { text: `bot ${i}` } }),
      )
    }
    const seen: string[] = []
    const first = await bob.client.subscribe({ consumer: 'bot' })
    for await (const event of first) {
      seen.push(event.id)
      if (seen.length === 3) await first.ack(event.seq)
      if (seen.length === 5) break
    }
    await expect.poll(async () => (await bob.client.call('outbox.list')).items.length).toBe(0)
    const restarted = await bob.restart()
    pair = { ...pair, bob: restarted }
    const again: string[] = []
    const second = await restarted.client.subscribe({ consumer: 'bot' })
    for await (const event of second) {
      again.push(event.id)
      await second.ack(event.seq)
      if (again.length === 3) break
    }
    expect(again.slice(0, 2)).toEqual(seen.slice(3, 5))
    expect(new Set([...seen, ...again]).size).toBe(6)
    const ahead = await restarted.fails('events.ack', {
      consumer: 'bot',
      seq: (await head(restarted)) + 1,
    })
    expect(ahead).toMatchObject({ code: 1401, data: { head: expect.any(Number) } })
  })
})
