import { describe, expect, it } from 'vitest'
import { toHex } from '../../../src/base/index.ts'
import { FETCH_SHARE, REPLY_WINDOW } from '../../../src/mix/constants.ts'
import { frameBytes } from '../../../src/mix/frame.ts'
import { MIX_PROTOCOL } from '../../../src/mix/mix-links.ts'
import { isReal, serialOf } from './fixtures.ts'
import { MiniMix, type MiniNode, type MiniOptions } from './mini-mix.ts'

const SMALL: MiniOptions = { seed: 'life', nodes: 7, sizes: [2, 2, 2] }

/** Short key epochs, and with them a short time around the beginning of an epoch; none begins in half a minute. */
const HASTY = { keyEpochMs: 80_000, ageMs: 1_000 }

const start = (options: Partial<MiniOptions> = {}) => MiniMix.of({ ...SMALL, ...options })

/** Serials of the real boxes that reached gossip. */
const realIn = (mini: MiniMix) =>
  mini.nodes
    .flatMap((node) => node.published.filter(isReal))
    .map(serialOf)
    .toSorted((a, b) => a - b)

describe('after coming back', () => {
  it('only cover leaves for a random time, and nothing real is asked', async () => {
    const mini = await start({ rejoinHoldMs: 20_000 })
    const node = mini.at(6)
    node.waiting = 1_000
    node.mix.hold()
    const left = node.mix.holdLeftMs()
    expect(left).toBeGreaterThan(0)
    expect(left).toBeLessThanOrEqual(20_000)
    node.mix.hold()
    expect(node.mix.holdLeftMs()).toBeGreaterThanOrEqual(left)
    expect(node.mix.status().state).toBe('hold')
    node.asked.length = 0
    await mini.run(node.mix.holdLeftMs() - 100)
    expect(node.filled).toEqual([])
    expect(node.asked).not.toContain(true)
    expect(node.sendsInEverySlot).toBe(true)
    await mini.slots(12)
    expect(node.filled.length).toBeGreaterThan(0)
    expect(node.asked).toContain(true)
    expect(node.mix.status().state).toBe('on')
    await mini.stop()
  })

  it('nothing real leaves before the return was noticed, and with it the wait', async () => {
    const mini = await start()
    const node = mini.at(6)
    node.waiting = 1
    node.isLinked = false
    node.asked.length = 0
    await mini.slots(16)
    expect(node.filled).toEqual([])
    expect(node.asked).not.toContain(true)
    expect(node.sendsInEverySlot).toBe(true)
    node.isLinked = true
    await mini.slots(16)
    expect(realIn(mini)).toEqual(node.filled)
    expect(node.filled).toHaveLength(1)
    await mini.stop()
  })

  it('the user may end the wait', async () => {
    const mini = await start({ rejoinHoldMs: 7_200_000 })
    const node = mini.at(6)
    node.waiting = 1
    node.mix.hold()
    expect(node.mix.holdLeftMs()).toBeGreaterThan(20_000)
    node.mix.releaseHold()
    expect(node.mix.holdLeftMs()).toBe(0)
    await mini.slots(16)
    expect(realIn(mini)).toEqual(node.filled)
    await mini.stop()
  })
})

describe('a node that is cut off', () => {
  it('sends only cover while too few replies return, and real boxes again when they do', async () => {
    const mini = await start({ nodes: 4, sizes: [1, 1, 1] })
    const victim = mini.at(3)
    victim.waiting = 1_000
    // Whatever it sends is lost.
    victim.bend = () => []
    await mini.slots(REPLY_WINDOW + 12)
    expect(victim.mix.status().state).toBe('few-replies')
    const filled = victim.filled.length
    const asked = victim.asked.length
    await mini.slots(12)
    expect(victim.filled).toHaveLength(filled)
    expect(victim.asked.slice(asked).length).toBeGreaterThan(12 * FETCH_SHARE * 0.3)
    expect(victim.asked.slice(asked)).not.toContain(true)
    // Nothing of it shows: a packet in every slot, one in four a publication.
    expect(victim.sendsInEverySlot).toBe(true)
    const published = victim.emissions.filter(({ kind }) => kind === 'publish')
    expect(Math.abs(published.length - victim.emissions.length / 4)).toBeLessThanOrEqual(2)
    victim.bend = (_frame, bytes) => [bytes]
    await mini.slots(14)
    expect(victim.mix.status().state).toBe('on')
    expect(victim.filled.length).toBeGreaterThan(filled)
    // After an absence the past says nothing.
    expect(victim.mix.status().replyRate).toBeLessThan(1)
    victim.mix.hold()
    expect(victim.mix.status().replyRate).toBeUndefined()
    await mini.stop()
  })
})

