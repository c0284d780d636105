import { describe, expect, it } from 'vitest'
import { MAX_BATCH } from '../../../rpc/constants.ts'
import { DispatchHarness } from '../../support/rpc-dispatch.ts'

const PING = { jsonrpc: '2.0', method: 'rpc.ping' }
const invalid = (id: unknown = null) => ({ jsonrpc: '2.0', id, error: { code: -32600 } })

describe('the JSON-RPC envelope', () => {
  it('answers with the id of the request, whatever kind it is', async () => {
    const rpc = new DispatchHarness()
    for (const id of ['a', '', 0, -1, 1.5, Number.MAX_SAFE_INTEGER, null]) {
      expect(await rpc.answer({ ...PING, id })).toMatchObject({ jsonrpc: '2.0', id })
    }
  })

  it('refuses ids that would not come back as they were', async () => {
    const rpc = new DispatchHarness()
    for (const id of [{}, [], true, 2 ** 53, Number.POSITIVE_INFINITY, 'x'.repeat(129)]) {
      expect(await rpc.answer({ ...PING, id })).toMatchObject(invalid())
    }
    expect(rpc.metrics.calls).toBe(0)
  })

  it('refuses what is no request object, and keeps the id when there is one', async () => {
    const rpc = new DispatchHarness()
    const wrong = [
      1,
      'x',
      null,
      true,
      {},
      { jsonrpc: '2.0' },
      { jsonrpc: '1.0', method: 'rpc.ping' },
    ]
    for (const value of wrong) expect(await rpc.answer(value)).toMatchObject(invalid())
    expect(await rpc.answer({ ...PING, method: 1, id: 7 })).toMatchObject(invalid(7))
    expect(await rpc.answer({ ...PING, id: 7, auth: 'x' })).toMatchObject(invalid(7))
    const polluted: unknown = JSON.parse(
      '{"jsonrpc":"2.0","method":"rpc.ping","__proto__":{"id":1}}',
    )
    expect(await rpc.answer(polluted)).toMatchObject(invalid())
  })

  it('never answers a notification, even one that fails', async () => {
    const rpc = new DispatchHarness()
    expect(await rpc.answer(PING)).toBeUndefined()
    expect(await rpc.answer({ ...PING, params: [1] })).toBeUndefined()
    expect(await rpc.answer({ jsonrpc: '2.0', method: 'no.such' })).toBeUndefined()
    expect(await rpc.answer({ jsonrpc: '2.0', method: 'node.status' })).toBeUndefined()
    expect(rpc.node.callsOf('node.status')).toHaveLength(1)
  })

  it('answers an array by an array, one of invalid requests too', async () => {
    const rpc = new DispatchHarness()
    expect(await rpc.answer([{ ...PING, id: 1 }])).toMatchObject([{ id: 1 }])
    expect(await rpc.answer([1, [], { ...PING, id: 2 }])).toMatchObject([
      invalid(),
      invalid(),
      { id: 2 },
    ])
    expect(await rpc.answer([PING, { ...PING, id: 3 }])).toMatchObject([{ id: 3 }])
    expect(await rpc.answer([PING, PING])).toBeUndefined()
  })

  it('takes an empty batch for one invalid request', async () => {
    expect(await new DispatchHarness().answer([])).toMatchObject(invalid())
  })

  it('runs a batch of the limit and nothing of a longer one', async () => {
    const rpc = new DispatchHarness()
    const status = { jsonrpc: '2.0', id: 1, method: 'node.status' }
    const full = Array.from({ length: MAX_BATCH }, () => status)
    expect(await rpc.answer(full)).toHaveLength(MAX_BATCH)
    expect(rpc.node.calls).toHaveLength(MAX_BATCH)
    expect(await rpc.answer([...full, status])).toMatchObject([invalid()])
    expect(rpc.node.calls).toHaveLength(MAX_BATCH)
  })

  it('takes named params only', async () => {
    const rpc = new DispatchHarness()
    for (const params of [[], ['n'], null, 1, 'x', true]) {
      const reply = await rpc.call('rpc.ping', params)
      expect(reply.error).toMatchObject({ code: -32602, data: { issues: [{ path: '' }] } })
    }
    expect(await rpc.answer({ ...PING, id: 1 })).toMatchObject({ id: 1, result: {} })
  })

  it('knows no method that is inherited or not served in this release', async () => {
    const rpc = new DispatchHarness()
    const absent = [
      'constructor',
      '__proto__',
      'toString',
      '',
      'RPC.PING',
      'rpc.ping ',
      'vault.unlock',
      'tokens.create',
      'contacts.block',
      'contacts.unblock',
      'identity.backup',
      'identity.restore',
    ]
    for (const method of absent) expect((await rpc.call(method)).error?.code).toBe(-32601)
  })

  it('answers rpc.version and rpc.ping from the ports', async () => {
    const rpc = new DispatchHarness()
    expect((await rpc.call('rpc.version')).result).toEqual({
      api: '1.0',
      minApi: '1.0',
      daemon: '0.1.0',
      node: '24.21.0',
    })
    const { result } = await rpc.call('rpc.ping', { nonce: 'n' })
    expect(result).toEqual({ nonce: 'n', time: new Date(rpc.clock.now()).toISOString() })
  })
})
