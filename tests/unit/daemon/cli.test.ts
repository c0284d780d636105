import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { STATUS } from '../../../rpc/schema/examples.ts'
import { ERROR_CODES, HearsayError, type ErrorCode } from '../../../src/base/index.ts'
import { type CliOptions, runCli, startCli } from '../../support/cli.ts'
import { type Harness, startRpc } from '../../support/rpc-harness.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

let rpc: Harness
let dir: string
beforeEach(async () => {
  rpc = await startRpc()
  dir = mkdtempSync(join(tmpdir(), 'hs-cli-'))
})
afterEach(async () => {
  await rpc[Symbol.asyncDispose]()
  rmSync(dir, { recursive: true, force: true })
})

const cli = (argv: string[], options?: CliOptions) =>
  runCli(['--socket', rpc.socketPath, ...argv], options)

const ready = {
  contactId: 'c1',
  alias: 'bob',
  state: 'ready',
  verified: false,
  createdAt: '2026-11-22T12:00:00Z',
}

describe('the command line', () => {
  it('prints the version without any daemon', async () => {
    const result = await runCli(['version'])
    expect(result).toMatchObject({ code: 0, stderr: '' })
    expect(result.stdout).toMatch(/^hearsay \d+\.\d+\.\d+ \(Node \d+/)
    expect(JSON.parse((await runCli(['version', '--json'])).stdout)).toHaveProperty('version')
  })

  it('lists every command in its help, on stdout, with exit 0', async () => {
    const { code, stdout } = await runCli(['--help'])
    expect(code).toBe(0)
    for (const word of ['init', 'up', 'send', 'listen', 'network', 'testnet', 'completion']) {
      expect(stdout).toContain(word)
    }
  })

  it.each([
    [['frobnicate']],
    [['send']],
    [['contact', 'add', 'hearsay:invite/x']],
    [['status', '--nope']],
    [['network', 'create', 'x', '--preset', 'swfit']],
    [['wait', '--for', 'godot']],
    [['send', 'bob', 'hi', '--wait=someday']],
    [['testnet', 'up', '--nodes', 'many']],
    [['events', 'tail', '--after', 'x']],
    [['--timeout', 'soon', 'wait']],
  ])('exits 2 for %j and says why on stderr', async (argv) => {
    const { code, stdout, stderr } = await cli(argv)
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain('hearsay:')
  })

  it('exits 64 for a daemon that is started wrongly', async () => {
    expect((await runCli(['run', '--nope'])).code).toBe(64)
  })

  it('suggests the command that was meant', async () => {
    expect((await runCli(['statsu'])).stderr).toContain('status')
  })

  it('exits 3 when no daemon answers, and says how to start one', async () => {
    const { code, stdout, stderr } = await runCli(['status', '--home', dir])
    expect(code).toBe(3)
    expect(stdout).toBe('')
    expect(stderr).toContain(join(dir, 'rpc.sock'))
    expect(stderr).toContain('hearsay up')
  })

  it('takes global options before and after the command', async () => {
    expect(JSON.parse((await cli(['status', '--json'])).stdout)).toHaveProperty('state')
    expect(JSON.parse((await cli(['--json', 'status'])).stdout)).toHaveProperty('state')
  })

  it('does not mistake the value of an option for a command', async () => {
    const { code } = await runCli(['--home', 'send', 'status'], {})
    expect(code).toBe(3)
  })

  it('writes no colour and no progress with --json, and one value on stdout', async () => {
    const { stdout, stderr } = await cli(['status', '--json'], { tty: true })
    expect(stderr).toBe('')
    expect(stdout.trim().split('\n')).toHaveLength(1)
    expect(stdout).not.toContain('\u001b')
  })

  it('colours a terminal, unless NO_COLOR is set', async () => {
    expect((await cli(['status'], { tty: true })).stdout).toContain('\u001b[')
    const plain = await cli(['status'], { tty: true, env: { NO_COLOR: '1' } })
    expect(plain.stdout).not.toContain('\u001b[')
  })

  it.each([
    [{ queued: 0, oldestAgeMs: null, filled: 0.0001 }, 'empty'],
    [{ queued: 7, oldestAgeMs: 850, filled: 0.49 }, '7 waiting, the oldest for 850 ms'],
    [
      { queued: 7, oldestAgeMs: 850, filled: 0.5 },
      '7 waiting, the oldest for 850 ms, 50 % of what may wait',
    ],
    [{ queued: 0, oldestAgeMs: null, filled: 0.914 }, '0 waiting, 91 % of what may wait'],
  ])('shows how full the outbox is once it is half full: %j', async (outbox, text) => {
    rpc.node.stub('node.status', () => ({ ...STATUS, outbox }))
    const { stdout } = await cli(['status'], { tty: true, env: { NO_COLOR: '1' } })
    expect(stdout).toMatch(new RegExp(`^outbox +${text}$`, 'm'))
  })
})

describe('exit codes', () => {
  const expected: Partial<Record<ErrorCode, number>> = {
    'not-running': 5,
    'contact-not-ready': 5,
    'contact-not-found': 7,
    'message-not-found': 7,
    'consumer-not-found': 7,
    'not-found': 7,
    'contact-exists': 8,
    'idempotency-conflict': 8,
    'network-mismatch': 8,
    'network-already-joined': 8,
    'message-too-late': 8,
    'quota-exceeded': 9,
    overloaded: 9,
    'storage-full': 10,
    'storage-failed': 10,
    'storage-corrupt': 10,
    'no-peers': 11,
    'network-not-joined': 11,
    'clock-skew': 11,
    'network-file-invalid': 12,
    'invite-invalid': 12,
    'invite-expired': 12,
    'invite-used': 12,
    'identity-changed': 12,
    'not-operator': 4,
    'bad-value': 2,
    bug: 1,
  }

  it.each(Object.entries(expected))('%s is exit %i', async (error, code) => {
    expect(Object.keys(ERROR_CODES)).toContain(error)
    rpc.node.fail('messages.send', new HearsayError(error as ErrorCode, 'because'))
    const result = await cli(['send', 'bob', 'hi'])
    expect(result.code).toBe(code)
    expect(result.stdout).toBe('')
    expect(result.stderr).toContain('hearsay:')
  })

  it('shows the hint of an error as a fix', async () => {
    rpc.node.fail('contacts.add', new HearsayError('invite-used', 'used'))
    const { stderr } = await cli(['contact', 'add', 'hearsay:invite/abcdef', '--as', 'bob'])
    expect(stderr).toContain('fix: ask for a new one')
  })

  it('exits 130 when Ctrl-C ends a command that waits', async () => {
    rpc.node.stub(
      'node.wait',
      (_: never, signal: AbortSignal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error))
        }),
    )
    const running = startCli(['--socket', rpc.socketPath, 'wait'])
    await until(() => rpc.node.callsOf('node.wait').length > 0)
    running.signal('SIGINT')
    expect((await running.result).code).toBe(130)
  })
})