describe('without a route', () => {
  it('nothing is sent and nothing real is used up', async () => {
    const mini = await start(HASTY)
    const node = mini.at(6)
    mini.turn([[0, 1], [], [4, 5]])
    await mini.run(mini.smearMs + 200)
    node.waiting = 5
    node.emissions.length = 0
    node.asked.length = 0
    await mini.slots(16)
    expect(node.mix.status()).toMatchObject({ state: 'no-route', layers: [] })
    expect([node.emissions, node.filled, node.fates]).toEqual([[], [], []])
    expect(node.asked).not.toContain(true)
    expect(node.mix.isReady).toBe(false)
    expect(node.counted['no-route']).toBeGreaterThan(10)
    mini.turn([
      [0, 1],
      [2, 3],
      [4, 5],
    ])
    await mini.slots(26)
    expect(node.mix.isReady).toBe(true)
    expect(realIn(mini)).toEqual(node.filled)
    expect(node.filled).toHaveLength(5)
    await mini.stop()
  })
})

describe('an epoch with other layers', () => {
  it('loses nothing that is under way, and cuts off nobody', async () => {
    const mini = await start({ ...HASTY, nodes: 10, slack: '3sigma' })
    await mini.slots(4)
    // Every mix gets another task, and four nodes that did not mix before get one.
    mini.turn(
      [
        [6, 7],
        [8, 9],
        [2, 3],
      ],
      mini.smearMs + 2_000,
    )
    await mini.run(2 * mini.smearMs + 2_000)
    await mini.slots(24)
    for (const node of mini.nodes) {
      expect([node.index, node.mix.status().replyRate]).toEqual([node.index, 1])
      expect(node.sendsInEverySlot).toBe(true)
    }
    const { quota, 'no-link': unlinked, 'not-sent': unsent } = mini.counted
    expect([quota, unlinked, unsent]).toEqual([undefined, undefined, undefined])
    await mini.stop()
  })

  it('leaves the links of before standing for as long as packets may need them', async () => {
    const mini = await start(HASTY)
    const node = mini.at(6)
    expect(node.mix.status().links).toEqual({ open: 4, wanted: 4 })
    mini.turn([
      [2, 3],
      [0, 1],
      [4, 5],
    ])
    await mini.slots(8)
    const isOpen = () => node.memory.links.isOpen(mini.at(0).id, MIX_PROTOCOL)
    expect(isOpen()).toBe(true)
    expect(node.mix.status().links).toEqual({ open: 4, wanted: 4 })
    await mini.run(mini.smearMs)
    expect(isOpen()).toBe(true)
    await mini.slots(24)
    expect(isOpen()).toBe(false)
    await mini.stop()
  })
})

describe('the turn of a key epoch', () => {
  it('loses nothing, and leaves a route to senders whose clocks are behind', async () => {
    const mini = await start({ ...HASTY, ageMs: 80_000 - 8_000 })
    await mini.slots(44)
    for (const node of mini.nodes) {
      expect([node.index, node.mix.status().replyRate]).toEqual([node.index, 1])
    }
    expect(mini.counted.malformed).toBeUndefined()
    for (const epoch of [0, 1]) {
      const begin = mini.originMs + epoch * mini.keyEpochMs
      expect(mini.layers(begin)?.map((layer) => layer.length)).toEqual([2, 2, 2])
    }
    await mini.stop()
  })
})

