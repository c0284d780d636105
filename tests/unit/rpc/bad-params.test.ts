import { describe, expect, it } from 'vitest'
import { REGISTRY } from '../../../rpc/index.ts'
import { badParams } from '../../support/bad-params.ts'
import { DispatchHarness } from '../../support/rpc-dispatch.ts'

const METHODS = [...REGISTRY.keys()]

describe('params that do not fit', () => {
  it.each(METHODS)('of %s are refused with issues, and the node hears nothing', async (method) => {
    const rpc = new DispatchHarness()
    const cases = badParams(method)
    expect(cases.length).toBeGreaterThan(10)
    for (const { fault, text } of cases) {
      const request: unknown = JSON.parse(
        `{"jsonrpc":"2.0","id":1,"method":"${method}","params":${text}}`,
      )
      const reply = (await rpc.answer(request)) as {
        error?: { code: number; data: { issues?: { path: string; message: string }[] } }
      }
      expect({ fault, code: reply.error?.code }).toEqual({ fault, code: -32602 })
      const { issues = [] } = reply.error?.data ?? {}
      expect(issues.length).toBeGreaterThan(0)
      expect(issues.length).toBeLessThanOrEqual(16)
      for (const issue of issues) {
        expect(issue.path.length + issue.message.length).toBeLessThan(400)
      }
      expect(JSON.stringify(reply).length).toBeLessThan(10_000)
    }
    expect(rpc.node.calls).toEqual([])
    expect(rpc.log).toEqual([])
    expect({}).not.toHaveProperty('polluted')
  })

  it('say where the fault is', async () => {
    const rpc = new DispatchHarness()
    const { error } = await rpc.call('messages.send', { to: 'bob', body: { text: 7, html: 'x' } })
    const issues = error?.data['issues'] as { path: string }[]
    expect(issues.map(({ path }) => path).sort()).toEqual(['body', 'body.text'])
  })

  it('take exactly one of file and uri for a network', async () => {
    const rpc = new DispatchHarness()
    const uri = 'hearsay:join/AAAA'
    for (const method of ['network.inspect', 'network.join']) {
      for (const params of [{}, { uri, file: 'x' }]) {
        expect((await rpc.call(method, params)).error?.code).toBe(-32602)
      }
    }
    expect(rpc.node.calls).toEqual([])
    await rpc.call('network.join', { file: 'name = "lab"', expectWords: 'a b c d' })
    expect(rpc.node.calls[0]?.params).toEqual({ source: 'name = "lab"', expectWords: 'a b c d' })
  })

  it.each([
    ['90s', 90_000],
    ['15m', 900_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['250ms', 250],
    [3_600, 3_600_000],
  ])('a duration of %s is %d ms for the node', async (ttl, ttlMs) => {
    const rpc = new DispatchHarness()
    await rpc.call('contacts.invite', { ttl })
    expect(rpc.node.calls[0]?.params).toEqual({ ttlMs })
    await rpc.call('messages.send', { to: 'bob', body: { text: 'x' }, expiresIn: ttl })
    expect(rpc.node.calls[1]?.params).toMatchObject({ expiresInMs: ttlMs })
  })

  it.each(['', '0s', '1', '1 h', '-1h', '1.5h', '1y', '9999999999s', 0, -1, 1.5])(
    'the duration %j is refused',
    async (ttl) => {
      const { error } = await new DispatchHarness().call('contacts.invite', { ttl })
      expect(error?.code).toBe(-32602)
    },
  )

  it.each(['peers=0', 'peers=', 'peers=1x', 'linked ', 'READY', 'peers=10000'])(
    'node.wait does not wait for %j',
    async (target) => {
      const { error } = await new DispatchHarness().call('node.wait', { for: target })
      expect(error?.code).toBe(-32602)
    },
  )

  it.each(['a\u202eb', 'a\nb', 'a\u001b[2Jb', '\u2066x'])(
    'an alias that could forge terminal output is refused: %j',
    async (alias) => {
      const rpc = new DispatchHarness()
      const params = { uri: 'hearsay:invite/AAAA', alias }
      expect((await rpc.call('contacts.add', params)).error?.code).toBe(-32602)
    },
  )

  it('let through an alias in any script, and emoji', async () => {
    const rpc = new DispatchHarness()
    for (const alias of ['Zoë', '李', 'أحمد', '👩‍👩‍👧', "O'Neill"]) {
      const params = { uri: 'hearsay:invite/AAAA', alias }
      expect((await rpc.call('contacts.add', params)).error).toBeUndefined()
    }
  })
})
