import { afterEach, describe, expect, it } from 'vitest'
import { LogBook, World, type WorldNode, type WorldOptions } from '../../support/world.ts'

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

  it('are alone, two and three: each network that is large enough delivers', async () => {
    const log = new LogBook()
    const { world } = await worldOf(1, { seed: 'small', log: (node) => log.logger(node) })
    const [alice] = world.nodes as [WorldNode]
    await world.run(20_000)
    expect(alice.session.link).toBe('joining')
    const uri = await alice.invite('bob')
    // Nobody is there to whom anything could be said.
    await world.run(5_000)
    expect(alice.phase('bob')).toBe('waiting')
    const bob = await world.add('bob')
    await bob.accept(uri, 'alice')
    await world.until('contacts', () => bob.phase('alice') === 'ready')
    expect([alice.session.link, bob.session.link]).toEqual(['linked', 'linked'])
    const texts = ['among two', 'among three']
    for (const [i, text] of texts.entries()) {
      const ids = [await alice.send('bob', text), await bob.send('alice', text)]
      await world.until('delivered', async () => {
        const states = [
          await alice.state(ids[0] as Uint8Array),
          await bob.state(ids[1] as Uint8Array),
        ]
        return states.every((state) => state === 'delivered')
      })
      if (i === 0) await world.add('carol')
    }
    expect([await alice.received(), await bob.received()]).toEqual([texts, texts])
    expect(log.text('error')).toEqual([])
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
