import { describe, expect, it } from 'vitest'
import {
  formatBytes,
  formatDuration,
  parseDuration,
  rpcDuration,
} from '../../../daemon/cli/duration.ts'
import { parsePairs } from '../../../daemon/cli/commands/rpc.ts'
import { printable, table } from '../../../daemon/cli/table.ts'
import { openLog } from '../../../daemon/logging.ts'

describe('durations', () => {
  it.each([
    ['500ms', 500],
    ['1.5s', 1500],
    ['30', 30_000],
    ['2m', 120_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
  ])('reads %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })
  it.each(['', 's', '-1s', '1 s', '1w', 'Infinity', '1e3'])('refuses %j', (text) => {
    expect(() => parseDuration(text)).toThrow('not a duration')
  })
  it('gives the RPC whole seconds where it can, and never zero', () => {
    expect(rpcDuration('2m')).toBe(120)
    expect(rpcDuration('1500ms')).toBe('1500ms')
    expect(() => rpcDuration('0')).toThrow('not a positive duration')
  })
  it('are short for people', () => {
    expect([850, 2_400, 90_000, 600_000, 7_200_000, 200_000_000].map(formatDuration)).toEqual([
      '850 ms',
      '2.4 s',
      '90 s',
      '10 min',
      '2 h',
      '2 d',
    ])
    expect([0, 999, 1500, 12_300_000].map(formatBytes)).toEqual(['0 B', '999 B', '1.5 kB', '12 MB'])
  })
})

describe('table', () => {
  it('aligns columns, numbers to the right, without trailing blanks', () => {
    expect(
      table(
        ['name', 'n'],
        [
          ['a', 5],
          ['longer', 10],
        ],
      ),
    ).toBe('name     n\na        5\nlonger  10\n')
  })
  it('prints the head alone without rows', () => {
    expect(table(['a', 'b'], [])).toBe('a  b\n')
  })
})

describe('printable', () => {
  it('leaves text and emoji, and shows what could steer a terminal', () => {
    expect(printable('ünï 👩‍🚀 ok')).toBe('ünï 👩‍🚀 ok')
    expect(printable('a\u001b[31mb\r\u0007\u202ec\u0000\ud800')).toBe(
      'a\ufffd[31mb\ufffd\ufffd\ufffdc\ufffd\ufffd',
    )
    expect(printable('a\nb')).toBe('a b')
    expect(printable('a\nb', '\n  ')).toBe('a\n  b')
  })
})

describe('rpc call pairs', () => {
  it('nest by dots and read JSON values', () => {
    expect(parsePairs(['a.b=1', 'a.c=[2]', 'd=x=y', 'e="1"', 'f='])).toEqual({
      a: { b: 1, c: [2] },
      d: 'x=y',
      e: '1',
      f: '',
    })
  })
  it('cannot reach the prototype of an object', () => {
    parsePairs(['__proto__.polluted=1', 'constructor.prototype.polluted=1'])
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })
  it('refuse a word without a value', () => {
    expect(() => parsePairs(['a'])).toThrow('key=value')
    expect(() => parsePairs(['=a'])).toThrow('key=value')
  })
})

describe('the log', () => {
  async function lines(
    json: boolean,
  ): Promise<{ log: Awaited<ReturnType<typeof openLog>>; out: string[] }> {
    const out: string[] = []
    return { log: await openLog({ level: 'info', json, write: (line) => out.push(line) }), out }
  }

  it('replaces peer ids by fingerprints that are equal within one run and differ between runs', async () => {
    const a = await lines(true)
    const b = await lines(true)
    a.log.info('x', { peer: 'id1' })
    a.log.child('net').info('x', { peerId: 'id1' })
    b.log.info('x', { peer: 'id1' })
    const [first, second] = a.out.map((line) => JSON.parse(line))
    expect(first.peer).toMatch(/^~[0-9a-f]{8}$/)
    expect(second.peerId).toBe(first.peer)
    expect(JSON.parse(b.out[0] ?? '').peer).not.toBe(first.peer)
    expect(a.out.join('')).not.toContain('id1')
  })

  it('drops fields that could hold a secret or a contact', async () => {
    const { log, out } = await lines(true)
    log.error('x', { uri: 'S1', contactId: 'S2', text: 'S3', token: 'S4', code: 'bug' })
    expect(out.join('')).not.toMatch(/S\d/)
    expect(JSON.parse(out[0] ?? '').code).toBe('bug')
  })

  it('changes its level while it runs, in child loggers too', async () => {
    const { log, out } = await lines(true)
    const child = log.child('net')
    child.debug('quiet')
    log.setLevel('debug')
    child.debug('loud')
    expect(out.map((line) => JSON.parse(line).msg)).toEqual(['loud'])
  })

  it('writes lines for a person on a terminal', async () => {
    const { log, out } = await lines(false)
    log.child('net').warn('link down', { peers: 3 })
    expect(out[0]).toMatch(/^\d\d:\d\d:\d\d warn {2}net: link down peers=3\n$/)
  })
})
