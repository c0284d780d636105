import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { resolveHome } from '../../../daemon/home.ts'
import { recordDaemon } from '../../../daemon/running.ts'
import { type RunningCli, startCli } from '../../support/cli.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

let home: string
let server: Server
let connections = 0
/** The results of the methods that are answered before it freezes, and whether it has. */
let answers: Readonly<Record<string, object>>
let frozen = false
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'hs-silent-'))
  connections = 0
  answers = {}
  frozen = false
  // As the kernel does for a daemon that is stopped: connections are taken, and nobody answers.
  server = createServer((socket) => {
    connections++
    socket.on('error', () => {})
    createInterface({ input: socket }).on('line', (line) => {
      const { id, method } = JSON.parse(line) as { id: number; method: string }
      const result = answers[method]
      frozen ||= result === undefined
      if (!frozen) socket.write(`${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`)
    })
  })
  await new Promise<void>((resolve) => server.listen(join(home, 'rpc.sock'), resolve))
  // This process stands for the daemon: it is there as one is that is stopped.
  recordDaemon(resolveHome(home, {}))
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
  const isReached = () => (answers['rpc.ping'] === undefined ? connections > 0 : frozen)
  while (!isReached() && !ended) await nextTurn()
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
    expect(stderr).toContain(`kill -CONT ${process.pid} `)
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
    expect(stderr).not.toContain('kill')
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

describe('a daemon that freezes while a command waits', () => {
  const waiting = { contactId: 'c1', state: 'waiting' }
  const network = { name: 'us', words: 'a b c d', preset: 'swift', bootstraps: [] }
  const joining = { 'network.inspect': network, 'network.join': network }

  it.each([
    ['wait', {}],
    ['wait --for caught-up', {}],
    ['contact add hearsay:invite/x --as bob', { 'contacts.add': waiting }],
    ['network join hearsay:join/x', joining],
  ])('is named by %s soon after its --timeout', async (words, more) => {
    answers = { 'rpc.ping': {}, ...more }
    const { code, stderr, tookMs } = await command(['--timeout', '3s', ...words.split(' ')])
    expect([code, stderr]).toEqual([5, expect.stringContaining('does not answer any more')])
    expect(tookMs).toBeLessThanOrEqual(13_200)
  })

  it('leaves what it has accepted accepted: send ends with 6 and the id', async () => {
    answers = { 'rpc.ping': {}, 'messages.send': { messageId: 'm1' } }
    const words = ['--timeout', '3s', 'send', 'bob', 'hi', '--wait']
    const { code, stdout, stderr, tookMs } = await command(words)
    expect([code, stdout]).toEqual([6, 'm1\n'])
    expect(stderr).toMatch(/does not answer any more[\s\S]*it was accepted/)
    expect(tookMs).toBeLessThanOrEqual(13_200)
  })
})
