import { readFileSync, existsSync, statSync } from 'node:fs'
import { type IncomingHttpHeaders, request as httpRequest, type RequestOptions } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { openRpcDocument } from '../../../rpc/index.ts'
import { AUTH_WINDOW_MS, MAX_REQUEST_BYTES } from '../../../rpc/constants.ts'
import { type Harness, startRpc } from '../../support/rpc-harness.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

interface Ask extends Omit<RequestOptions, 'headers'> {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  readonly token?: string | null
}

const PING = '{"jsonrpc":"2.0","id":1,"method":"rpc.ping"}'
const JSON_TYPE = { 'content-type': 'application/json' }

const tokenOf = (rpc: Harness) => readFileSync(rpc.cookiePath, 'utf8')

/** One request on the TCP port (with the cookie) or, with `socketPath`, on the unix socket. */
function ask(rpc: Harness, path: string, options: Ask = {}): Promise<HttpAnswer> {
  const { body, token, headers, ...rest } = options
  const bearer = token === undefined ? tokenOf(rpc) : token
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        host: '127.0.0.1',
        port: rpc.server.tcpPort,
        path,
        agent: false,
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
          ...headers,
        },
        ...rest,
      },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
        )
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}

const post = (rpc: Harness, body: string | Uint8Array, options: Ask = {}) =>
  ask(rpc, '/rpc', { body, ...options, headers: { ...JSON_TYPE, ...options.headers } })

