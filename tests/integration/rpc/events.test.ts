import { readFileSync } from 'node:fs'
import { get as httpGet, type IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { HEARTBEAT_MS, MAX_REQUEST_BYTES } from '../../../rpc/constants.ts'
import { type Harness, type Reply, startRpc } from '../../support/rpc-harness.ts'
import { settle } from '../../support/memory-wire.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

/** A reader of /events on the unix socket. */
class Sse implements Disposable {
  text = ''
  status = 0
  ended = false
  response: IncomingMessage | undefined
  readonly #request
  readonly #waiting = new Set<() => void>()

  constructor(rpc: Harness, query = '', headers: Record<string, string> = {}) {
    this.#request = httpGet(
      { socketPath: rpc.socketPath, path: `/events${query}`, headers, agent: false },
      (response) => {
        this.response = response
        this.status = response.statusCode ?? 0
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          this.text += chunk
          this.#wake()
        })
        response.on('close', () => this.#end())
        response.on('error', () => {})
        this.#wake()
      },
    )
    this.#request.on('error', () => this.#end())
  }

  async until(done: () => boolean): Promise<void> {
    while (!done() && !this.ended) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
  }

  ids(): string[] {
    return [...this.text.matchAll(/^id: (.*)$/gm)].map(([, id]) => id ?? '')
  }

  #end(): void {
    this.ended = true
    this.#wake()
  }

  #wake(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const resolve of waiting) resolve()
  }

  [Symbol.dispose](): void {
    this.#request.destroy()
  }
}

const EPOCH = 'epoch-of-the-fake'
const ids = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => `${EPOCH}:${from + i}`)

describe('server-sent events', () => {
  it('flush their headers at once and begin at the head', async () => {
    await using rpc = await startRpc()
    rpc.node.append()
    using stream = new Sse(rpc)
    await stream.until(() => stream.text.includes('caughtUp'))
    expect(stream.status).toBe(200)
    expect(stream.response?.headers['content-type']).toBe('text/event-stream')
    rpc.node.append('message.received', { messageId: 'm' })
    await stream.until(() => stream.ids().length > 0)
    expect(stream.text).toContain(`id: ${EPOCH}:2\ndata: {"seq":2,`)
    expect(stream.text).not.toContain('subscription')
  })

  it('go on after Last-Event-ID, without a gap, and with a filter', async () => {
    await using rpc = await startRpc()
    for (let i = 0; i < 300; i++) rpc.node.append(i % 3 === 0 ? 'message.sent' : 'message.received')
    using all = new Sse(rpc, '', { 'last-event-id': `${EPOCH}:100` })
    await all.until(() => all.text.includes('caughtUp'))
    expect(all.ids()).toEqual(ids(101, 300))
    using some = new Sse(rpc, `?after=290&epoch=${EPOCH}&types=message.sent`)
    await some.until(() => some.text.includes('caughtUp'))
    expect(some.ids()).toEqual([292, 295, 298].map((seq) => `${EPOCH}:${seq}`))
  })

  it('refuse a position of another epoch, ahead, too old, or no position at all', async () => {
    await using rpc = await startRpc()
    for (let i = 0; i < 10; i++) rpc.node.append()
    rpc.node.oldest = 5
    const cases: [string, Record<string, string>, number][] = [
      ['', { 'last-event-id': 'other-epoch:3' }, 409],
      ['', { 'last-event-id': `${EPOCH}:11` }, 409],
      ['', { 'last-event-id': `${EPOCH}:1` }, 410],
      ['', { 'last-event-id': '3' }, 400],
      ['', { 'last-event-id': `${EPOCH}:-1` }, 400],
      ['?after=7&epoch=other-epoch', {}, 409],
      ['?epoch=other-epoch', { 'last-event-id': 'other-epoch:7' }, 409],
      ['?after=7&epoch=', {}, 400],
      ['?after=-1', {}, 400],
      ['?after=x', {}, 400],
      ['?types=', {}, 400],
      ['?types=a%20b', {}, 400],
      ['?unknown=1', {}, 400],
    ]
    const told: Record<number, string> = {
      409: `"head":10,"epoch":"${EPOCH}"`,
      410: '"oldest":5',
    }
    for (const [query, headers, status] of cases) {
      using stream = new Sse(rpc, query, headers)
      await stream.until(() => stream.ended)
      expect([query, headers, stream.status]).toEqual([query, headers, status])
      expect(stream.text).toContain(told[status] ?? '')
    }
  })

  it('ping by a comment every 15 s and end with event: closed when the server stops', async () => {
    const clock = new VirtualClock()
    const rpc = await startRpc({ clock })
    using stream = new Sse(rpc, '?after=0')
    await stream.until(() => stream.text.includes('caughtUp'))
    await clock.advance(HEARTBEAT_MS)
    await stream.until(() => stream.text.includes(': ping\n\n'))
    await rpc.server.stop()
    await stream.until(() => stream.ended)
    expect(stream.text).toMatch(
      /event: closed\ndata: {"code":1004,"name":"SHUTTING_DOWN","hint":"connect again [^"]+"}\n\n$/,
    )
    await rpc[Symbol.asyncDispose]()
  })

  it('stop their feed when the reader goes away', async () => {
    const clock = new VirtualClock()
    await using rpc = await startRpc({ clock })
    const stream = new Sse(rpc, '?after=0')
    await stream.until(() => stream.text.includes('caughtUp'))
    expect(clock.pendingTimers).toBe(1)
    stream[Symbol.dispose]()
    while (clock.pendingTimers > 0) await settle()
    expect(rpc.log).toEqual([])
  })
})

