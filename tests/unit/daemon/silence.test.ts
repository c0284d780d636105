import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type RunningCli, startCli } from '../../support/cli.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

let home: string
let server: Server
let connections = 0
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'hs-silent-'))
  connections = 0
  // As the kernel does for a daemon that is stopped: connections are taken, and nobody answers.
  server = createServer(() => {
    connections++
  })
  await new Promise<void>((resolve) => server.listen(join(home, 'rpc.sock'), resolve))
  writeFileSync(join(home, 'daemon.pid'), '4711\n')
})
afterEach(() => {
  server.close()
  rmSync(home, { recursive: true, force: true })
})

/** Runs a command on a clock of its own, `ms` at a time, until it ends. */
async function command(words: readonly string[], onConnected?: (cli: RunningCli) => void) {
  const clock = new VirtualClock()
  const cli = startCli(['--home', home, ...words], { clock })
  let ended = false
  const result = cli.result.finally(() => {
    ended = true
  })
  while (connections === 0) await nextTurn()
  onConnected?.(cli)
  const began = clock.monotonic()
  while (!ended) await clock.advance(100)
  return { ...(await result), tookMs: clock.monotonic() - began }
}

describe('a daemon that does not answer', () => {
  it.each([
    ['down'],
    ['up'],
    ['doctor'],
    ['db check'],
    ['db stats'],
    ['db restore backup'],
    ['outbox'],
    ['listen'],
  ])('is named by %s, with what to do, and no second one is started', async (words) => {
    const { code, stderr, tookMs } = await command(words.split(' '))
    expect([code, stderr]).toEqual([5, expect.stringContaining('does not answer')])
    expect(stderr).toContain(join(home, 'rpc.sock'))
    expect(stderr).toContain('kill -CONT 4711')
    expect(tookMs).toBeLessThanOrEqual(10_200)
  })

  it('is named within --timeout, but not before a busy one could have answered', async () => {
    const { code, tookMs } = await command(['--timeout', '3s', 'outbox'])
    expect(code).toBe(5)
    expect(tookMs).toBeGreaterThanOrEqual(2_900)
    expect(tookMs).toBeLessThanOrEqual(3_200)
    connections = 0
    expect((await command(['--timeout', '0', 'outbox'])).tookMs).toBeGreaterThanOrEqual(900)
  })

  it('elsewhere is not taken for the process of this home', async () => {
    const { stderr } = await command(['--socket', join(home, 'rpc.sock'), 'outbox'])
    expect(stderr).toContain('does not answer')
    expect(stderr).not.toContain('4711')
  })

  it('does not keep Ctrl-C from ending a command', async () => {
    const { code, tookMs } = await command(['db', 'check'], (cli) => cli.signal('SIGINT'))
    expect(code).toBe(130)
    expect(tookMs).toBeLessThanOrEqual(1_200)
  })

  it('has nobody wait for it over HTTP either', async () => {
    const web = createServer(() => {
      connections++
    })
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve))
    const { port } = web.address() as AddressInfo
    writeFileSync(join(home, 'token'), 'x\n')
    const url = `http://127.0.0.1:${port}`
    const { code, stderr } = await command([
      '--url',
      url,
      '--token-file',
      join(home, 'token'),
      'outbox',
    ])
    expect([code, stderr]).toEqual([5, expect.stringContaining(url)])
    web.close()
  })
})
