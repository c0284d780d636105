import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { LineClient, startRpc } from '../../support/rpc-harness.ts'

/** Everything that comes back until the server hangs up, for bytes that are sent at once. */
function exchange(path: string, bytes: string | Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(path)
    let text = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      text += chunk
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
    socket.end(bytes)
  })
}

describe('bytes that are no request', () => {
  it('on the NDJSON side are a PARSE_ERROR of their line, -32700, and no more', async () => {
    await using rpc = await startRpc()
    using client = new LineClient(rpc.socketPath)
    client.write('{\n')
    client.write('POST /rpc HTTP/1.1\n')
    client.write(Uint8Array.of(0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d, 0x0a))
    client.write('{"jsonrpc":"2.0","id":1,"method":"rpc.ping"}\n')
    const replies = await client.take(4)
    expect(replies.map(({ error }) => error?.code)).toEqual([-32700, -32700, -32700, undefined])
  })

  it('HTTP is not taken for NDJSON: one socket serves both', async () => {
    await using rpc = await startRpc()
    const answer = await exchange(
      rpc.socketPath,
      'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    )
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  })

  it('NDJSON is never read on the TCP port', async () => {
    await using rpc = await startRpc({ tcp: {} })
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(rpc.server.tcpPort ?? 0, '127.0.0.1')
      let text = ''
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1')
      })
      socket.on('close', () => resolve(text))
      socket.write('{"jsonrpc":"2.0","id":1,"method":"rpc.ping"}\n\n')
    })
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).not.toContain('jsonrpc')
  })

  it('that are random neither stop the server nor reach the node', async () => {
    await using rpc = await startRpc()
    const starts = ['{', '[', ' ', '\n', 'G', 'P', '\u0000', '\u0016', '\u00ff']
    for (let i = 0; i < 200; i++) {
      const start = starts[i % starts.length] ?? '{'
      const noise = Buffer.concat([Buffer.from(start, 'latin1'), randomBytes(i * 7)])
      const answer = await exchange(rpc.socketPath, noise)
      expect(answer).not.toContain('    at ')
    }
    using client = new LineClient(rpc.socketPath)
    expect((await client.call('rpc.ping')).result).toBeDefined()
    expect(rpc.node.calls).toEqual([])
    expect(rpc.log).toEqual([])
  })

  it('that open and close at once, or send nothing, cost nothing', async () => {
    await using rpc = await startRpc()
    for (let i = 0; i < 100; i++) expect(await exchange(rpc.socketPath, '')).toBe('')
    const left = connect(rpc.socketPath)
    left.on('error', () => {})
    left.destroy()
    using client = new LineClient(rpc.socketPath)
    expect((await client.call('rpc.ping')).result).toBeDefined()
  })

  it('in the middle of a batch spoil only themselves', async () => {
    await using rpc = await startRpc()
    using client = new LineClient(rpc.socketPath)
    client.write('[{"jsonrpc":"2.0","id":1,"method":"rpc.ping"},7]\n')
    const [batch] = (await client.take(1)) as unknown as [{ id: unknown }[]]
    expect(batch).toMatchObject([
      { id: 1, result: {} },
      { id: null, error: { code: -32600 } },
    ])
  })
})
