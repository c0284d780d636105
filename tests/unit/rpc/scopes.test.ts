import { describe, expect, it } from 'vitest'
import { REGISTRY, type Scope, SCOPES } from '../../../rpc/index.ts'
import { DispatchHarness } from '../../support/rpc-dispatch.ts'

/** Written out by hand: a change of the registry that widens a scope must be made twice. */
const MATRIX: Readonly<Record<Scope | 'any', string>> = {
  any: 'rpc.discover rpc.version rpc.ping',
  read: 'node.status node.wait node.doctor identity.get network.inspect peers.list db.stats db.check',
  send: 'messages.send messages.wait messages.cancel',
  receive:
    'messages.get messages.list messages.markRead outbox.list events.subscribe events.ack ' +
    'events.unsubscribe events.list events.wait events.consumers.list events.consumers.create ' +
    'events.consumers.delete',
  contacts:
    'contacts.invite contacts.inviteCancel contacts.add contacts.list contacts.get ' +
    'contacts.rename contacts.verify contacts.remove',
  network: 'network.create network.join network.get network.leave network.invite peers.ban',
  identity: '',
  admin: 'node.stop db.backup config.get config.reload config.set hooks.ack',
}

const allowed = (scope: Scope | 'any') => MATRIX[scope].split(' ').filter((name) => name !== '')

describe('scopes', () => {
  it('are written out for every method', () => {
    const listed = (Object.keys(MATRIX) as (Scope | 'any')[]).flatMap(allowed)
    expect(listed.sort()).toEqual([...REGISTRY.keys()].sort())
  })

  it.each(SCOPES)('let a caller with %s do its methods and nothing else', async (scope) => {
    const rpc = new DispatchHarness()
    rpc.node.append()
    for (const [method, { example }] of REGISTRY) {
      const mine =
        scope === 'admin' || allowed(scope).includes(method) || allowed('any').includes(method)
      const before = rpc.node.calls.length
      const { error } = await rpc.call(method, example.params, [scope])
      expect([method, error?.code === 1001]).toEqual([method, !mine])
      expect([method, error?.data['name'] === 'FORBIDDEN']).toEqual([method, !mine])
      const heard = rpc.node.calls.length > before
      expect([method, heard && !mine]).toEqual([method, false])
    }
  })

  it('are checked before the params, so that nothing is learnt about them', async () => {
    const rpc = new DispatchHarness()
    const { error } = await rpc.call('config.set', { wrong: 1 }, ['read'])
    expect(error).toMatchObject({ code: 1001, data: { scope: 'admin' } })
    expect(error?.data).not.toHaveProperty('issues')
  })

  it('leave a caller without any scope the methods about the API itself', async () => {
    const rpc = new DispatchHarness()
    expect((await rpc.call('rpc.ping', {}, [])).result).toBeDefined()
    expect((await rpc.call('node.status', {}, [])).error?.code).toBe(1001)
  })
})