describe('a mix that announces a key for which no packet can be made', () => {
  it('is left out by everybody, and no slot stays empty for it', async () => {
    const mini = await start()
    const [bad, good] = mini.layer(1) as [MiniNode, MiniNode]
    const epoch = 0
    for (const key of [new Uint8Array(32), new Uint8Array(1_216).fill(7)]) {
      mini.setKeys(bad.id, [{ epoch, key }])
      const before = bad.heard.length
      await mini.slots(12)
      const packets = bad.heard.slice(before).filter(({ frame }) => frame[0] === 0)
      // What was under way.
      expect(packets.length).toBeLessThan(25)
      for (const node of mini.nodes) {
        expect(node.sendsInEverySlot).toBe(true)
        expect(node.mix.status().layers).toEqual([2, 1, 2])
        expect(node.mix.status().mixes).not.toContain(toHex(bad.id))
        expect(node.mix.status().mixes).toContain(toHex(good.id))
      }
    }
    expect(mini.counted['no-route'] ?? 0).toBe(0)
    await mini.stop()
  })

  it('alone in its layer leaves no route', async () => {
    const mini = await start()
    for (const mix of mini.layer(1)) mini.setKeys(mix.id, [{ epoch: 0, key: new Uint8Array(32) }])
    await mini.slots(4)
    expect(mini.at(6).mix.status()).toMatchObject({ state: 'no-route', layers: [] })
    expect(mini.at(6).counted['no-route']).toBeGreaterThan(0)
    await mini.stop()
  })
})

describe('a mix that restarts', () => {
  it('refuses what it took before', async () => {
    const mini = await start()
    const [mix] = mini.layer(0) as [MiniNode]
    mix.heard.length = 0
    await mini.slots(12)
    const packets = mix.heard.filter(({ frame }) => frame[0] === 0)
    expect(packets.length).toBeGreaterThan(40)
    await mix.restart()
    const { replay: before = 0, quota: cutBefore = 0 } = mix.counted
    for (const { from, frame } of packets) mix.inject(from, frame)
    // In the same turn: none of them is held, looked up or handed on.
    const { replay = 0, quota = 0 } = mix.counted
    expect(replay - before + quota - cutBefore).toBe(packets.length)
    expect(replay - before).toBeGreaterThan(20)
    await mini.stop()
  })

  it('hands on before it stops what it holds, and sends nothing of its own', async () => {
    const mini = await start()
    const [mix] = mini.layer(1) as [MiniNode]
    await mini.slots(8)
    const own = mix.emissions.length
    const stopped = mix.mix.stop()
    const { relayed = 0 } = mix.counted
    await mini.run(1_500)
    expect(mix.counted.relayed).toBeGreaterThan(relayed)
    expect(mix.emissions).toHaveLength(own)
    await mini.run(2_000)
    await stopped
    const after = mix.counted
    await mini.run(5_000)
    expect(mix.counted).toEqual(after)
    mini.nodes.splice(mini.nodes.indexOf(mix), 1)
    await mini.stop()
  })
})

describe('a node that stops', () => {
  it('in a hurry hands on nothing: others must not hold up a wipe', async () => {
    const mini = await start()
    const [mix] = mini.layer(1) as [MiniNode]
    await mini.slots(8)
    const { relayed = 0 } = mix.counted
    const stopped = mix.mix.stop({ hurried: true })
    await mini.run(0)
    await stopped
    await mini.run(5_000)
    expect(mix.counted.relayed).toBe(relayed)
    mini.nodes.splice(mini.nodes.indexOf(mix), 1)
    await mini.stop()
  })

  it('settles all questions, forgets its keys and leaves no timer', async () => {
    const mini = await start()
    const node = mini.at(6)
    node.keeper = mini.at(5).id
    await mini.slots(10)
    await mini.stop()
    const fetches = node.emissions.filter(({ kind }) => kind === 'fetch').length
    expect(node.answers.length).toBeGreaterThan(0)
    expect(node.answers.length).toBeLessThanOrEqual(fetches + 4)
    expect(mini.clock.pendingTimers).toBe(0)
    const frame = new Uint8Array(frameBytes(node.mix.geometry))
    expect(() => node.inject(mini.at(0).id, frame)).not.toThrow()
  })
})