describe('send', () => {
  beforeEach(() => {
    rpc.node.stub('messages.send', () => ({
      messageId: 'm1',
      state: 'queued',
      seq: 1,
      acceptedAt: '2026-11-22T12:00:00.000Z',
    }))
  })
  const sent = () => rpc.node.callsOf('messages.send')[0]?.params

  it('prints the message id alone on stdout', async () => {
    expect(await cli(['send', 'bob', 'hi', 'there'])).toEqual({
      code: 0,
      stdout: 'm1\n',
      stderr: '',
    })
    expect(sent()).toMatchObject({ to: 'bob', body: { text: 'hi there' } })
  })

  it('reads the text from stdin and drops one newline at its end', async () => {
    await cli(['send', 'bob'], { stdin: 'two\nlines\n\n' })
    expect(sent()).toMatchObject({ body: { text: 'two\nlines\n' } })
  })

  it('refuses an empty message and bytes that are no text', async () => {
    expect((await cli(['send', 'bob'], { stdin: '\n' })).code).toBe(2)
    expect(rpc.node.callsOf('messages.send')).toHaveLength(0)
  })

  it('passes the idempotency key on', async () => {
    await cli(['send', 'bob', 'hi', '--idempotency-key', 'k1'])
    expect(rpc.node.callsOf('messages.send')[0]?.call?.idempotency?.key).toBe('k1')
  })

  it('waits for delivery when asked to and says how long it took', async () => {
    rpc.node.stub('messages.wait', () => ({ messageId: 'm1', state: 'delivered' }))
    const { code, stdout, stderr } = await cli(['send', 'bob', 'hi', '--wait'])
    expect([code, stdout]).toEqual([0, 'm1\n'])
    expect(stderr).toContain('delivered in')
    expect(rpc.node.callsOf('messages.wait')[0]?.params).toMatchObject({ state: 'delivered' })
  })

  it('counts a message that was read as delivered', async () => {
    rpc.node.stub('messages.wait', () => ({ messageId: 'm1', state: 'read' }))
    expect((await cli(['send', 'bob', 'hi', '--wait'])).code).toBe(0)
  })

  it('exits 6 with the id on stdout when it is accepted and not confirmed in time', async () => {
    rpc.node.fail('messages.wait', new HearsayError('timeout', 'late'))
    rpc.node.stub('messages.get', () => ({
      messageId: 'm1',
      contactId: 'c1',
      direction: 'out',
      body: { text: 'hi' },
      state: 'sent',
      sentAt: '2026-11-22T12:00:00.000Z',
      read: false,
      history: [],
    }))
    const plain = await cli(['send', 'bob', 'hi', '--wait=stored', '--timeout', '10ms'])
    expect([plain.code, plain.stdout]).toEqual([6, 'm1\n'])
    expect(plain.stderr).toContain('not stored')
    const json = await cli(['send', 'bob', 'hi', '--wait=stored', '--timeout', '10ms', '--json'])
    expect(json.code).toBe(6)
    expect(JSON.parse(json.stdout)).toMatchObject({ messageId: 'm1', state: 'sent' })
  })

  it('waits for longer than one call may, in calls that each may', async () => {
    const clock = new VirtualClock()
    const asked: number[] = []
    rpc.node.stub('messages.wait', async ({ timeoutMs }: { timeoutMs: number }) => {
      asked.push(timeoutMs)
      await clock.sleep(timeoutMs)
      throw new HearsayError('timeout', 'late')
    })
    rpc.node.fail('messages.get', new HearsayError('message-not-found', 'gone'))
    const words = ['--socket', rpc.socketPath, '--timeout', '25m', 'send', 'bob', 'hi', '--wait']
    const running = startCli(words, { clock })
    let ended = false
    const end = running.result.then(() => {
      ended = true
    })
    while (asked.length === 0) await clock.advance(10)
    while (!ended) await clock.advance(1_000)
    await end
    expect(asked).toEqual([600_000, 600_000, expect.any(Number)])
    expect(asked[2]).toBeGreaterThan(280_000)
    expect(asked[2]).toBeLessThanOrEqual(300_000)
  })

  it.each(['storage-failed', 'not-running', 'message-not-found', 'bug'] as const)(
    'exits 6 with the id of what was accepted, when the wait ends with %s',
    async (fault) => {
      rpc.node.fail('messages.wait', new HearsayError(fault, 'broken'))
      const { code, stdout, stderr } = await cli(['send', 'bob', 'hi', '--wait', '--json'])
      expect([code, JSON.parse(stdout)]).toMatchObject([6, { messageId: 'm1', state: 'queued' }])
      expect(stderr).toContain('it was accepted')
    },
  )

  it('ends with 130 and the id when it is interrupted while it waits', async () => {
    const wait = Promise.withResolvers<object>()
    rpc.node.stub('messages.wait', () => wait.promise)
    const running = startCli(['--socket', rpc.socketPath, '--json', 'send', 'bob', 'hi', '--wait'])
    await until(() => rpc.node.callsOf('messages.wait').length > 0)
    running.signal('SIGINT')
    const { code, stdout } = await running.result
    expect([code, JSON.parse(stdout)]).toMatchObject([130, { messageId: 'm1' }])
    wait.resolve({ messageId: 'm1', state: 'delivered' })
  })

  it('exits 1 when the message failed', async () => {
    rpc.node.stub('messages.wait', () => ({ messageId: 'm1', state: 'expired' }))
    expect((await cli(['send', 'bob', 'hi', '--wait'])).code).toBe(1)
  })

  it('warns that --now protects less', async () => {
    const { stderr } = await cli(['send', 'bob', 'hi', '--now'])
    expect(stderr).toContain('observer')
    expect(sent()).toMatchObject({ now: true })
  })
})

