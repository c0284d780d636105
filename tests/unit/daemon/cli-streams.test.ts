import { PassThrough } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HearsayError } from '../../../src/base/index.ts'
import { runCli, startCli } from '../../support/cli.ts'
import { type Harness, startRpc } from '../../support/rpc-harness.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

let rpc: Harness
beforeEach(async () => {
  rpc = await startRpc()
})
afterEach(async () => {
  await rpc[Symbol.asyncDispose]()
})

const cli = (argv: string[]) => runCli(['--socket', rpc.socketPath, ...argv])

const ready = {
  contactId: 'c1',
  alias: 'bob',
  state: 'ready',
  verified: false,
  createdAt: '2026-11-22T12:00:00Z',
}

describe('listen', () => {
  const message = (text: string) => ({
    messageId: 'm',
    contactId: 'c1',
    body: { text },
    sentAt: 'x',
  })

  it('prints what came before and what comes now, acknowledges it, and resumes after it', async () => {
    rpc.node.stub('contacts.list', () => ({ items: [ready], nextCursor: null, asOfSeq: 1 }))
    rpc.node.append('message.received', message('one'))
    rpc.node.append('contact.ready', {})
    rpc.node.append('message.received', message('two'))
    const first = await cli(['listen', '--count', '1'])
    expect(first.code).toBe(0)
    expect(first.stdout).toMatch(/bob: one\n$/)
    const second = await cli(['listen', '--count', '1', '--json'])
    expect(JSON.parse(second.stdout)).toMatchObject({ seq: 3, data: { body: { text: 'two' } } })
  })

  it('exits 6 when nothing comes within --timeout', async () => {
    const { code, stdout } = await cli(['listen', '--timeout', '20ms'])
    expect([code, stdout]).toEqual([6, ''])
  })

  it('does not wait beyond --timeout for an acknowledgement that a frozen daemon does not take', async () => {
    rpc.node.append('message.received', message('one'))
    const [asked, thawed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    rpc.node.stub('events.ack', () => {
      asked.resolve()
      return thawed.promise
    })
    const clock = new VirtualClock()
    const words = ['--socket', rpc.socketPath, '--timeout', '3s', 'listen']
    const listening = startCli(words, { clock })
    await asked.promise
    let ended = false
    const end = listening.result.finally(() => {
      ended = true
    })
    while (!ended) await clock.advance(100)
    expect(await end).toMatchObject({ code: 5, stderr: expect.stringContaining('answer any more') })
    expect(clock.monotonic()).toBeLessThanOrEqual(13_200)
    thawed.resolve()
  })

  it('acknowledges a message once it is printed, not before', async () => {
    rpc.node.append('message.received', message('one'))
    const disk = Promise.withResolvers<void>()
    const listening = startCli(['--socket', rpc.socketPath, 'listen', '--count', '1'], {
      flushed: () => disk.promise,
    })
    while (!listening.seen.stdout.includes('one')) await nextTurn()
    // What goes over the socket without waiting is there after a call that came later.
    expect((await cli(['events', 'consumers'])).code).toBe(0)
    expect(rpc.node.callsOf('events.ack')).toEqual([])
    disk.resolve()
    expect((await listening.result).code).toBe(0)
    expect(rpc.node.callsOf('events.ack')).toHaveLength(1)
  })

  it('says how to go on when it was away for longer than events are kept', async () => {
    rpc.node.append('message.received', message('one'))
    await cli(['listen', '--count', '1'])
    for (const text of ['two', 'three', 'four']) rpc.node.append('message.received', message(text))
    rpc.node.oldest = 4
    const { code, stderr } = await cli(['listen', '--count', '1'])
    expect(code).toBe(7)
    expect(stderr).toContain('the first that is left is 4')
    expect(stderr).toContain('hearsay events ack cli-listen 3')
    expect((await cli(['events', 'ack', 'cli-listen', '3'])).code).toBe(0)
    expect((await cli(['listen', '--count', '1'])).stdout).toContain('four')
  })

  it('says where an event is damaged, and goes on', async () => {
    rpc.node.append('storage.damaged')
    rpc.node.append('message.received', message('two'))
    const { stdout } = await cli(['listen', '--count', '1'])
    expect(stdout).toMatch(/event 1 cannot be read any more.*hearsay history.*\n.*two/)
  })

  it('does not let a message forge a line or move the cursor', async () => {
    rpc.node.append('message.received', message('a\n12:00 bob: forged\u001b[1A'))
    const { stdout } = await cli(['listen', '--count', '1'])
    expect(stdout).not.toContain('\u001b')
    expect(stdout.split('\n').filter((line) => /^\S/.test(line))).toHaveLength(1)
  })
})

describe('a database that was restored', () => {
  const message = (text: string) => ({ messageId: 'm', contactId: 'c1', body: { text } })
  const append = (...texts: string[]) => {
    for (const text of texts) rpc.node.append('message.received', message(text))
  }
  const bot = async () => {
    const { stdout } = await cli(['events', 'consumers', '--json'])
    const { items } = JSON.parse(stdout) as { items: object[] }
    return items[0]
  }

  it('is told of once by listen, which goes on where the backup left it', async () => {
    append('one', 'two', 'three')
    await cli(['listen', '--count', '1'])
    expect(rpc.node.callsOf('events.ack').at(-1)?.params).toEqual({
      consumer: 'cli-listen',
      seq: 1,
      epoch: 'epoch-of-the-fake',
    })
    rpc.node.restore(2)
    append('four')
    const { code, stdout, stderr } = await cli(['listen', '--count', '2'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^\S+ {2}c1: two\n\S+ {2}c1: four\n$/)
    expect(stderr.match(/the database was restored: events after the backup/g)).toHaveLength(1)
    append('five')
    const later = await cli(['listen', '--count', '1'])
    expect([later.code, later.stderr]).toEqual([0, ''])
  })

  it.each([
    ['listen', 'goes on where the backup left "cli-listen"'],
    ['events tail --consumer cli-listen', 'goes on where the backup left "cli-listen"'],
    ['events tail --after 1', 'hearsay events tail --after 0 --epoch epoch-after-the-restore'],
    ['events ack cli-listen 2', 'the database was restored'],
  ])('is refused by %s with the epoch of before, with 8 and the way on', async (words, told) => {
    append('one', 'two', 'three')
    await cli(['listen', '--count', '1'])
    const epoch = rpc.node.epoch
    rpc.node.restore(2)
    append('four', 'five')
    const { code, stdout, stderr } = await cli([...words.split(' '), '--epoch', epoch])
    expect([code, stdout]).toEqual([8, ''])
    expect(stderr).toContain(told)
    expect(stderr.match(/database was restored/g)).toHaveLength(1)
    expect(await bot()).toMatchObject({ cursor: 1, lag: 3, formerEpoch: epoch })
    const present = ['events', 'ack', 'cli-listen', '2', '--epoch', rpc.node.epoch]
    expect(await cli(present)).toMatchObject({ code: 0 })
    expect(await bot()).toMatchObject({ cursor: 2 })
  })
})

describe('cancel', () => {
  it('takes a message back, or exits 8 and says that it has left', async () => {
    expect((await cli(['cancel', 'm1'])).code).toBe(0)
    expect(rpc.node.callsOf('messages.cancel')[0]?.params).toEqual({ messageId: 'm1' })
    const late = new HearsayError('message-too-late', 'the message has left already', {
      alreadySent: true,
    })
    rpc.node.fail('messages.cancel', late)
    const { code, stderr } = await cli(['cancel', 'm1'])
    expect([code, stderr]).toEqual([8, expect.stringContaining('has left already')])
  })
})

describe('rpc stdio', () => {
  it('ends when the daemon does, though more could come on stdin', async () => {
    const stdin = new PassThrough()
    const running = startCli(['--socket', rpc.socketPath, 'rpc', 'stdio'], { stdinStream: stdin })
    stdin.write('{"jsonrpc":"2.0","id":1,"method":"rpc.ping","params":{}}\n')
    while (!running.seen.stdout.includes('"id":1')) await nextTurn()
    await rpc.server.stop()
    await running.result
    expect(stdin.destroyed).toBe(true)
  })

  it.each([['rpc stdio'], ['send bob'], ['network join -']])(
    'and %s end at the first Ctrl-C',
    async (words) => {
      const stdin = new PassThrough()
      const argv = ['--socket', rpc.socketPath, ...words.split(' ')]
      const running = startCli(argv, { stdinStream: stdin })
      stdin.write('{')
      for (let i = 0; i < 20; i++) await nextTurn()
      running.signal('SIGINT')
      expect((await running.result).code).toBe(130)
      expect(rpc.node.callsOf('messages.send')).toEqual([])
    },
  )
})
