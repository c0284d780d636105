import { afterEach } from 'vitest'
import type { Net } from '../../src/net/index.ts'
import { describeNetContract } from '../support/net-contract.ts'
import { eventually, testNet } from '../support/test-nets.ts'

const running: Net[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((net) => net.stop()))
})

describeNetContract('libp2p', {
  pair: async () => {
    const a = testNet(1, { heartbeatMs: 100 })
    running.push(a)
    await a.start()
    // Only the second knows the first, so a link that was closed on purpose may come back only from there.
    const b = testNet(2, { heartbeatMs: 100, bootstraps: a.addresses() })
    running.push(b)
    await b.start()
    await eventually(() => a.peers.connected().length === 1 && b.peers.connected().length === 1)
    return [a, b]
  },
  until: eventually,
})
