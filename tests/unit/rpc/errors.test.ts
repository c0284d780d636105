import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ERROR_CODES, type ErrorCode, HearsayError } from '../../../src/base/index.ts'
import {
  ERROR_MAP,
  REGISTRY,
  RPC_ERRORS,
  type RpcErrorKind,
  type RpcErrorName,
} from '../../../rpc/index.ts'
import { RpcError } from '../../../rpc/rpc-error.ts'
import { DispatchHarness } from '../../support/rpc-dispatch.ts'

const NAMES = Object.keys(RPC_ERRORS) as RpcErrorName[]
const CODES = Object.keys(ERROR_CODES) as ErrorCode[]
/** Raised by rpc itself; each has a test in the file that is named. */
const RAISED_BY_RPC: Partial<Record<RpcErrorName, string>> = {
  PARSE_ERROR: 'tests/integration/rpc/garbage.test.ts',
  INVALID_REQUEST: 'tests/unit/rpc/envelope.test.ts',
  METHOD_NOT_FOUND: 'tests/unit/rpc/envelope.test.ts',
  UNAUTHENTICATED: 'tests/integration/rpc/http.test.ts',
  FORBIDDEN: 'tests/unit/rpc/scopes.test.ts',
  SHUTTING_DOWN: 'tests/integration/rpc/unix-socket.test.ts',
  RATE_LIMITED: 'tests/integration/rpc/http.test.ts',
  CONSUMER_BUSY: 'tests/unit/rpc/subscriptions.test.ts',
}

