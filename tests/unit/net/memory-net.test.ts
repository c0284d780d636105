import { asNodeId } from '../../../src/base/index.ts'
import { MemoryNetwork } from '../../support/memory-net.ts'
import { describeNetContract } from '../../support/net-contract.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

let clock = new VirtualClock()

describeNetContract('the in-memory network', {
  pair: async () => {
    clock = new VirtualClock()
    const network = new MemoryNetwork({ clock, rng: seededRng('contract') })
    const [a, b] = [1, 2].map((n) => network.join(asNodeId(new Uint8Array(32).fill(n))))
    if (a === undefined || b === undefined) throw new Error('no nodes')
    return [a, b]
  },
  until: async (condition) => {
    for (let i = 0; i < 5_000 && !condition(); i++) await clock.advance(1)
    if (!condition()) throw new Error('condition did not become true in five seconds')
  },
})
