import { existsSync, mkdtempSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isHearsayError } from '../../../src/base/index.ts'
import { MAX_REQUEST_BYTES } from '../../../rpc/constants.ts'
import { listenUnix } from '../../../rpc/transport/unix-socket.ts'
import { REGISTRY } from '../../../rpc/schema/registry.ts'
import { type Harness, LineClient, startRpc } from '../../support/rpc-harness.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const directory = () => mkdtempSync(join(tmpdir(), 'hearsay-sock-'))

/** A socket file whose process is gone. */
async function staleSocket(path: string): Promise<void> {
  const { execFileSync } = await import('node:child_process')
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  try {
    execFileSync(process.execPath, ['-e', script], { stdio: 'ignore' })
  } catch {
    // killed, as intended
  }
}

describe('the unix socket', () => {
  it('answers rpc.ping and node.status line by line', async () => {
    await using rpc = await startRpc()
    using client = new LineClient(rpc.socketPath)
    const ping = await client.call('rpc.ping', { nonce: 'n' })
    expect(ping).toMatchObject({ jsonrpc: '2.0', id: 1, result: { nonce: 'n' } })
    const status = await client.call('node.status')
    expect(status.result).toMatchObject({ state: 'running', peers: 5 })
  })

  it('is for its owner only, whatever the umask, and is gone after the stop', async () => {
    const before = process.umask(0)
    try {
      const rpc = await startRpc()
      expect(statSync(rpc.socketPath).mode & 0o777).toBe(0o600)
      expect(process.umask()).toBe(0)
      await rpc.server.stop()
      expect(existsSync(rpc.socketPath)).toBe(false)
    } finally {
      process.umask(before)
    }
  })

  it('takes the place of one that nobody answers on', async () => {
    const path = join(directory(), 's')
    await staleSocket(path)
    expect(existsSync(path)).toBe(true)
    const server = await listenUnix(path, () => {})
    expect(server.listening).toBe(true)
    server.close()
  })

  it('leaves a live one and files that are no socket alone', async () => {
    const path = join(directory(), 's')
    const alive = createServer().listen(path)
    await once(alive, 'listening')
    await expect(listenUnix(path, () => {})).rejects.toMatchObject({ code: 'address-in-use' })
    expect(existsSync(path)).toBe(true)
    alive.close()
    const file = join(directory(), 'file')
    writeFileSync(file, 'mine')
    await expect(listenUnix(file, () => {})).rejects.toMatchObject({ code: 'address-in-use' })
    expect(existsSync(file)).toBe(true)
  })

  it('names what is wrong with its path', async () => {
    const long = join(directory(), 'x'.repeat(120))
    await expect(listenUnix(long, () => {})).rejects.toMatchObject({ code: 'too-large' })
    const nowhere = join(directory(), 'no', 'such', 's')
    const error: unknown = await listenUnix(nowhere, () => {}).catch((e: unknown) => e)
    expect(isHearsayError(error, 'listen-failed')).toBe(true)
  })

  it('answers a client that closes its side after the request', async () => {
    await using rpc = await startRpc()
    using client = new LineClient(rpc.socketPath)
    client.socket.end('{"jsonrpc":"2.0","id":1,"method":"rpc.ping"}\n')
    await client.until(() => client.ended)
    expect(client.lines).toHaveLength(1)
    using many = new LineClient(rpc.socketPath)
    many.socket.end('{"jsonrpc":"2.0","id":1,"method":"node.status"}\n'.repeat(500))
    await many.until(() => many.ended)
    expect(many.lines).toHaveLength(500)
  })

  it('reads lines however they are cut, with blanks, CRLF and empty lines between', async () => {
    await using rpc = await startRpc()
    using client = new LineClient(rpc.socketPath)
    const text = Buffer.from('\r\n  \n{"jsonrpc":"2.0","id":"é","method":"rpc.ping"}\r\n\n')
    for (const byte of text) {
      client.write(Uint8Array.of(byte))
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await client.take(1)).toMatchObject([{ id: 'é' }])
    expect(client.lines).toEqual([])
  })

  it('takes a line of the limit, and ends the connection over a longer one', async () => {
    await using rpc = await startRpc()
    using client = new LineClient(rpc.socketPath)
    const request = '{"jsonrpc":"2.0","id":1,"method":"rpc.ping"}'
    client.write(`${' '.repeat(MAX_REQUEST_BYTES - request.length)}${request}\n`)
    expect(await client.take(1)).toMatchObject([{ id: 1, result: {} }])
    client.write(' '.repeat(MAX_REQUEST_BYTES + 1))
    const [reply] = await client.take(1)
    expect(reply).toMatchObject({ id: null, error: { code: 1006, data: { name: 'TOO_LARGE' } } })
    await client.until(() => client.ended)
    expect(client.ended).toBe(true)
  })

  it('stops reading from a client that does not read, and loses none of its answers', async () => {
    await using rpc = await startRpc()
    const text = 'x'.repeat(60_000)
    const view = { messageId: 'm', contactId: 'c', direction: 'in', body: { text }, read: false }
    const at = new Date(0).toISOString()
    rpc.node.stub('messages.get', () => ({ ...view, state: 'received', sentAt: at, history: [] }))
    using client = new LineClient(rpc.socketPath)
    client.socket.pause()
    const requests = 500
    for (let id = 0; id < requests; id++) client.request(id, 'messages.get', { messageId: 'm' })
    using other = new LineClient(rpc.socketPath)
    let begun = -1
    while (begun !== rpc.node.calls.length) {
      begun = rpc.node.calls.length
      for (let i = 0; i < 20; i++) await other.call('rpc.ping')
    }
    expect(begun).toBeLessThan(200)
    client.socket.resume()
    const replies = await client.take(requests)
    expect(new Set(replies.map(({ id }) => id)).size).toBe(requests)
  })

  it('tells its clients when it stops: waits with 1004, subscriptions with event.closed', async () => {
    const rpc = await startRpc()
    using client = new LineClient(rpc.socketPath)
    rpc.node.stub('node.wait', (_params: never, signal: AbortSignal) => {
      const { promise, reject } = Promise.withResolvers()
      signal.addEventListener('abort', () => reject(signal.reason as Error))
      return promise
    })
    await client.call('events.subscribe', { after: 0 })
    await client.take(1)
    client.request(2, 'node.wait', { for: 'linked' })
    await client.call('rpc.ping')
    await rpc.server.stop()
    await client.until(() => client.ended)
    const replies = client.lines.map((line) => JSON.parse(line) as { method?: string; id?: number })
    expect(replies).toMatchObject([
      { method: 'event.closed', params: { code: 1004, name: 'SHUTTING_DOWN' } },
      { id: 2, error: { code: 1004 } },
    ])
    await rpc[Symbol.asyncDispose]()
  })

  /** A call that waits until the connection is gone. */
  const waiting = (rpc: Harness) => {
    const begun = Promise.withResolvers<void>()
    const ended = Promise.withResolvers<void>()
    const answer = Promise.withResolvers<unknown>()
    rpc.node.stub('node.wait', (_params: never, signal: AbortSignal) => {
      begun.resolve()
      signal.addEventListener('abort', () => {
        ended.resolve()
        answer.reject(signal.reason as Error)
      })
      return answer.promise
    })
    return { begun: begun.promise, ended: ended.promise, answer: answer.resolve }
  }

  it('gives up the wait of a client that is gone within a second, and frees its consumer', async () => {
    const clock = new VirtualClock()
    await using rpc = await startRpc({ clock })
    const call = waiting(rpc)
    const client = new LineClient(rpc.socketPath)
    await client.call('events.consumers.create', { name: 'bot', from: 'start' })
    await client.call('events.subscribe', { consumer: 'bot' })
    client.request(2, 'node.wait', { for: 'linked' })
    await call.begun
    client.socket.destroy()
    let isOver = false
    const over = call.ended.then(() => {
      isOver = true
    })
    const began = clock.monotonic()
    while (!isOver) await clock.advance(100)
    await over
    expect(clock.monotonic() - began).toBeLessThanOrEqual(2_500)
    using next = new LineClient(rpc.socketPath)
    expect((await next.call('events.subscribe', { consumer: 'bot' })).error).toBeUndefined()
  })

  it('answers a client that has closed its side, however long that takes', async () => {
    const clock = new VirtualClock()
    await using rpc = await startRpc({ clock })
    const call = waiting(rpc)
    using client = new LineClient(rpc.socketPath)
    client.request(1, 'node.wait', { for: 'linked' })
    client.socket.end()
    await call.begun
    for (let i = 0; i < 100; i++) await clock.advance(100)
    call.answer(REGISTRY.get('node.wait')?.example.result)
    const [reply] = await client.take(1)
    expect(reply).toMatchObject({ id: 1, result: { state: 'running' } })
  })

  it('stops although a client neither reads nor hangs up', async () => {
    const rpc = await startRpc()
    const silent = connect(rpc.socketPath)
    await once(silent, 'connect')
    await rpc.server.stop()
    expect(existsSync(rpc.socketPath)).toBe(false)
    silent.destroy()
    await rpc[Symbol.asyncDispose]()
  })

  it('frees the socket path when the TCP port cannot be opened', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as { port: number }
    await expect(startRpc({ tcp: { port } })).rejects.toMatchObject({ code: 'address-in-use' })
    taken.close()
  })
})
