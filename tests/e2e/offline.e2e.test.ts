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
})
