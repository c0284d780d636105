import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  befriend,
  eventually,
  ROOT,
  Running,
  type Testnet,
  withFolder,
  withTestnet,
} from '../../support/e2e.ts'
import { HearsayError } from '../../../src/base/index.ts'
import { startRpc } from '../../support/rpc-harness.ts'

const has = (program: string) => spawnSync(program, ['--version']).status === 0

function sendBy(home: string, args: readonly string[], input: string) {
  const env = { HEARSAY_HOME: home }
  return new Running(join(ROOT, 'scripts', 'send.sh'), args, { env, input }).result
}

function send(net: Testnet, text: string) {
  return sendBy(net.home(0), ['node-1'], text)
}

/** The answers that node 0 has, oldest first. */
async function answers(net: Testnet): Promise<string[]> {
  const rpc = await net.rpc(0)
  try {
    const { items } = await rpc.call('messages.list', { direction: 'in', order: 'asc' })
    return items.map(({ body }) => body.text)
  } finally {
    rpc.close()
  }
}

const bots = [
  { name: 'echo_bot.py', command: 'python3', needs: 'python3', consumer: 'echo-bot' },
  {
    name: 'echo-bot.ts',
    command: process.execPath,
    needs: process.execPath,
    consumer: 'echo-bot-ts',
  },
]

describe('the example scripts', () => {
  it.each(bots)('send.sh is answered once by $name, which survives being killed', async (bot) => {
    await withTestnet(2, async (net) => {
      expect(has('curl') && has(bot.needs)).toBe(true)
      await befriend(net, 0, 1)
      const start = () =>
        new Running(bot.command, [join(ROOT, 'scripts', bot.name)], {
          env: { HEARSAY_HOME: net.home(1) },
        })
      const first = start()
      await first.says('listening')
      const sent = await send(net, 'one "quoted" \\ line')
      expect(sent.stdout).toMatch(/^\S+\n(delivered|read)\n$/)
      await eventually('the first answer', 60_000, async () => (await answers(net)).length === 1)
      first.child.kill('SIGKILL')
      await first.result

      expect((await send(net, 'two')).code).toBe(0)
      const second = start()
      await eventually('the second answer', 60_000, async () => (await answers(net)).length >= 2)
      second.child.kill('SIGTERM')
      await second.result
      expect(await answers(net)).toEqual(['echo: one "quoted" \\ line', 'echo: two'])
    })
  })
})

const accepted = (messageId: string) => ({
  messageId,
  state: 'queued',
  seq: 1,
  acceptedAt: '2026-11-22T12:00:00.000Z',
})

describe('send.sh', () => {
  it('prints the id and exits 6 when more than that it was accepted is not known', async () => {
    await using rpc = await startRpc()
    rpc.node.stub('messages.send', () => accepted('m1'))
    rpc.node.fail('messages.wait', new HearsayError('timeout', 'late'))
    const home = dirname(rpc.socketPath)
    const { code, stdout } = await sendBy(home, ['--key', 'key-1', 'bob'], 'hi\n')
    expect([code, stdout]).toEqual([6, 'm1\n'])
    const [sent] = rpc.node.callsOf('messages.send')
    expect(sent?.params).toMatchObject({ to: 'bob', body: { text: 'hi' } })
    expect(sent?.call?.idempotency?.key).toBe('key-1')
  })

  it('exits 1 when the message failed, and 2 with the key to repeat it with when nothing is known', async () => {
    await using rpc = await startRpc()
    const home = dirname(rpc.socketPath)
    rpc.node.stub('messages.send', () => accepted('m1'))
    rpc.node.stub('messages.wait', () => ({ messageId: 'm1', state: 'expired' }))
    expect(await sendBy(home, ['bob'], 'hi')).toMatchObject({ code: 1, stdout: 'm1\nexpired\n' })
    rpc.node.fail('messages.send', new HearsayError('storage-full', 'full'))
    const { code, stdout, stderr } = await sendBy(home, ['--key', 'key-2', 'bob'], 'hi')
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(/STORAGE_FULL[\s\S]*key-2/)
    expect((await sendBy(home, ['bob', 'hello'], '')).code).toBe(2)
  })
})

