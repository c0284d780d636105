import { describe, expect, it } from 'vitest'
import { MAX_IN_FLIGHT, WRITE_BUFFER_BYTES } from '../../../rpc/constants.ts'
import { ask, connectMemory, settle } from '../../support/memory-wire.ts'
import { DispatchHarness } from '../../support/rpc-dispatch.ts'

const status = (id: number) => ({ jsonrpc: '2.0', id, method: 'node.doctor' })

/** A connection whose calls of node.doctor wait until `release` lets that many of them go. */
function held() {
  const rpc = new DispatchHarness()
  const waiting: (() => void)[] = []
  let running = 0
  let most = 0
  rpc.node.stub('node.doctor', async () => {
    running += 1
    most = Math.max(most, running)
    await new Promise<void>((resolve) => waiting.push(resolve))
    running -= 1
    return { checks: [] }
  })
  const release = async (count: number) => {
    for (const go of waiting.splice(0, count)) go()
    await settle()
  }
  return { rpc, ...connectMemory(rpc), release, most: () => most, running: () => running }
}

describe('a connection', () => {
  it('runs 64 calls, stops reading, and drops none of those that came with them', async () => {
    const { wire, connection, release, most } = held()
    for (let id = 1; id <= 200; id++) connection.receive(JSON.stringify(status(id)))
    await settle()
    expect(most()).toBe(MAX_IN_FLIGHT)
    expect(wire.paused).toBe(true)
    while (wire.sent.length < 200) await release(10)
    expect(most()).toBe(MAX_IN_FLIGHT)
    expect(wire.paused).toBe(false)
    expect(new Set(wire.sent.map(({ id }) => id)).size).toBe(200)
  })

  it('counts every call of a batch', async () => {
    const { wire, connection, release, most } = held()
    const batch = JSON.stringify(Array.from({ length: 50 }, (_, i) => status(i)))
    connection.receive(batch)
    connection.receive(batch)
    await settle()
    expect(most()).toBe(50)
    await release(50)
    await release(50)
    expect(most()).toBe(50)
    expect(wire.sent).toHaveLength(2)
  })

  it('keeps the order of arrival when a batch has to wait', async () => {
    const { rpc, wire, connection, release } = held()
    for (let id = 0; id < 40; id++) connection.receive(JSON.stringify(status(id)))
    connection.receive(JSON.stringify(Array.from({ length: 50 }, (_, i) => status(i))))
    connection.receive('{"jsonrpc":"2.0","id":"late","method":"db.stats"}')
    await settle()
    expect(rpc.node.callsOf('node.doctor')).toHaveLength(40)
    expect(wire.sent).toHaveLength(0)
    await release(40)
    expect(wire.take().map(({ id }) => id)).toContain('late')
    await release(50)
    expect(wire.sent).toHaveLength(1)
    expect(wire.sent[0]).toHaveLength(50)
  })

  it('begins nothing while the client does not read its answers', async () => {
    const rpc = new DispatchHarness()
    const { wire, connection } = connectMemory(rpc)
    wire.unread = WRITE_BUFFER_BYTES + 1
    for (let id = 0; id < 10; id++) connection.receive(JSON.stringify(status(id)))
    await settle()
    expect(rpc.node.calls).toHaveLength(0)
    expect(wire.paused).toBe(true)
    wire.unread = 0
    connection.drained()
    await settle()
    expect(wire.sent).toHaveLength(10)
    expect(wire.paused).toBe(false)
  })

  it('finishes a mutation whose client has gone, and aborts its wait', async () => {
    const rpc = new DispatchHarness()
    const client = connectMemory(rpc)
    let finished = false
    let aborted = false
    const { promise, resolve } = Promise.withResolvers<void>()
    rpc.node.stub('messages.send', async (_params: never, call: object) => {
      expect(call).not.toHaveProperty('signal')
      await promise
      finished = true
      return {}
    })
    rpc.node.stub('messages.wait', (_params: never, signal: AbortSignal) => {
      signal.addEventListener('abort', () => {
        aborted = true
      })
      return promise
    })
    const send = { to: 'bob', body: { text: 'x' } }
    client.connection.receive(
      JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'messages.send', params: send }),
    )
    client.connection.receive(
      '{"jsonrpc":"2.0","id":2,"method":"messages.wait","params":{"messageId":"m","state":"sent"}}',
    )
    await settle()
    client.connection.closed()
    await settle()
    expect(aborted).toBe(true)
    resolve()
    await settle()
    expect(finished).toBe(true)
  })

  it('answers what runs, then closes the wire, when it is told to finish', async () => {
    const { wire, connection, release } = held()
    connection.receive(JSON.stringify(status(1)))
    await settle()
    connection.finish()
    connection.receive(JSON.stringify(status(2)))
    await settle()
    expect(wire.ended).toBe(false)
    await release(1)
    expect(wire.ended).toBe(true)
    expect(wire.sent.map(({ id }) => id)).toEqual([1])
  })

  it('answers node.stop before the node is stopped', async () => {
    const rpc = new DispatchHarness()
    const client = connectMemory(rpc)
    let sentBefore = -1
    rpc.node.stub('node.stop', () => {
      sentBefore = client.wire.sent.length
      throw new Error('cannot stop')
    })
    expect((await ask(client, 'node.stop', { drainMs: 5 })).result).toEqual({})
    await settle()
    expect(sentBefore).toBe(1)
    expect(rpc.node.callsOf('node.stop')[0]?.params).toEqual({ drainMs: 5 })
    expect(rpc.log.map(({ fields }) => fields['method'])).toEqual(['node.stop'])
  })

  it('answers a text that is no JSON, and goes on', async () => {
    const rpc = new DispatchHarness()
    const client = connectMemory(rpc)
    for (const text of ['{', 'nope', '{"jsonrpc":"2.0",}', '\u0000'])
      client.connection.receive(text)
    expect(client.wire.take().map(({ error, id }) => [error?.code, id])).toEqual(
      Array.from({ length: 4 }, () => [-32700, null]),
    )
    expect((await ask(client, 'rpc.ping')).result).toBeDefined()
  })
})
