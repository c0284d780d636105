import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { HearsayError } from '../../../src/base/index.ts'
import {
  type Client,
  connect,
  ConnectionFailure,
  type Event,
  type EventStream,
  RpcFailure,
} from '../../../rpc/client/index.ts'
import { type Harness, startRpc } from '../../support/rpc-harness.ts'

const overUnix = (rpc: Harness) => ({ socket: rpc.socketPath })
const overWeb = (rpc: Harness) => ({
  url: `http://127.0.0.1:${rpc.server.tcpPort ?? 0}`,
  token: readFileSync(rpc.cookiePath, 'utf8'),
})

/** The server may not have seen yet that the last reader of the consumer hung up. */
async function subscribeWhenFree(client: Client, consumer: string): Promise<EventStream> {
  for (;;) {
    try {
      return await client.subscribe({ consumer })
    } catch (error) {
      if (!(error instanceof RpcFailure) || error.code !== 1402) throw error
    }
  }
}

describe.each([
  ['the unix socket', overUnix],
  ['WebSocket', overWeb],
])('a client over %s', (_name, endpoint) => {
  it('calls methods with types from the registry', async () => {
    await using rpc = await startRpc({ tcp: {} })
    using client = await connect(endpoint(rpc))
    const status = await client.call('node.status')
    expect(status.state satisfies string).toBe('running')
    const sent = await client.call('messages.send', { to: 'bob', body: { text: 'hi' } })
    expect(sent.messageId).toBe('m3Fz8k1Qv6hT2r5e')
    // @ts-expect-error: an unknown method and unknown params do not compile
    await expect(client.call('no.such', { x: 1 })).rejects.toMatchObject({ code: -32601 })
  })

  it('throws RpcFailure with the number, the name and what to do', async () => {
    await using rpc = await startRpc({ tcp: {} })
    using client = await connect(endpoint(rpc))
    rpc.node.fail('contacts.get', new HearsayError('contact-not-found', 'nobody'))
    const error: unknown = await client
      .call('contacts.get', { contact: 'x' })
      .catch((e: unknown) => e)
    expect(error).toBeInstanceOf(RpcFailure)
    expect(error).toMatchObject({ code: 1100, kind: 'CONTACT_NOT_FOUND', retryable: false })
  })

  it('iterates over a consumer, acknowledges, and resumes after the last ack', async () => {
    await using rpc = await startRpc({ tcp: {} })
    using client = await connect(endpoint(rpc))
    await client.call('events.consumers.create', { name: 'bot', from: 'start' })
    for (let i = 0; i < 1_000; i++) rpc.node.append()
    const first = await client.subscribe({ consumer: 'bot', maxInFlight: 50 })
    expect(first.start).toMatchObject({ head: 1_000, resumedFrom: 0 })
    let expected = 1
    for await (const event of first) {
      expect(event.seq).toBe(expected)
      expected += 1
      if (event.seq % 25 === 0) await first.ack(event.seq)
      if (event.seq === 510) break
    }
    await using second = await subscribeWhenFree(client, 'bot')
    expect(second.start.resumedFrom).toBe(500)
    for await (const event of second) {
      await second.ack(event.seq)
      if (event.seq === 1_000) break
    }
    const { items } = await client.call('events.consumers.list')
    expect(items).toMatchObject([{ name: 'bot', cursor: 1_000, lag: 0 }])
  })

  it('acknowledges with the epoch of the event, and is refused for one of before a restore', async () => {
    await using rpc = await startRpc({ tcp: {} })
    using client = await connect(endpoint(rpc))
    await client.call('events.consumers.create', { name: 'bot', from: 'start' })
    for (let i = 0; i < 10; i++) rpc.node.append()
    const former = rpc.node.epoch
    const held: Event[] = []
    await using stream = await client.subscribe({ consumer: 'bot' })
    for await (const event of stream) {
      held.push(event)
      if (event.seq === 8) break
    }
    const [first, last] = [held[0], held.at(-1)]
    if (first === undefined || last === undefined) throw new Error('no events')
    await stream.ack(first)
    await stream.ack(2)
    expect(rpc.node.callsOf('events.ack').map(({ params }) => params)).toEqual([
      { consumer: 'bot', seq: 1, epoch: former },
      { consumer: 'bot', seq: 2, epoch: former },
    ])

    rpc.node.restore(5)
    for (let i = 0; i < 6; i++) rpc.node.append()
    const refused = { code: 1401, data: { head: 11, epoch: rpc.node.epoch } }
    await using again = await subscribeWhenFree(client, 'bot')
    expect(again.start).toMatchObject({ resumedFrom: 2, epoch: rpc.node.epoch })
    await expect(again.ack(last)).rejects.toMatchObject(refused)
    await expect(stream.ack(8)).rejects.toMatchObject(refused)
    await expect(client.subscribe({ after: 8, epoch: former })).rejects.toMatchObject(refused)
    const { items } = await client.call('events.consumers.list')
    expect(items).toEqual([{ name: 'bot', cursor: 2, lag: 9, formerEpoch: former }])
  })

  it('says when it caught up, and is not held up by a subscription that nobody reads', async () => {
    await using rpc = await startRpc({ tcp: {} })
    using client = await connect(endpoint(rpc))
    for (let i = 0; i < 5_000; i++) rpc.node.append()
    const unread = await client.subscribe({ after: 0 })
    for (let i = 0; i < 50; i++) await client.call('rpc.ping')
    let seen = 0
    void unread.caughtUp.then(() => unread.close()).catch(() => {})
    for await (const event of unread) seen = event.seq
    expect(seen).toBe(5_000)
  })

  it('fails every open call, and the iteration, when the daemon goes away', async () => {
    const rpc = await startRpc({ tcp: {} })
    using client = await connect(endpoint(rpc))
    const stream = await client.subscribe()
    const iteration = (async () => {
      for await (const _ of stream) expect.unreachable()
    })()
    rpc.node.stub('node.wait', () => new Promise(() => {}))
    const waiting = client.call('node.wait', { for: 'linked' })
    const ended = Promise.allSettled([waiting, iteration])
    await rpc[Symbol.asyncDispose]()
    const reasons = (await ended).map(
      (each) => each.status === 'rejected' && (each.reason as object),
    )
    expect(reasons[0]).toBeInstanceOf(ConnectionFailure)
    expect(reasons[1]).toMatchObject({ kind: 'SHUTTING_DOWN' })
    await expect(client.call('rpc.ping')).rejects.toBeInstanceOf(ConnectionFailure)
  })

  it('stops waiting when the signal says so', async () => {
    await using rpc = await startRpc({ tcp: {} })
    using client = await connect(endpoint(rpc))
    rpc.node.stub('node.wait', (_params: never, signal: AbortSignal) => {
      const { promise, reject } = Promise.withResolvers()
      signal.addEventListener('abort', () => reject(signal.reason as Error))
      return promise
    })
    const controller = new AbortController()
    const waiting = client.call('node.wait', { for: 'linked' }, { signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    expect((await client.call('rpc.ping', { nonce: 'n' })).nonce).toBe('n')
  })
})

describe('connecting', () => {
  it('names why there is no connection', async () => {
    await using rpc = await startRpc({ tcp: {} })
    const nowhere = { socket: join(rpc.socketPath, '..', 'none.sock') }
    await expect(connect(nowhere)).rejects.toMatchObject({ reason: 'ENOENT' })
    const stranger = { ...overWeb(rpc), token: 'wrong' }
    await expect(connect(stranger)).rejects.toMatchObject({ reason: 'HTTP 401' })
    const closed = { url: 'http://127.0.0.1:1', token: 'x' }
    await expect(connect(closed)).rejects.toMatchObject({ reason: 'ECONNREFUSED' })
  })

  it('loads neither zod nor ws for the unix socket', () => {
    const script =
      "import { registerHooks } from 'node:module'\n" +
      'const seen = []\n' +
      'registerHooks({ load(url, c, next) { seen.push(url); return next(url, c) } })\n' +
      `await import(${JSON.stringify(new URL('../../../rpc/client/index.ts', import.meta.url).href)})\n` +
      'console.log(JSON.stringify(seen))\n'
    const text = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
    })
    const loaded = JSON.parse(text) as string[]
    expect(loaded.length).toBeGreaterThan(3)
    expect(loaded.filter((url) => url.includes('node_modules'))).toEqual([])
    expect(
      loaded.filter(
        (url) =>
          url.includes('/rpc/') && !url.includes('/client/') && !url.endsWith('/rpc/constants.ts'),
      ),
    ).toEqual([])
  })
})