describe('a bot', () => {
  it.each(bots)('$name passes over a fault of one contact, and ends at any other', async (bot) => {
    await using rpc = await startRpc()
    const faults = ['contact-not-ready', 'quota-exceeded', 'not-running', undefined] as const
    const answered = faults.values()
    rpc.node.stub('messages.send', async () => {
      const { value: fault, done } = answered.next()
      if (done === true) throw new HearsayError('network-not-joined', 'no network')
      if (fault !== undefined) throw new HearsayError(fault, 'not now', { of: 'contact' })
      return accepted('m1')
    })
    const env = { HEARSAY_HOME: dirname(rpc.socketPath) }
    const running = new Running(bot.command, [join(ROOT, 'scripts', bot.name)], { env })
    await running.says('listening')
    for (const messageId of ['a', 'b', 'c', 'd']) {
      const data = { messageId, contactId: 'c1', body: { text: 'hi' }, sentAt: 'x' }
      rpc.node.append('message.received', data)
    }
    const { code, stdout } = await running.result
    expect(code).toBe(1)
    expect(stdout.match(/^(not )?answered \S+/gm)).toHaveLength(3)
    const keys = rpc.node.callsOf('messages.send').map(({ call }) => call?.idempotency?.key)
    expect(keys).toEqual(['echo-a', 'echo-b', 'echo-c', 'echo-c', 'echo-d'])
    const acks = rpc.node.callsOf('events.ack').map(({ params }) => params)
    const { epoch } = rpc.node
    expect(acks).toMatchObject([1, 2, 3].map((seq) => ({ seq, epoch })))
  })

  it.each(bots)('$name says that the database was restored, and goes on with it', async (bot) => {
    await using rpc = await startRpc()
    const answered = [true].values()
    rpc.node.stub('messages.send', async () => {
      if (answered.next().done === true) throw new HearsayError('network-not-joined', 'no network')
      return accepted('m')
    })
    const append = (messageId: string) => {
      const data = { messageId, contactId: 'c1', body: { text: 'hi' }, sentAt: 'x' }
      rpc.node.append('message.received', data)
    }
    const { consumer } = bot
    await rpc.node.events.consumers.create({ name: consumer, from: 'start' }, {})
    append('a')
    append('forgotten')
    rpc.node.restore(1)
    append('b')
    const env = { HEARSAY_HOME: dirname(rpc.socketPath) }
    const script = join(ROOT, 'scripts', bot.name)
    const { code, stderr } = await new Running(bot.command, [script], { env }).result
    expect(code).toBe(1)
    expect(stderr.match(/the database was restored/g)).toHaveLength(1)
    const keys = rpc.node.callsOf('messages.send').map(({ call }) => call?.idempotency?.key)
    expect(keys).toEqual(['echo-a', 'echo-b'])
    const acks = rpc.node.callsOf('events.ack').map(({ params }) => params)
    expect(acks).toEqual([{ consumer, seq: 1, epoch: 'epoch-after-the-restore' }])
  })
})

describe('on_message.py', () => {
  const event = (id: string) => ({ id, data: { contactId: 'c1', body: { text: `text ${id}` } } })
  const line = (id: string) => `${id}\tc1\t"text ${id}"\n`

  it.each([
    ['begins a diary', undefined, line('a')],
    ['goes on with it', line('z'), `${line('z')}${line('a')}`],
    ['writes nothing twice', `${line('a')}${line('b')}`, `${line('a')}${line('b')}`],
    [
      'writes a torn line again',
      `${line('z')}${line('a').slice(0, 5)}`,
      `${line('z')}${line('a')}`,
    ],
    ['keeps a last line without an end', 'mine', `mine\n${line('a')}`],
    ['keeps what has other ends', 'mine\r\nand mine\r\n', `mine\r\nand mine\r\n${line('a')}`],
  ])('%s', (_, before, after) =>
    withFolder(async (folder) => {
      const diary = join(folder, 'diary.txt')
      if (before !== undefined) writeFileSync(diary, before)
      const script = join(ROOT, 'scripts', 'on_message.py')
      const input = JSON.stringify(event('a'))
      const { status } = spawnSync('python3', [script, diary], { input })
      expect(status).toBe(0)
      expect(readFileSync(diary, 'utf8')).toBe(after)
    }),
  )
})
