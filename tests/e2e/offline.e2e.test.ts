import { describe, expect, it } from 'vitest'
import { befriend, eventually, hearsay, withTestnet } from '../support/e2e.ts'

describe('a message to somebody who is away', () => {
  it('arrives exactly once after its writer has gone too', async () => {
    await withTestnet(5, async (net) => {
      await befriend(net, 0, 1)
      const home = net.home(1)
      expect((await net.run('kill', '1', '-9')).code).toBe(0)

      const alice = await net.rpc(0)
      const { messageId } = await alice.call('messages.send', {
        to: 'node-1',
        body: { text: 'while you were out' },
      })
      // An audit found it at its keepers: only then may the writer go.
      await alice.call('messages.wait', { messageId, state: 'stored', timeoutMs: 60_000 })
      alice.close()
      expect((await net.run('kill', '0', '-9')).code).toBe(0)

      expect((await hearsay(['up', '--home', home])).code).toBe(0)
      try {
        const bob = await net.rpc(1)
        const received = async () => {
          const { items } = await bob.call('messages.list', { direction: 'in', limit: 50 })
          return items.map(({ body }) => body.text)
        }
        await eventually('the message', 90_000, async () => (await received()).length > 0)
        // Everything that reconciliation and repair could bring a second time has had its chance.
        const { head } = await bob.call('events.list', { after: 0, limit: 1 })
        await bob.call('events.wait', {
          after: head,
          types: ['message.received'],
          timeoutMs: 20_000,
        })
        expect(await received()).toEqual(['while you were out'])
        bob.close()
      } finally {
        await hearsay(['down', '--home', home])
      }
    })
  }, 240_000)

  it('is reported as expired, once, though its writer was killed before the time came', async () => {
    await withTestnet(3, async (net) => {
      await befriend(net, 0, 1)
      const home = net.home(0)
      expect((await net.run('kill', '1', '-9')).code).toBe(0)
      const alice = await net.rpc(0)
      const { messageId } = await alice.call('messages.send', {
        to: 'node-1',
        body: { text: 'while it is fresh' },
        expiresIn: '15s',
      })
      alice.close()
      expect((await net.run('kill', '0', '-9')).code).toBe(0)

      expect((await hearsay(['up', '--home', home])).code).toBe(0)
      try {
        const again = await net.rpc(0)
        const told = async () => {
          const { items } = await again.call('events.list', { after: 0, limit: 500 })
          return items.flatMap(({ type, data }) => (data['messageId'] === messageId ? type : []))
        }
        await eventually('its end', 60_000, async () => (await told()).includes('message.expired'))
        // Time for a second one.
        const { head } = await again.call('events.list', { after: 0, limit: 1 })
        await again.call('events.wait', {
          after: head,
          types: ['message.expired'],
          timeoutMs: 15_000,
        })
        expect((await told()).filter((type) => type === 'message.expired')).toHaveLength(1)
        const { state } = await again.call('messages.get', { messageId })
        expect(state).toBe('expired')
        again.close()
      } finally {
        await hearsay(['down', '--home', home])
      }
    })
  }, 240_000)
})