/** A WebSocket with the texts that came. */
async function openSocket(
  rpc: Harness,
  options: { protocols?: string[]; headers?: Record<string, string>; path?: string } = {},
): Promise<{ socket: WebSocket; next: () => Promise<Reply>; closed: Promise<number> }> {
  const url = `ws://127.0.0.1:${rpc.server.tcpPort ?? 0}${options.path ?? '/ws'}`
  const socket = new WebSocket(url, options.protocols ?? [], { headers: options.headers ?? {} })
  const texts: Reply[] = []
  const waiting: ((reply: Reply) => void)[] = []
  const closed = new Promise<number>((resolve) => socket.on('close', resolve))
  socket.on('message', (data: Buffer) => {
    const reply = JSON.parse(data.toString('utf8')) as Reply
    const first = waiting.shift()
    if (first === undefined) texts.push(reply)
    else first(reply)
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  const next = () => {
    const reply = texts.shift()
    return reply === undefined
      ? new Promise<Reply>((resolve) => waiting.push(resolve))
      : Promise.resolve(reply)
  }
  return { socket, next, closed }
}

const PING = '{"jsonrpc":"2.0","id":1,"method":"rpc.ping"}'

describe('WebSocket', () => {
  it('takes the token from Authorization, or from the list of subprotocols, which is not echoed', async () => {
    await using rpc = await startRpc({ tcp: {} })
    const token = readFileSync(rpc.cookiePath, 'utf8')
    const byHeader = await openSocket(rpc, { headers: { authorization: `Bearer ${token}` } })
    byHeader.socket.send(PING)
    expect(await byHeader.next()).toMatchObject({ id: 1, result: {} })
    const protocols = ['hearsay.v1', `hearsay.bearer.${token}`]
    const byProtocol = await openSocket(rpc, { protocols })
    expect(byProtocol.socket.protocol).toBe('hearsay.v1')
    byProtocol.socket.send(PING)
    expect(await byProtocol.next()).toMatchObject({ id: 1, result: {} })
  })

  it('refuses the upgrade without a token, with one in the query, and from other pages', async () => {
    await using rpc = await startRpc({ tcp: {} })
    const token = readFileSync(rpc.cookiePath, 'utf8')
    const authorization = `Bearer ${token}`
    await expect(openSocket(rpc)).rejects.toThrow('401')
    await expect(openSocket(rpc, { path: `/ws?token=${token}` })).rejects.toThrow('401')
    const evil = { authorization, origin: 'https://evil.example' }
    await expect(openSocket(rpc, { headers: evil })).rejects.toThrow('403')
    const rebound = { authorization, host: 'evil.example' }
    await expect(openSocket(rpc, { headers: rebound })).rejects.toThrow('421')
    const wrongPath = { path: '/rpc', headers: { authorization } }
    await expect(openSocket(rpc, wrongPath)).rejects.toThrow('404')
  })

  it('carries subscriptions, and closes with 1004 told when the server stops', async () => {
    const rpc = await startRpc({ tcp: {} })
    const authorization = `Bearer ${readFileSync(rpc.cookiePath, 'utf8')}`
    const client = await openSocket(rpc, { headers: { authorization } })
    rpc.node.append()
    client.socket.send('{"jsonrpc":"2.0","id":1,"method":"events.subscribe","params":{"after":0}}')
    expect(await client.next()).toMatchObject({ result: { subscription: 's-1' } })
    expect(await client.next()).toMatchObject({ method: 'event', params: { seq: 1 } })
    expect(await client.next()).toMatchObject({ method: 'event.caughtUp' })
    await rpc.server.stop()
    expect(await client.next()).toMatchObject({ method: 'event.closed', params: { code: 1004 } })
    expect(await client.closed).toBe(1000)
    await rpc[Symbol.asyncDispose]()
  })

  it('closes on binary messages and on messages over the limit', async () => {
    await using rpc = await startRpc({ tcp: {} })
    const authorization = `Bearer ${readFileSync(rpc.cookiePath, 'utf8')}`
    const binary = await openSocket(rpc, { headers: { authorization } })
    binary.socket.send(Buffer.from(PING))
    expect(await binary.closed).toBe(1003)
    const long = await openSocket(rpc, { headers: { authorization } })
    long.socket.on('error', () => {})
    long.socket.send(' '.repeat(MAX_REQUEST_BYTES + 1))
    expect(await long.closed).toBe(1009)
    expect(rpc.node.calls).toEqual([])
  })

  it('answers text that is no JSON by -32700 and goes on', async () => {
    await using rpc = await startRpc({ tcp: {} })
    const authorization = `Bearer ${readFileSync(rpc.cookiePath, 'utf8')}`
    const client = await openSocket(rpc, { headers: { authorization } })
    client.socket.send('{')
    expect(await client.next()).toMatchObject({ error: { code: -32700 } })
    client.socket.send(PING)
    expect(await client.next()).toMatchObject({ id: 1 })
  })
})