describe('contact', () => {
  it('prints the URI of an invitation alone on stdout, and a QR code on a terminal', async () => {
    const { stdout, stderr } = await cli(['contact', 'invite', '--label', 'bob', '--ttl', '2h'])
    expect(stdout).toMatch(/^hearsay:invite\/\S+\n$/)
    expect(stderr).toContain('once')
    expect(rpc.node.callsOf('contacts.invite')[0]?.params).toEqual({
      label: 'bob',
      ttlMs: 7_200_000,
    })
    expect((await cli(['contact', 'invite'], { tty: true })).stderr).toMatch(/[▀▄█]/)
  })

  it('shows each step of the key exchange', async () => {
    rpc.node.stub('contacts.add', () => ({ contactId: 'c1', state: 'waiting' }))
    const steps = [
      { ...ready, state: 'waiting' },
      { ...ready, state: 'exchanging', progress: { done: 4, total: 9 } },
      { ...ready, safetyNumber: '12345 '.repeat(12).trim() },
    ]
    rpc.node.stub('contacts.get', () => steps.shift() ?? ready)
    const { code, stdout, stderr } = await cli([
      'contact',
      'add',
      'hearsay:invite/abcdef',
      '--as',
      'bob',
    ])
    expect([code, stdout]).toEqual([0, 'c1\n'])
    expect(stderr).toMatch(/waiting[\s\S]*exchanging 4\/9[\s\S]*ready[\s\S]*12345 12345/)
  })

  it('exits 6 when the other side has not answered in time, and the exchange goes on', async () => {
    rpc.node.stub('contacts.add', () => ({ contactId: 'c1', state: 'waiting' }))
    rpc.node.stub('contacts.get', () => ({ ...ready, state: 'waiting' }))
    const { code, stdout, stderr } = await cli([
      'contact',
      'add',
      'hearsay:invite/abcdef',
      '--as',
      'bob',
      '--timeout',
      '1ms',
    ])
    expect([code, stdout]).toEqual([6, 'c1\n'])
    expect(stderr).toContain('goes on in the background')
  })

  it('exits 12 with the reason when the exchange failed', async () => {
    rpc.node.stub('contacts.add', () => ({ contactId: 'c1', state: 'waiting' }))
    rpc.node.stub('contacts.get', () => ({ ...ready, state: 'failed', reason: 'already used' }))
    const { code, stderr } = await cli(['contact', 'add', 'hearsay:invite/abcdef', '--as', 'bob'])
    expect(code).toBe(12)
    expect(stderr).toContain('already used')
  })

  it('takes the safety number in any grouping', async () => {
    const digits = '1234567890'.repeat(6)
    await cli(['contact', 'verify', 'bob', ...(digits.match(/.{3}/g) ?? [])])
    const params = rpc.node.callsOf('contacts.verify')[0]?.params as { safetyNumber: string }
    expect(params.safetyNumber.replaceAll(' ', '')).toBe(digits)
  })

  it('does not let the name of a contact move the cursor', async () => {
    rpc.node.stub('contacts.list', () => ({
      items: [{ ...ready, alias: 'b\u001b[2Jo\u202eb' }],
      nextCursor: null,
      asOfSeq: 1,
    }))
    const { stdout } = await cli(['contact', 'list'])
    expect(stdout).not.toContain('\u001b')
    expect(stdout).not.toContain('\u202e')
  })
})

