import { afterEach, describe, expect, it } from 'vitest'
import { frameBytes } from '../../../src/mix/frame.ts'
import { World, type WorldNode } from '../../support/world.ts'

const running: World[] = []

afterEach(async () => {
  for (const world of running.splice(0)) await world.stop()
})

describe('a network whose packets are post-quantum', () => {
  it('delivers texts in frames of one, larger size', async () => {
    const world = await World.of(['alice', 'bob', 'carol', 'dave', 'erin'], {
      seed: 'x-wing',
      overrides: { suite: 'x-wing', boxRate: 5, slotMs: 500, mixDelayMs: 250 },
    })
    running.push(world)
    const [alice, bob] = world.nodes as [WorldNode, WorldNode]
    const sizes = new Set<number>()
    world.air.tap(({ kind, bytes }) => {
      if (kind === 'frame') sizes.add(bytes.length)
    })
    await world.befriend(alice, bob)
    const id = await alice.send('bob', 'after the quantum computer')
    await world.until('delivered', async () => (await alice.state(id)) === 'delivered')
    expect(await bob.received()).toEqual(['after the quantum computer'])
    // Until the reply rate is that of slots in which all links stood.
    await world.run(35_000)
    const { geometry } = alice.session.mix
    expect(sizes).toEqual(new Set([frameBytes(geometry)]))
    // One X-Wing ciphertext (1,120 bytes) a hop of the packet and of the reply block in it, four hops each.
    expect(frameBytes(geometry)).toBeGreaterThan(2_048 + 8 * 1_120)
    for (const { session } of world.nodes) {
      const { replyRate, counts } = session.mix.status()
      expect(replyRate).toBe(1)
      expect(counts.malformed ?? 0).toBe(0)
    }
  })
})
