import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface BenchResult {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly target?: number
  readonly note?: string
}

const IN_FLIGHT = 64
const CALLS = 100_000
const WARM_UP = 20_000
const PING = '{"jsonrpc":"2.0","id":1,"method":"rpc.ping","params":{"nonce":"n"}}\n'

/**
 * rpc.ping over the unix socket with 64 in flight. Server and client are separate processes; the client only
 * counts line feeds, so that the server is what is measured.
 */
export async function benchRpc(): Promise<BenchResult[]> {
  const directory = mkdtempSync(join(tmpdir(), 'hearsay-bench-'))
  const path = join(directory, 'rpc.sock')
  const server = fork(fileURLToPath(new URL('./rpc-server.ts', import.meta.url)), [path])
  try {
    await once(server, 'message')
    await pings(path, WARM_UP)
    const cpuBefore = await cpuMs(server)
    const begin = performance.now()
    await pings(path, CALLS)
    const elapsed = performance.now() - begin
    const cpu = (await cpuMs(server)) - cpuBefore
    return [
      {
        name: 'rpc.ping over the unix socket',
        value: Math.round((CALLS / elapsed) * 1_000),
        unit: 'calls/s',
        target: 20_000,
        note: `${IN_FLIGHT} in flight, server and client in separate processes`,
      },
      {
        name: 'rpc.ping, cpu of the server',
        value: Math.round((cpu / CALLS) * 1_000 * 10) / 10,
        unit: 'µs/call',
        target: 50,
        note: 'user and system time, all threads',
      },
    ]
  } finally {
    server.disconnect()
    if (server.exitCode === null) await once(server, 'exit')
    rmSync(directory, { recursive: true, force: true })
  }
}

async function pings(path: string, calls: number): Promise<void> {
  const socket = connect(path)
  await once(socket, 'connect')
  const { promise, resolve } = Promise.withResolvers<void>()
  let sent = IN_FLIGHT
  let answered = 0
  socket.on('data', (chunk: Buffer) => {
    let lines = 0
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) lines += 1
    answered += lines
    if (answered >= calls) return resolve()
    const more = Math.min(lines, calls - sent)
    sent += more
    if (more > 0) socket.write(PING.repeat(more))
  })
  socket.write(PING.repeat(IN_FLIGHT))
  await promise
  socket.destroy()
}

async function cpuMs(server: ChildProcess): Promise<number> {
  server.send('cpu')
  const [message] = (await once(server, 'message')) as [{ cpuMs: number }]
  return message.cpuMs
}