describe('network', () => {
  it('prints the URI of a new network on stdout and its words on stderr', async () => {
    const { stdout, stderr } = await cli([
      'network',
      'create',
      'lab',
      '--out',
      join(dir, 'lab.net'),
    ])
    expect(stdout).toMatch(/^hearsay:join\/\S+\n$/)
    expect(stderr).toContain('words')
    expect(readFileSync(join(dir, 'lab.net'), 'utf8').length).toBeGreaterThan(0)
    expect(rpc.node.callsOf('network.create')[0]?.params).toMatchObject({ name: 'lab', join: true })
  })

  it('joins by a file, by a URI in a file, and by stdin', async () => {
    writeFileSync(join(dir, 'a'), '[network]\nname = "x"\n')
    writeFileSync(join(dir, 'b'), 'hearsay:join/abc\n')
    await cli(['network', 'join', join(dir, 'a')])
    await cli(['network', 'join', join(dir, 'b')])
    await cli(['network', 'join', '-'], { stdin: 'hearsay:join/def\n' })
    const sources = rpc.node.callsOf('network.join').map(({ params }) => params)
    expect(sources).toMatchObject([
      { source: '[network]\nname = "x"\n' },
      { source: 'hearsay:join/abc' },
      { source: 'hearsay:join/def' },
    ])
  })

  it('exits 11 when it has joined and no peer answers, naming the bootstraps', async () => {
    rpc.node.fail('node.wait', new HearsayError('timeout', 'late'))
    const { code, stderr } = await cli(['network', 'join', 'hearsay:join/abc', '--timeout', '10ms'])
    expect(code).toBe(11)
    expect(stderr).toMatch(/reachable: \/ip4/)
  })

  it('exits 11 and names the clock when that is why it has joined and is not linked', async () => {
    const sentence = 'the clock of this machine is 2 hours behind those of other nodes'
    rpc.node.fail('node.wait', new HearsayError('clock-skew', sentence, { skewMs: -7_200_000 }))
    const { code, stderr } = await cli(['network', 'join', 'hearsay:join/abc', '--timeout', '10ms'])
    expect(code).toBe(11)
    expect(stderr).toContain(`joined, but not linked: ${sentence}`)
    expect(stderr).toContain('fix: set the clock: timedatectl set-ntp true')
    expect(stderr).not.toContain('reachable')
    const waited = await cli(['wait', '--for', 'linked', '--timeout', '10ms'])
    expect(waited.code).toBe(11)
    expect(waited.stderr).toContain(`${sentence} (1305 CLOCK_SKEW)`)
  })

  it('exits 11 and has not joined where the clock is behind the network file', async () => {
    rpc.node.fail('network.join', new HearsayError('clock-skew', 'far behind'))
    const { code, stderr } = await cli(['network', 'join', 'hearsay:join/abc'])
    expect(code).toBe(11)
    expect(stderr).toContain('far behind (1305 CLOCK_SKEW)')
    expect(stderr).toContain('fix: set the clock')
    expect(rpc.node.callsOf('node.wait')).toHaveLength(0)
  })

  it('exits 7 for a file that is not there, and 12 for one that is not a network', async () => {
    expect((await cli(['network', 'join', join(dir, 'none')])).code).toBe(7)
    rpc.node.fail('network.inspect', new HearsayError('network-file-invalid', 'bad'))
    expect((await cli(['network', 'inspect', 'hearsay:join/zzz'])).code).toBe(12)
  })
})

