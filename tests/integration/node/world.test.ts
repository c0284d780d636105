import { afterEach, describe, expect, it } from 'vitest'
import { World, type WorldNode, type WorldOptions } from '../../support/world.ts'

const running: World[] = []

async function worldOf(count: number, options: WorldOptions) {
  const names = ['alice', 'bob', 'carol', 'dave', 'erin'].slice(0, count)
  const world = await World.of(names, options)
  running.push(world)
  return { world, nodes: world.nodes as [WorldNode, WorldNode, WorldNode, ...WorldNode[]] }
}

afterEach(async () => {
  for (const world of running.splice(0)) await world.stop()
})

describe('whole nodes on one virtual clock', () => {
  it('become contacts with one safety number and deliver texts both ways', async () => {
    const { world, nodes } = await worldOf(3, { seed: 'talk' })
    const [alice, bob] = nodes
    await world.befriend(alice, bob)
    const number = alice.session.conversations.contact('bob').safetyNumber
    expect(number).toMatch(/^(\d{5} ){11}\d{5}$/)
    expect(bob.session.conversations.contact('alice').safetyNumber).toBe(number)
    const id = await alice.send('bob', 'hello bob')
    await bob.send('alice', 'hello alice')
    await world.until('delivered', async () => (await alice.state(id)) === 'delivered')
    await world.until('heard', async () => (await alice.received()).length === 1)
    expect(await bob.received()).toEqual(['hello bob'])
    expect(await alice.received()).toEqual(['hello alice'])
  })

  it('deliver between all pairs, each text once', async () => {
    const { world, nodes } = await worldOf(4, { seed: 'pairs', overrides: { boxRate: 8 } })
    for (const [i, a] of nodes.entries()) {
      for (const b of nodes.slice(i + 1)) await world.befriend(a, b)
    }
    for (const a of nodes) {
      for (const b of nodes) if (a !== b) await a.send(b.name, `${a.name} to ${b.name}`)
    }
    await world.until('all are quiet', () =>
      nodes.every(({ session }) => session.conversations.depth().queued === 0),
    )
    for (const b of nodes) {
      const expected = nodes.filter((a) => a !== b).map((a) => `${a.name} to ${b.name}`)
      expect((await b.received()).toSorted()).toEqual(expected)
    }
  })

  it('go on where they were after a restart, with what was queued and what was missed', async () => {
    const { world, nodes } = await worldOf(4, { seed: 'restart' })
    const [alice, bob] = nodes
    await world.befriend(alice, bob)
    await bob.stop()
    const texts = Array.from({ length: 12 }, (_, i) => `text ${i} ${'.'.repeat(900)}`)
    for (const text of texts.slice(0, 6)) await alice.send('bob', text)
    await world.run(10_000)
    for (const text of texts.slice(6)) await alice.send('bob', text)
    await alice.stop()
    await bob.start()
    await world.run(5_000)
    await alice.start()
    await world.until('all arrived', async () => (await bob.received()).length >= texts.length)
    expect(await bob.received()).toEqual(texts)
    await world.until('acknowledged', () => alice.session.conversations.depth().queued === 0)
  })

  it.each(['one', 'two'])('repeat a run byte for byte from its seed: %s', async (seed) => {
    const run = async () => {
      const { world, nodes } = await worldOf(3, { seed })
      const [alice, bob] = nodes
      await world.befriend(alice, bob)
      await alice.send('bob', 'the same')
      await world.run(5_000)
      return { trace: world.traceHash(), received: await bob.received() }
    }
    const first = await run()
    expect(first.received).toEqual(['the same'])
    expect(await run()).toEqual(first)
  })

  it('take another course from another seed', async () => {
    const traces = await Promise.all(
      ['one', 'two'].map(async (seed) => {
        const { world } = await worldOf(3, { seed })
        return world.traceHash()
      }),
    )
    expect(traces[0]).not.toBe(traces[1])
  })
})
