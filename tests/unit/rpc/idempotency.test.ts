import { describe, expect, it } from 'vitest'
import { REGISTRY } from '../../../rpc/index.ts'
import { canonicalJson, idempotencyOf } from '../../../rpc/server/idempotency.ts'
import { toHex } from '../../../src/base/index.ts'
import { DispatchHarness } from '../../support/rpc-dispatch.ts'

const hashOf = (method: string, params: Record<string, unknown>) =>
  toHex(
    idempotencyOf('me', method, { ...params, idempotencyKey: 'k' })?.requestHash ??
      new Uint8Array(),
  )

describe('idempotency', () => {
  it('hashes equal params to equal bytes in whatever order they come', () => {
    const a = hashOf('messages.send', { to: 'bob', body: { text: 'x' }, now: true })
    const b = hashOf('messages.send', { now: true, body: { text: 'x' }, to: 'bob' })
    expect(a).toBe(b)
    expect(a).toHaveLength(64)
  })

  it('tells requests apart by method, value, type, nesting and presence', () => {
    const hashes = [
      hashOf('a.b', {}),
      hashOf('a.c', {}),
      hashOf('a.b', { x: 1 }),
      hashOf('a.b', { x: '1' }),
      hashOf('a.b', { x: null }),
      hashOf('a.b', { x: [1] }),
      hashOf('a.b', { x: [[1]] }),
      hashOf('a.b', { x: { y: 1 } }),
      hashOf('a.b', { 'x":{"y': 1 }),
    ]
    expect(new Set(hashes).size).toBe(hashes.length)
  })

  it('writes canonical JSON that reads back', () => {
    const value = { b: [1, { z: null, a: 'ü"' }], a: true }
    expect(canonicalJson(value)).toBe('{"a":true,"b":[1,{"a":"ü\\"","z":null}]}')
    expect(JSON.parse(canonicalJson(value))).toEqual(value)
  })

  it('leaves the key out of the hash and out of the params of the handler', async () => {
    const rpc = new DispatchHarness()
    const params = { to: 'bob', body: { text: 'x' } }
    await rpc.call('messages.send', { ...params, idempotencyKey: 'k1' })
    await rpc.call('messages.send', { ...params, idempotencyKey: 'k2' })
    await rpc.call('messages.send', params)
    const [first, second, bare] = rpc.node.callsOf('messages.send')
    expect(first?.params).toEqual(params)
    expect(first?.call?.idempotency).toMatchObject({ scope: 'tester', key: 'k1' })
    expect(first?.call?.idempotency?.requestHash).toEqual(second?.call?.idempotency?.requestHash)
    expect(bare?.call).toEqual({})
  })

  it('reaches the node with every mutation', async () => {
    for (const { name, mutation, example } of REGISTRY.values()) {
      if (!mutation || name === 'config.set') continue
      const rpc = new DispatchHarness()
      await rpc.node.events.consumers.create({ name: 'bot', from: 'start' }, {})
      await rpc.call(name, { ...example.params, idempotencyKey: 'k' })
      const key = rpc.node.callsOf(name).at(-1)?.call?.idempotency?.key
      expect([name, key]).toEqual([name, 'k'])
    }
  })

  it('makes config.set happen once per key', async () => {
    const rpc = new DispatchHarness()
    const params = { key: 'log.level', value: 'debug', idempotencyKey: 'k' }
    expect((await rpc.call('config.set', params)).result).toEqual({ applied: 'live' })
    expect((await rpc.call('config.set', params)).result).toEqual({
      applied: 'live',
      replayed: true,
    })
    const other = await rpc.call('config.set', { ...params, value: 'warn' })
    expect(other.error?.code).toBe(1201)
  })

  it.each(['', 'x'.repeat(65), 'a b', 'ü', 7, null])('refuses the key %j', async (key) => {
    const rpc = new DispatchHarness()
    const reply = await rpc.call('contacts.remove', { contact: 'bob', idempotencyKey: key })
    expect(reply.error?.code).toBe(-32602)
    expect(rpc.node.calls).toEqual([])
  })
})