describe('HTTP on the TCP port', () => {
  it('is off unless it is configured', async () => {
    await using rpc = await startRpc()
    expect(rpc.server.tcpPort).toBeUndefined()
    expect(existsSync(rpc.cookiePath)).toBe(false)
  })

  it('answers POST /rpc with the cookie, one, many and none', async () => {
    await using rpc = await startRpc({ tcp: {} })
    const one = await post(rpc, PING)
    expect(one).toMatchObject({ status: 200 })
    expect(JSON.parse(one.body)).toMatchObject({ id: 1, result: {} })
    expect(one.headers['content-type']).toBe('application/json')
    expect(JSON.parse((await post(rpc, `[${PING},${PING}]`)).body)).toHaveLength(2)
    const none = await post(rpc, '{"jsonrpc":"2.0","method":"rpc.ping"}')
    expect(none).toMatchObject({ status: 204, body: '' })
  })

  it('needs the token for everything but /healthz: 401 UNAUTHENTICATED, 1000', async () => {
    await using rpc = await startRpc({ tcp: {} })
    const paths = ['/', '/rpc', '/ws', '/events', '/readyz', '/metrics', '/openrpc.json', '/nope']
    for (const path of paths) {
      const answer = await ask(rpc, path, { token: null })
      expect([path, answer.status]).toEqual([path, 401])
      expect(answer.headers['www-authenticate']).toBe('Bearer')
      expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 1000 } })
    }
    const health = await ask(rpc, '/healthz', { token: null })
    expect(health).toMatchObject({ status: 200, body: '' })
    expect(rpc.node.calls).toEqual([])
  })

  it('accepts no token that is only nearly right, and none in the query', async () => {
    const clock = new VirtualClock()
    await using rpc = await startRpc({ tcp: {}, clock })
    const token = tokenOf(rpc)
    const wrong = [
      `${token}=`,
      token.slice(1),
      `${token}A`,
      token.toLowerCase(),
      '',
      'x'.repeat(600),
    ]
    for (const each of wrong) {
      expect((await post(rpc, PING, { token: each })).status).toBe(401)
    }
    const inQuery = await ask(rpc, `/readyz?token=${token}&access_token=${token}`, { token: null })
    expect(inQuery.status).toBe(401)
    const basic = { authorization: `Basic ${token}` }
    expect((await ask(rpc, '/readyz', { token: null, headers: basic })).status).toBe(401)
  })

  it('is RATE_LIMITED, 429 and 1005, after ten failures a minute; the owner is not', async () => {
    const clock = new VirtualClock()
    await using rpc = await startRpc({ tcp: {}, clock })
    for (let i = 0; i < 10; i++) {
      expect((await ask(rpc, '/readyz', { token: 'wrong' })).status).toBe(401)
    }
    const limited = await ask(rpc, '/readyz', { token: 'wrong' })
    expect(limited).toMatchObject({ status: 429, headers: { 'retry-after': '60' } })
    expect(JSON.parse(limited.body)).toMatchObject({ error: { code: 1005 } })
    for (let i = 0; i < 20; i++) await ask(rpc, '/readyz', { token: 'wrong' })
    // Once in a window: a line for each would fill the disk.
    const lines = rpc.log.filter(({ message }) => message.includes('failed attempts'))
    expect(lines).toHaveLength(1)
    expect((await ask(rpc, '/readyz')).status).toBe(200)
    await clock.advance(AUTH_WINDOW_MS)
    expect((await ask(rpc, '/readyz', { token: 'wrong' })).status).toBe(401)
  })

  it('writes a fresh cookie per start, 0600, and removes it at the stop', async () => {
    const first = await startRpc({ tcp: {} })
    expect(statSync(first.cookiePath).mode & 0o777).toBe(0o600)
    const token = tokenOf(first)
    expect(Buffer.from(token, 'base64url')).toHaveLength(32)
    await first.server.stop()
    expect(existsSync(first.cookiePath)).toBe(false)
    await using second = await startRpc({ tcp: {} })
    expect(tokenOf(second)).not.toBe(token)
    expect((await post(second, PING, { token })).status).toBe(401)
  })

  it('answers 421 to a name that is not its own: the page of a rebound domain', async () => {
    await using rpc = await startRpc({ tcp: { allowedHosts: ['node.lan'] } })
    const port = rpc.server.tcpPort ?? 0
    const wrong = [
      'evil.example',
      `evil.example:${port}`,
      `localhost:${port + 1}`,
      'localhost',
      `localhost.evil.example:${port}`,
      `127.0.0.1.evil:${port}`,
      `localhost:${port}@evil`,
      ' ',
      `[::2]:${port}`,
    ]
    for (const host of wrong) {
      for (const path of ['/rpc', '/healthz']) {
        expect([host, (await ask(rpc, path, { headers: { host } })).status]).toEqual([host, 421])
      }
    }
    for (const name of ['localhost', 'LOCALHOST', '127.0.0.1', '[::1]', 'node.lan']) {
      const answer = await ask(rpc, '/healthz', { headers: { host: `${name}:${port}` } })
      expect([name, answer.status]).toEqual([name, 200])
    }
  })

  it('answers 403 to a page of another origin, and sends no CORS header to anyone', async () => {
    await using rpc = await startRpc({ tcp: { allowedOrigins: ['http://localhost:5000'] } })
    for (const origin of ['https://evil.example', 'null', 'http://localhost', 'file://']) {
      const answer = await post(rpc, PING, { headers: { origin } })
      expect([origin, answer.status]).toEqual([origin, 403])
      expect(Object.keys(answer.headers).join()).not.toContain('access-control')
    }
    const allowed = await post(rpc, PING, { headers: { origin: 'http://localhost:5000' } })
    expect(allowed.status).toBe(200)
    expect(Object.keys(allowed.headers).join()).not.toContain('access-control')
    const preflight = await ask(rpc, '/rpc', { method: 'OPTIONS' })
    expect(preflight.status).toBe(405)
  })

  it('answers 415 to what a form could send', async () => {
    await using rpc = await startRpc({ tcp: {} })
    const types = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', '']
    for (const type of types) {
      const answer = await post(rpc, PING, { headers: { 'content-type': type } })
      expect([type, answer.status]).toEqual([type, 415])
    }
    const charset = 'application/json; charset=utf-8'
    expect((await post(rpc, PING, { headers: { 'content-type': charset } })).status).toBe(200)
    const latin = 'application/json; charset=latin1'
    expect((await post(rpc, PING, { headers: { 'content-type': latin } })).status).toBe(415)
  })

  it('answers 413 to a body over the limit, told or not', async () => {
    await using rpc = await startRpc({ tcp: {} })
    const full = PING + ' '.repeat(MAX_REQUEST_BYTES - PING.length)
    expect((await post(rpc, full)).status).toBe(200)
    // A client that is still sending may see the connection reset before it reads the answer.
    const refused = (answer: HttpAnswer) => answer.status
    const told = await post(rpc, `${full} `).then(refused, () => 413)
    const headers = { 'transfer-encoding': 'chunked' }
    const untold = await post(rpc, `${full} `, { headers }).then(refused, () => 413)
    expect([told, untold]).toEqual([413, 413])
    expect((await post(rpc, PING)).status).toBe(200)
  })

  it('answers bad JSON as JSON-RPC does, and other methods and paths as HTTP does', async () => {
    await using rpc = await startRpc({ tcp: {} })
    for (const body of ['{', '', Uint8Array.of(0x22, 0xff, 0x22)]) {
      const answer = await post(rpc, body)
      expect(JSON.parse(answer.body)).toMatchObject({ id: null, error: { code: -32700 } })
    }
    const get = await ask(rpc, '/rpc')
    expect(get).toMatchObject({ status: 405, headers: { allow: 'POST' } })
    expect((await ask(rpc, '/events', { method: 'DELETE' })).status).toBe(405)
    expect((await ask(rpc, '/ws')).status).toBe(426)
    for (const path of ['/', '/rpc/', '/../rpc', '//rpc', '/%72pc', '/nope']) {
      expect([path, (await ask(rpc, path)).status]).toEqual([path, 404])
    }
  })

  it('does not subscribe over POST', async () => {
    await using rpc = await startRpc({ tcp: {} })
    const body = '{"jsonrpc":"2.0","id":1,"method":"events.subscribe"}'
    const answer = await post(rpc, body)
    expect(JSON.parse(answer.body)).toMatchObject({ error: { code: -32600 } })
    expect(rpc.node.callsOf('events.open')).toEqual([])
  })

  it('serves the probes: ready by state, metrics as Prometheus text, OpenRPC', async () => {
    await using rpc = await startRpc({ tcp: {} })
    await post(rpc, '{"jsonrpc":"2.0","id":1,"method":"no.such"}')
    expect(JSON.parse((await ask(rpc, '/openrpc.json')).body)).toEqual(openRpcDocument())
    expect((await ask(rpc, '/readyz')).status).toBe(200)
    const metrics = await ask(rpc, '/metrics')
    expect(metrics.headers['content-type']).toContain('text/plain')
    expect(metrics.body).toContain('hearsay_rpc_errors_total{name="METHOD_NOT_FOUND"} 1')
    expect(metrics.body).toContain('hearsay_peers 5')
    expect(metrics.body).toMatch(/^hearsay_timers \d+$/m)
    expect(metrics.body).toMatch(/^nodejs_active_resources\{type="TCPServerWrap"\} [1-9]\d*$/m)
    const status = await rpc.node.node.status()
    rpc.node.stub('node.status', () => ({ ...status, state: 'starting' }))
    expect((await ask(rpc, '/readyz')).status).toBe(503)
  })

  it('listens on loopback only, unless told otherwise', async () => {
    for (const host of ['0.0.0.0', '::', '192.0.2.1', '127.0.0.1.evil', 'example.org']) {
      await expect(startRpc({ tcp: { host } })).rejects.toMatchObject({ code: 'listen-failed' })
    }
    await using rpc = await startRpc({ tcp: { host: '0.0.0.0', allowRemote: true } })
    expect((await post(rpc, PING)).status).toBe(200)
    expect((await post(rpc, PING, { token: null })).status).toBe(401)
  })

  it('hangs up on a client that does not finish its headers or its body', async () => {
    await using rpc = await startRpc({ tcp: { headersTimeoutMs: 100, requestTimeoutMs: 150 } })
    const starts = [
      'POST /rpc HTTP/1.1\r\nHost: localhost\r\nX-Slow: ',
      `POST /rpc HTTP/1.1\r\nHost: localhost:${rpc.server.tcpPort ?? 0}\r\n` +
        `Authorization: Bearer ${tokenOf(rpc)}\r\nContent-Type: application/json\r\n` +
        'Content-Length: 100\r\n\r\n{',
    ]
    for (const start of starts) {
      const answer = await new Promise<string>((resolve) => {
        const socket = connect(rpc.server.tcpPort ?? 0, '127.0.0.1')
        let text = ''
        socket.on('data', (chunk: Buffer) => {
          text += chunk.toString('latin1')
        })
        socket.on('close', () => resolve(text))
        socket.write(start)
      })
      expect(answer).toMatch(/^(HTTP\/1\.1 408 |$)/)
    }
    expect(rpc.node.calls).toEqual([])
  })

  it('refuses headers that are too long', async () => {
    await using rpc = await startRpc({ tcp: {} })
    const answer = await ask(rpc, '/healthz', { headers: { 'x-long': 'x'.repeat(20_000) } })
    expect(answer.status).toBe(400)
  })
})

describe('HTTP on the unix socket', () => {
  it('needs no token: who opens the socket is the owner', async () => {
    await using rpc = await startRpc()
    const options = { socketPath: rpc.socketPath, token: null, headers: { host: 'anything' } }
    expect((await post(rpc, PING, options)).status).toBe(200)
    expect((await ask(rpc, '/readyz', options)).status).toBe(200)
    const stop = '{"jsonrpc":"2.0","id":1,"method":"node.stop"}'
    expect(JSON.parse((await post(rpc, stop, options)).body)).toMatchObject({ result: {} })
  })
})
