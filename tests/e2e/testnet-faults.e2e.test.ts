import { describe, expect, it } from 'vitest'
import { befriend, eventually, hearsayJson, type Testnet, withTestnet } from '../support/e2e.ts'

interface Status {
  readonly relay: { readonly pid: number | null; readonly state: string; readonly links: object }
}

const status = (net: Testnet) => hearsayJson<Status>(['testnet', 'status', '--dir', net.dir])

describe.runIf(process.platform === 'linux')('the links of a testnet', () => {
  it('can be cut and healed, and a message waits for the heal', async () => {
    await withTestnet(4, async (net) => {
      await befriend(net, 0, 3)
      const { pid, state, links } = (await status(net)).relay
      expect([typeof pid, state, links]).toEqual(['number', 'running', {}])

      const cut = await net.run('partition', 'isolate', '3')
      expect(cut.code).toBe(0)
      expect(Object.keys((await status(net)).relay.links)).toHaveLength(6)
      const [sender, receiver] = [await net.rpc(0), await net.rpc(3)]
      try {
        await sender.call('messages.send', { to: 'node-3', body: { text: 'across' } })
        const arrived = async () => {
          const { items } = await receiver.call('messages.list', { direction: 'in', limit: 10 })
          return items.some(({ body }) => body.text === 'across')
        }
        await eventually('node 3 is alone', 60_000, async () => {
          return (await receiver.call('node.status')).peers === 0
        })
        expect(await arrived()).toBe(false)
        expect((await net.run('heal')).code).toBe(0)
        await eventually('the message is there', 120_000, arrived)
      } finally {
        sender.close()
        receiver.close()
      }

      if (pid === null) throw new Error('no relay')
      process.kill(pid, 'SIGKILL')
      await eventually('the relay is gone', 10_000, async () => {
        return (await status(net)).relay.state === 'down'
      })
      const late = await net.run('link', '0', '1', '--delay', '10ms')
      expect([late.code, late.stderr]).toEqual([5, expect.stringContaining('testnet up')])
      expect((await net.run('up')).code).toBe(0)
      expect((await status(net)).relay.state).toBe('running')
    })
  })
})