describe('rpc', () => {
  it('calls a method with nested pairs', async () => {
    await cli(['rpc', 'call', 'messages.send', 'to=bob', 'body.text=a=b', 'now=true'])
    expect(rpc.node.callsOf('messages.send')[0]?.params).toMatchObject({
      to: 'bob',
      body: { text: 'a=b' },
      now: true,
    })
  })

  it('takes params from stdin', async () => {
    const { code, stdout } = await cli(['rpc', 'call', 'rpc.ping', '-'], { stdin: '{"nonce":"n"}' })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ nonce: 'n' })
    expect((await cli(['rpc', 'call', 'rpc.ping', '-'], { stdin: '[1]' })).code).toBe(2)
  })

  it('names the parameter that does not fit', async () => {
    const { code, stderr } = await cli(['rpc', 'call', 'messages.get', 'messageIdd=1'])
    expect(code).toBe(2)
    expect(stderr).toContain('messageId')
  })

  it('lists the methods and their schemas', async () => {
    expect((await cli(['rpc', 'methods'])).stdout).toContain('messages.send')
    expect(JSON.parse((await cli(['rpc', 'schema', 'rpc.ping'])).stdout).name).toBe('rpc.ping')
    expect((await cli(['rpc', 'schema', 'no.such'])).code).toBe(7)
  })

  it('carries JSON-RPC between stdin and stdout', async () => {
    const { code, stdout } = await cli(['rpc', 'stdio'], {
      stdin: '{"jsonrpc":"2.0","id":1,"method":"rpc.ping","params":{"nonce":"ü"}}\n',
    })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ id: 1, result: { nonce: 'ü' } })
  })
})