describe('errors of the API', () => {
  it('have numbers of their own', () => {
    const numbers = NAMES.map((name) => RPC_ERRORS[name].code)
    expect(new Set(numbers).size).toBe(numbers.length)
  })

  it('keep the numbers that clients know', () => {
    const known = {
      UNAUTHENTICATED: 1000,
      NOT_READY: 1003,
      TIMEOUT: 1011,
      CONTACT_NOT_FOUND: 1100,
      CONTACT_EXISTS: 1107,
      MESSAGE_NOT_FOUND: 1200,
      IDEMPOTENCY_CONFLICT: 1201,
      TOO_LATE: 1204,
      NETWORK_FILE_INVALID: 1300,
      CLOCK_SKEW: 1305,
      CURSOR_TOO_OLD: 1400,
      SLOW_CONSUMER: 1403,
    } as const
    for (const [name, code] of Object.entries(known)) {
      expect(RPC_ERRORS[name as RpcErrorName].code).toBe(code)
    }
  })

  it('cover every code of the library', () => {
    expect(Object.keys(ERROR_MAP).sort()).toEqual([...CODES].sort())
  })

  it.each(CODES)('answer the library error %s as the table says', async (code) => {
    const rpc = new DispatchHarness()
    rpc.node.fail('node.status', new HearsayError(code, 'what happened'))
    const { error } = await rpc.call('node.status')
    const name = ERROR_MAP[code]
    const kind: RpcErrorKind = RPC_ERRORS[name]
    expect(error).toMatchObject({
      code: kind.code,
      data: { name, retryable: kind.retryable, reason: code },
    })
    expect(error?.data['retryAfterMs']).toBe(kind.retryAfterMs)
  })

  it('are each reachable, raised by rpc and tested there, or marked as reserved', () => {
    const mapped = new Set<string>(Object.values(ERROR_MAP))
    for (const name of NAMES) {
      const kind: RpcErrorKind = RPC_ERRORS[name]
      const file = RAISED_BY_RPC[name]
      const text = file === undefined ? '' : readFileSync(file, 'utf8')
      const tested = text.includes(name) || text.includes(String(kind.code))
      const known = mapped.has(name) || tested || kind.reserved === true
      expect([name, known]).toEqual([name, true])
    }
  })

  it('are all in the reference', () => {
    const reference = readFileSync('docs/rpc.md', 'utf8')
    for (const name of NAMES) expect(reference).toContain(`| ${RPC_ERRORS[name].code} | ${name} |`)
  })

  it('hide everything of an unknown error but a ref that finds the log line', async () => {
    const rpc = new DispatchHarness()
    const secret = new TypeError('/home/alice/vault.key: s3cret')
    rpc.node.fail('node.status', secret)
    const reply = await rpc.call('node.status', {})
    expect(reply.error).toMatchObject({ code: -32603, message: 'internal error' })
    const told = JSON.stringify(reply)
    for (const hidden of ['alice', 's3cret', 'vault.key', 'TypeError', '.ts', 'stack']) {
      expect(told).not.toContain(hidden)
    }
    const line = rpc.log.find(({ fields }) => fields['ref'] === reply.error?.data['ref'])
    expect(line).toMatchObject({ level: 'error', fields: { method: 'node.status' } })
    expect(JSON.stringify(line)).not.toContain('s3cret')
    expect(line?.fields['at']).toContain('errors.test.ts')
  })

  it.each([undefined, null, 'text', 42, { code: 'x' }])(
    'answer -32603 when something that is no error is thrown: %s',
    async (thrown) => {
      const rpc = new DispatchHarness()
      rpc.node.fail('node.status', thrown)
      expect((await rpc.call('node.status')).error?.code).toBe(-32603)
    },
  )

  it('pass on the sentence of the library unless it looks like a path', async () => {
    const rpc = new DispatchHarness()
    rpc.node.fail('contacts.get', new HearsayError('contact-not-found', 'nobody has this name'))
    const spoken = await rpc.call('contacts.get', { contact: 'bob' })
    expect(spoken.error?.message).toBe('nobody has this name')
    for (const leak of ['see /home/alice/db', 'C:\\data', 'two\nlines', 'x'.repeat(201), '']) {
      rpc.node.fail('contacts.get', new HearsayError('contact-not-found', leak))
      const { error } = await rpc.call('contacts.get', { contact: 'bob' })
      expect(error?.message).toBe('no such contact')
    }
  })

  it('carry the details that the table names and no others', async () => {
    const rpc = new DispatchHarness()
    const details = { oldest: 7, home: '/home/alice' }
    rpc.node.stub('events.list', () => {
      throw new HearsayError('cursor-too-old', 'gone', details)
    })
    const { error } = await rpc.call('events.list', { after: 0 })
    expect(error?.data).toMatchObject({ name: 'CURSOR_TOO_OLD', oldest: 7 })
    expect(error?.data).not.toHaveProperty('home')
    rpc.node.fail(
      'messages.cancel',
      new HearsayError('message-too-late', 'x', { alreadySent: true }),
    )
    const late = await rpc.call('messages.cancel', { messageId: 'm1' })
    expect(late.error).toMatchObject({ code: 1204, data: { alreadySent: true } })
    rpc.node.fail('node.wait', new HearsayError('clock-skew', 'behind', { skewMs: -7_200_000 }))
    const wrong = await rpc.call('node.wait', { for: 'linked' })
    expect(wrong.error).toMatchObject({ code: 1305, data: { skewMs: -7_200_000 } })
  })

  it('tell a full disk that the caller has named from that of the node', async () => {
    const rpc = new DispatchHarness()
    const params = { path: '/mnt/stick/one.backup' }
    const why = 'there is no room for the backup in this place'
    rpc.node.fail('db.backup', new HearsayError('storage-full', why, { field: 'path' }))
    const { error } = await rpc.call('db.backup', params)
    expect(error).toMatchObject({ code: 1008, message: why, data: { field: 'path' } })
    expect(error?.data['hint']).toContain('that place')
    expect(error?.data).not.toHaveProperty('ref')
    expect(rpc.log).toEqual([])
    rpc.node.fail('db.backup', new HearsayError('storage-full', 'no space left on the device'))
    const own = (await rpc.call('db.backup', params)).error
    expect(own).toMatchObject({ code: 1008, message: 'the disk is full' })
    expect(own?.data['hint']).toContain('by itself')
    expect(own?.data).not.toHaveProperty('field')
    expect(own?.data).toHaveProperty('ref')
  })

  it('say which limit is reached, how much it is and how to get below', async () => {
    const rpc = new DispatchHarness()
    const sentence = 'too many messages wait for all contacts together'
    rpc.node.fail('messages.send', new HearsayError('quota-exceeded', sentence, { limit: 50_000 }))
    const { error } = await rpc.call('messages.send', { to: 'bob', body: { text: 'hi' } })
    expect(error).toMatchObject({ code: 1203, message: sentence, data: { limit: 50_000 } })
    for (const method of ['outbox.list', 'messages.cancel', 'contacts.remove']) {
      expect(error?.data['hint']).toContain(method)
      expect(REGISTRY.has(method)).toBe(true)
    }
  })

  it('log nothing for what a caller does wrong', async () => {
    const rpc = new DispatchHarness()
    await rpc.call('contacts.add', { uri: 'hearsay:invite/secret', alias: 7 })
    rpc.node.fail('contacts.get', new HearsayError('contact-not-found', 'x'))
    await rpc.call('contacts.get', { contact: 'bob' })
    expect(rpc.log).toEqual([])
  })

  it('tell a waiting caller why its wait was cut', async () => {
    const rpc = new DispatchHarness()
    rpc.node.stub('node.wait', (_params: never, signal: AbortSignal) => {
      const { promise, reject } = Promise.withResolvers()
      signal.addEventListener('abort', () => reject(signal.reason as Error))
      return promise
    })
    const waiting = rpc.call('node.wait', { for: 'linked' })
    rpc.gone.abort(new RpcError('SHUTTING_DOWN'))
    expect((await waiting).error?.code).toBe(1004)
  })

  it('refuse a result that is too long for a reply', async () => {
    const rpc = new DispatchHarness()
    const network = REGISTRY.get('network.get')?.example.result
    rpc.node.stub('network.get', () => ({ ...network, file: 'x'.repeat(9_000_000) }))
    expect((await rpc.call('network.get')).error).toMatchObject({ code: 1006 })
    rpc.node.stub('network.get', () => ({ ...network, file: '李'.repeat(3_000_000) }))
    expect((await rpc.call('network.get')).error).toMatchObject({ code: 1006 })
    rpc.node.stub('network.get', () => ({ ...network, file: '李'.repeat(2_000_000) }))
    expect((await rpc.call('network.get')).error).toBeUndefined()
  })

  it('take a result that does not fit its schema for a bug, in tests', async () => {
    const rpc = new DispatchHarness()
    rpc.node.stub('network.get', () => ({ file: 7 }))
    expect((await rpc.call('network.get')).error?.code).toBe(-32603)
    expect(rpc.log[0]?.fields['reason']).toContain('does not fit')
  })
})
