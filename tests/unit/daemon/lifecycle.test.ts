import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { resolveHome } from '../../../daemon/home.ts'
import { forgetDaemon, recordDaemon } from '../../../daemon/running.ts'
import { runCli, startCli } from '../../support/cli.ts'
import { startRpc } from '../../support/rpc-harness.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hs-life-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const down = (...words: string[]) => ['--json', '--home', dir, 'down', ...words]

/** Runs `down` on a clock of its own; `at` does something after that many ms. */
async function downWhile(at: number, then: () => void) {
  const clock = new VirtualClock()
  clock.setTimer(at, then)
  let ended = false
  const result = startCli(down('--timeout', '5s'), { clock }).result.finally(() => {
    ended = true
  })
  while (!ended) await clock.advance(10)
  return { ...(await result), tookMs: clock.monotonic() }
}

describe('down', () => {
  it('says that nothing runs only where nothing does', async () => {
    const { code, stdout } = await runCli(down())
    expect([code, JSON.parse(stdout)]).toEqual([0, { stopped: false }])
  })

  it('waits for one that is stopping already and has closed its socket', async () => {
    const home = resolveHome(dir, {})
    // This process stands for the daemon.
    recordDaemon(home)
    const { code, stdout, tookMs } = await downWhile(1_000, () => forgetDaemon(home))
    expect([code, JSON.parse(stdout)]).toEqual([0, { stopped: true }])
    expect(tookMs).toBeGreaterThanOrEqual(1_000)
  })

  it('exits 5 when that takes longer than --timeout', async () => {
    recordDaemon(resolveHome(dir, {}))
    const { code, stderr } = await downWhile(60_000, () => {})
    expect([code, stderr]).toEqual([5, expect.stringContaining(`kill -TERM ${process.pid}`)])
  })

  it('does not wait for the daemon of the home when it stopped another one', async () => {
    recordDaemon(resolveHome(dir, {}))
    const { code, stdout } = await runCli(down('--socket', join(dir, 'none.sock')))
    expect([code, JSON.parse(stdout)]).toEqual([0, { stopped: false }])
  })

  it('is content when the daemon hangs up instead of answering, because it stops, and asks again when not', async () => {
    let asked = 0
    const server = createServer((socket) => {
      socket.on('error', () => {})
      createInterface({ input: socket }).on('line', (line) => {
        const { id, method } = JSON.parse(line) as { id: number; method: string }
        if (method === 'rpc.ping') socket.write(`{"jsonrpc":"2.0","id":${id},"result":{}}\n`)
        else {
          if (++asked === 2) server.close()
          socket.destroy()
        }
      })
    })
    await new Promise<void>((resolve) => server.listen(join(dir, 'rpc.sock'), resolve))
    const { code, stdout } = await runCli(down())
    expect([code, JSON.parse(stdout)]).toEqual([0, { stopped: true }])
    expect(asked).toBe(2)
  })
})

describe('up', () => {
  it('prints the socket and the log of a daemon that another environment has started', async () => {
    await using rpc = await startRpc()
    const logFile = join(dir, 'elsewhere.log')
    recordDaemon({ ...resolveHome(dir, {}), socket: rpc.socketPath, logFile })
    const { code, stdout } = await runCli(['--json', '--home', dir, 'up'])
    const place = { socket: rpc.socketPath, log: logFile, started: false }
    expect([code, JSON.parse(stdout)]).toEqual([0, place])
  })
})