describe('config', () => {
  it('says which key was meant, with exit 78', async () => {
    const { code, stderr } = await runCli(['config', 'set', 'log.levle', 'debug', '--home', dir])
    expect(code).toBe(78)
    expect(stderr).toContain('did you mean "log.level"')
  })

  it('edits the file when no daemon runs, and reads it back', async () => {
    expect((await runCli(['config', 'set', 'log.level', 'debug', '--home', dir])).code).toBe(0)
    const { stdout } = await runCli(['config', 'get', 'log.level', '--home', dir])
    expect(stdout).toBe('debug\n')
    expect(readFileSync(join(dir, 'config.toml'), 'utf8')).toContain('# Where other nodes')
    const listen = await runCli(['config', 'get', 'listen', '--home', dir])
    expect(listen.stdout).toMatch(/^\/ip4\/0\.0\.0\.0\/tcp\/[1-9]\d+\n$/)
    const shown = await runCli(['config', 'show', '--origin', '--home', dir])
    expect(shown.stdout).toMatch(/log\.level\s+"debug"\s+file\s+live/)
  })

  it('asks the running daemon to change it', async () => {
    const { code, stderr } = await cli(['config', 'set', 'log.level', 'debug', '--home', dir])
    expect(code).toBe(0)
    expect(stderr).toContain('in force now')
  })

  it('validates a file and exits 78 for a bad one', async () => {
    writeFileSync(join(dir, 'x.toml'), 'lisen = []\n')
    expect((await runCli(['config', 'validate', join(dir, 'x.toml')])).code).toBe(78)
    const example = await runCli(['config', 'example'])
    writeFileSync(join(dir, 'y.toml'), example.stdout)
    expect((await runCli(['config', 'validate', join(dir, 'y.toml')])).code).toBe(0)
  })
})

describe('completion', () => {
  it.each(['bash', 'zsh', 'fish'])(
    'prints a script for %s that knows the commands',
    async (shell) => {
      const { code, stdout } = await runCli(['completion', shell])
      expect(code).toBe(0)
      for (const word of ['contact', 'invite', 'testnet', 'smoke']) expect(stdout).toContain(word)
      expect(stdout).not.toContain('stop-with-stdin')
    },
  )

  it('exits 2 for an unknown shell', async () => {
    expect((await runCli(['completion', 'tcsh'])).code).toBe(2)
  })
})

describe('systemd install --print', () => {
  it('prints a unit that runs this program and does not restart on configuration errors', async () => {
    const { stdout } = await runCli(['systemd', 'install', '--print', '--home', '/srv/he"y'])
    expect(stdout).toContain('RestartPreventExitStatus=64 65 77 78')
    expect(stdout).toContain('Environment="MALLOC_ARENA_MAX=1"')
    expect(stdout).toContain('Environment="HEARSAY_HOME=/srv/he\\"y"')
    expect(stdout).toMatch(/ExecStart="\/.*node" ".*main\.(js|ts)" "run"/)
    expect(stdout).not.toContain('MemoryDenyWriteExecute=')
  })
})

async function until(done: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000
  while (!done()) {
    if (Date.now() > deadline) throw new Error('not in time')
    await new Promise((resolve) => setImmediate(resolve))
  }
}
