import { describe, expect, it } from 'vitest'
import { HearsayError } from '../../../src/base/index.ts'
import { HEARTBEAT_MS, MAX_SUBSCRIPTIONS, WRITE_BUFFER_BYTES } from '../../../rpc/constants.ts'
import { ask, connectMemory, settle } from '../../support/memory-wire.ts'
import { DispatchHarness } from '../../support/rpc-dispatch.ts'

function withEvents(count: number): DispatchHarness {
  const rpc = new DispatchHarness()
  for (let i = 0; i < count; i++) rpc.node.append()
  return rpc
}

const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i)

describe('a subscription', () => {
  it('sends what exists, says that it caught up, then what is new, all after the reply', async () => {
    const rpc = withEvents(3)
    const client = connectMemory(rpc)
    client.connection.receive(
      '{"jsonrpc":"2.0","id":1,"method":"events.subscribe","params":{"after":1}}',
    )
    await settle()
    rpc.node.append('contact.ready', { contactId: 'c' })
    await settle()
    const sent = client.wire.sent.map(({ method, params }) => [method, params?.['seq']])
    expect(sent).toEqual([
      [undefined, undefined],
      ['event', 2],
      ['event', 3],
      ['event.caughtUp', undefined],
      ['event', 4],
    ])
    expect(client.wire.sent[0]?.result).toMatchObject({ head: 3, oldest: 1, resumedFrom: 1 })
    expect(client.wire.sent[3]?.params).toEqual({ subscription: 's-1', head: 3 })
    expect(client.wire.sent[4]?.params).toMatchObject({
      subscription: 's-1',
      type: 'contact.ready',
      data: { contactId: 'c' },
    })
  })

  it('begins at the head when nobody says where', async () => {
    const rpc = withEvents(3)
    const client = connectMemory(rpc)
    await ask(client, 'events.subscribe')
    await settle()
    expect(client.wire.events()).toEqual([])
    expect(client.wire.count('event.caughtUp')).toBe(1)
  })

  it('catches up with a filter although the head is of another type', async () => {
    const rpc = withEvents(5)
    const client = connectMemory(rpc)
    await ask(client, 'events.subscribe', { after: 0, types: ['contact.ready'] })
    await settle()
    expect(client.wire.count('event.caughtUp')).toBe(1)
    rpc.node.append('message.sent')
    rpc.node.append('contact.ready')
    await settle()
    expect(client.wire.events()).toEqual([7])
    expect(client.wire.count('event.caughtUp')).toBe(1)
  })

  it('sends a heartbeat every 15 s, with nothing else to say', async () => {
    const rpc = withEvents(1)
    const client = connectMemory(rpc)
    await ask(client, 'events.subscribe')
    await rpc.clock.advance(HEARTBEAT_MS - 1)
    expect(client.wire.count('event.heartbeat')).toBe(0)
    await rpc.clock.advance(1)
    expect(client.wire.count('event.heartbeat')).toBe(1)
    await rpc.clock.advance(10 * HEARTBEAT_MS)
    expect(client.wire.count('event.heartbeat')).toBe(11)
    client.connection.closed()
    await rpc.clock.advance(10 * HEARTBEAT_MS)
    expect(client.wire.count('event.heartbeat')).toBe(11)
    expect(rpc.clock.pendingTimers).toBe(0)
  })

  it('pauses a consumer at maxInFlight and goes on after a cumulative ack', async () => {
    const rpc = withEvents(20)
    const client = connectMemory(rpc)
    await ask(client, 'events.consumers.create', { name: 'bot', from: 'start' })
    await ask(client, 'events.subscribe', { consumer: 'bot', maxInFlight: 4 })
    await settle()
    expect(client.wire.events()).toEqual([1, 2, 3, 4])
    await settle()
    expect(client.wire.events()).toHaveLength(4)
    expect((await ask(client, 'events.ack', { consumer: 'bot', seq: 3 })).result).toEqual({
      cursor: 3,
    })
    await settle()
    expect(client.wire.events()).toEqual(range(1, 7))
    await ask(client, 'events.ack', { consumer: 'bot', seq: 7 })
    await settle()
    expect(client.wire.events()).toEqual(range(1, 11))
    expect(rpc.node.largestStep).toBeLessThanOrEqual(4)
  })

  it('is not moved by an old or repeated ack', async () => {
    const rpc = withEvents(20)
    const client = connectMemory(rpc)
    await ask(client, 'events.consumers.create', { name: 'bot', from: 'start' })
    await ask(client, 'events.subscribe', { consumer: 'bot', maxInFlight: 2 })
    await ask(client, 'events.ack', { consumer: 'bot', seq: 0 })
    await settle()
    expect(client.wire.events()).toEqual([1, 2])
    for (let i = 0; i < 3; i++) await ask(client, 'events.ack', { consumer: 'bot', seq: 1 })
    await settle()
    expect(client.wire.events()).toEqual([1, 2, 3])
  })

  it('takes acks from another connection', async () => {
    const rpc = withEvents(5)
    const client = connectMemory(rpc)
    const other = connectMemory(rpc)
    await ask(client, 'events.consumers.create', { name: 'bot', from: 'start' })
    await ask(client, 'events.subscribe', { consumer: 'bot', maxInFlight: 1 })
    for (const seq of [1, 2, 3, 4]) {
      await settle()
      await ask(other, 'events.ack', { consumer: 'bot', seq })
    }
    await settle()
    expect(client.wire.events()).toEqual([1, 2, 3, 4, 5])
  })

  it('sends again from the last ack when the client comes back', async () => {
    const rpc = withEvents(6)
    const first = connectMemory(rpc)
    await ask(first, 'events.consumers.create', { name: 'bot', from: 'start' })
    await ask(first, 'events.subscribe', { consumer: 'bot' })
    await settle()
    expect(first.wire.events()).toEqual(range(1, 6))
    await ask(first, 'events.ack', { consumer: 'bot', seq: 2 })
    first.connection.closed()
    await settle()
    const second = connectMemory(rpc)
    const { result } = await ask(second, 'events.subscribe', { consumer: 'bot' })
    expect(result).toMatchObject({ resumedFrom: 2 })
    await settle()
    expect(second.wire.events()).toEqual(range(3, 6))
  })

  it('begins without counting what is stored, so that reconnecting in a loop is cheap', async () => {
    const rpc = withEvents(3)
    rpc.node.fail('db.stats', new HearsayError('bug', 'nobody asked for statistics'))
    const { result } = await ask(connectMemory(rpc), 'events.subscribe', { after: 1 })
    expect(result).toMatchObject({ epoch: 'epoch-of-the-fake', head: 3 })
  })

  it('answers CONSUMER_BUSY to a second one of the same consumer, also when both ask at once', async () => {
    const rpc = withEvents(1)
    const a = connectMemory(rpc)
    const b = connectMemory(rpc)
    await ask(a, 'events.consumers.create', { name: 'bot', from: 'start' })
    const replies = await Promise.all([
      ask(a, 'events.subscribe', { consumer: 'bot' }),
      ask(b, 'events.subscribe', { consumer: 'bot' }),
      ask(b, 'events.subscribe', { consumer: 'bot' }),
    ])
    expect(replies.filter(({ result }) => result !== undefined)).toHaveLength(1)
    const refused = replies.filter(({ error }) => error !== undefined)
    for (const { error } of refused) {
      expect(error).toMatchObject({ code: 1402, data: { name: 'CONSUMER_BUSY', retryable: true } })
    }
    expect(refused).toHaveLength(2)
  })

  it('frees the consumer when it could not be opened, when it ends, and when it is unsubscribed', async () => {
    const rpc = withEvents(1)
    const client = connectMemory(rpc)
    const unknown = await ask(client, 'events.subscribe', { consumer: 'bot' })
    expect(unknown.error?.code).toBe(1404)
    await ask(client, 'events.consumers.create', { name: 'bot', from: 'start' })
    for (let round = 0; round < 3; round++) {
      const { result } = await ask(client, 'events.subscribe', { consumer: 'bot' })
      const { subscription } = result as { subscription: string }
      expect((await ask(client, 'events.unsubscribe', { subscription })).result).toEqual({})
      expect((await ask(client, 'events.unsubscribe', { subscription })).error?.code).toBe(1013)
    }
  })

  it('ends with event.closed when its consumer is deleted', async () => {
    const rpc = withEvents(1)
    const client = connectMemory(rpc)
    await ask(client, 'events.consumers.create', { name: 'bot', from: 'start' })
    await ask(client, 'events.subscribe', { consumer: 'bot' })
    await ask(client, 'events.consumers.delete', { name: 'bot' })
    await settle()
    const closed = client.wire.sent.find(({ method }) => method === 'event.closed')
    expect(closed?.params).toEqual({
      subscription: 's-1',
      code: 1404,
      name: 'CONSUMER_NOT_FOUND',
      hint: 'events.consumers.create',
    })
    expect(rpc.metrics.subscriptions).toBe(0)
  })

  it('ends with event.closed and the code when the journal fails under it', async () => {
    const rpc = withEvents(1)
    const client = connectMemory(rpc)
    rpc.node.stub('events.open', () => ({
      head: 9,
      oldest: 1,
      resumedFrom: 1,
      epoch: 'epoch-of-the-fake',
      next: () => Promise.reject(new HearsayError('cursor-too-old', 'gone', { oldest: 5 })),
    }))
    await ask(client, 'events.subscribe', { after: 1 })
    await settle()
    const closed = client.wire.sent.find(({ method }) => method === 'event.closed')
    expect(closed?.params).toMatchObject({ code: 1400, oldest: 5 })
    expect(closed?.params).toMatchObject({ hint: expect.stringContaining('events.ack') as string })
    expect(rpc.clock.pendingTimers).toBe(0)
  })

  it('answers a position outside the journal with what to do', async () => {
    const rpc = withEvents(10)
    rpc.node.oldest = 5
    const client = connectMemory(rpc)
    const old = await ask(client, 'events.subscribe', { after: 1 })
    expect(old.error).toMatchObject({ code: 1400, data: { oldest: 5 } })
    const ahead = await ask(client, 'events.subscribe', { after: 11 })
    expect(ahead.error).toMatchObject({ code: 1401, data: { head: 10 } })
  })

  it('and every call with a number is refused one of another epoch, before anything changes', async () => {
    const rpc = withEvents(10)
    const client = connectMemory(rpc)
    await ask(client, 'events.consumers.create', { name: 'bot', from: 'start' })
    const { epoch } = rpc.node
    rpc.node.restore(8)
    for (let i = 0; i < 4; i++) rpc.node.append()
    const present = { head: 12, epoch: 'epoch-after-the-restore' }
    const calls: [string, object][] = [
      ['events.ack', { consumer: 'bot', seq: 10 }],
      ['events.list', { after: 10 }],
      ['events.wait', { after: 10 }],
      ['events.subscribe', { consumer: 'bot' }],
      ['events.subscribe', { after: 10 }],
      ['events.consumers.create', { name: 'new', from: 10 }],
    ]
    for (const [method, params] of calls) {
      const { error } = await ask(client, method, { ...params, epoch })
      expect([method, error?.code]).toEqual([method, 1401])
      expect(error?.data).toMatchObject({
        name: 'CURSOR_AHEAD',
        ...present,
        hint: expect.stringContaining('subscribe anew') as string,
      })
    }
    expect((await ask(client, 'events.consumers.list')).result).toEqual({
      items: [{ name: 'bot', cursor: 0, lag: 12, formerEpoch: epoch }],
      epoch: present.epoch,
    })
    // A refused subscription leaves the consumer free, and who names no epoch goes on as before.
    for (const [method, params] of calls) {
      const named = method === 'events.subscribe' ? { epoch: present.epoch } : {}
      const { error } = await ask(client, method, { ...params, ...named })
      expect([method, error]).toEqual([method, undefined])
    }
    const { result } = await ask(client, 'events.consumers.list')
    expect(result?.['items']).toContainEqual({ name: 'bot', cursor: 10, lag: 2 })
  })

  it('ends with event.closed and the present epoch when the database is put back under it', async () => {
    const rpc = withEvents(3)
    const client = connectMemory(rpc)
    await ask(client, 'events.subscribe', { after: 1 })
    await settle()
    rpc.node.restore(2)
    rpc.node.append()
    await settle()
    expect(client.wire.events()).toEqual([2, 3])
    const closed = client.wire.sent.find(({ method }) => method === 'event.closed')
    expect(closed?.params).toMatchObject({
      code: 1401,
      name: 'CURSOR_AHEAD',
      head: 3,
      epoch: 'epoch-after-the-restore',
    })
    expect(rpc.metrics.subscriptions).toBe(0)
  })

  it('waits for a reader that is behind, takes nothing meanwhile, and holds up no other', async () => {
    const rpc = withEvents(0)
    const slow = connectMemory(rpc)
    const quick = connectMemory(rpc)
    await ask(slow, 'events.subscribe')
    await ask(quick, 'events.subscribe')
    await settle()
    slow.wire.unread = WRITE_BUFFER_BYTES + 1
    for (let i = 0; i < 1_000; i++) rpc.node.append()
    await settle()
    for (let i = 0; i < 10; i++) await settle()
    expect(quick.wire.events()).toEqual(range(1, 1_000))
    expect(slow.wire.events().length).toBeLessThanOrEqual(64)
    await rpc.clock.advance(3 * HEARTBEAT_MS)
    expect(slow.wire.count('event.heartbeat')).toBe(0)
    slow.wire.unread = 0
    slow.connection.drained()
    for (let i = 0; i < 20; i++) await settle()
    expect(slow.wire.events()).toEqual(range(1, 1_000))
  })

  it('is refused beyond the number that one connection may have', async () => {
    const rpc = withEvents(1)
    const client = connectMemory(rpc)
    for (let i = 0; i < MAX_SUBSCRIPTIONS; i++) {
      expect((await ask(client, 'events.subscribe')).result).toBeDefined()
    }
    expect((await ask(client, 'events.subscribe')).error?.code).toBe(1007)
    client.connection.closed()
    expect(rpc.metrics.subscriptions).toBe(0)
  })

  it('takes neither position nor types beside a consumer', async () => {
    const rpc = withEvents(1)
    const client = connectMemory(rpc)
    for (const extra of [{ after: 1 }, { types: ['message.received'] }]) {
      const reply = await ask(client, 'events.subscribe', { consumer: 'bot', ...extra })
      expect(reply.error?.code).toBe(-32602)
    }
    expect(rpc.node.callsOf('events.open')).toHaveLength(0)
  })
})
