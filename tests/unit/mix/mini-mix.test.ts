import { describe, expect, it } from 'vitest'
import { toHex } from '../../../src/base/index.ts'
import { frameBytes, type MixFrame } from '../../../src/mix/frame.ts'
import { isReal, serialOf } from './fixtures.ts'
import { MiniMix, type MiniNode, type MiniOptions } from './mini-mix.ts'

const SMALL: MiniOptions = { seed: 'mini', nodes: 7, sizes: [2, 2, 2] }

const start = (options: Partial<MiniOptions> = {}) => MiniMix.of({ ...SMALL, ...options })

/** Boxes that reached gossip, by serial, with the couriers that brought them. */
function reached(mini: MiniMix): Map<number, number[]> {
  const found = new Map<number, number[]>()
  for (const node of mini.nodes) {
    for (const box of node.published) {
      found.set(serialOf(box), [...(found.get(serialOf(box)) ?? []), node.index])
    }
  }
  return found
}

describe('a network of mixes', () => {
  it('carries every packet there and every reply back', async () => {
    const mini = await start({ copies: 2 })
    for (const node of mini.nodes) node.waiting = 3
    mini.at(6).keeper = mini.at(5).id
    mini.at(5).keeper = mini.at(5).id
    const sizes = new Set<number>()
    mini.air.tap(({ bytes }) => sizes.add(bytes.length))
    await mini.slots(40)
    const couriers = mini.layer(2).map(({ index }) => index)
    const boxes = reached(mini)
    for (const node of mini.nodes) {
      expect(node.sendsInEverySlot).toBe(true)
      expect(node.mix.status()).toMatchObject({ state: 'on', replyRate: 1, layers: [2, 2, 2] })
      expect(node.filled).toHaveLength(3)
      expect(node.fates.every(({ hasLeft }) => hasLeft)).toBe(true)
      for (const serial of node.filled) expect(boxes.get(serial)).toHaveLength(2)
      expect(node.published.length > 0).toBe(couriers.includes(node.index))
    }
    // Copies go over different couriers while there are enough.
    expect([...boxes.values()].every((by) => new Set(by).size === by.length)).toBe(true)
    for (const asker of [mini.at(5), mini.at(6)]) {
      expect(asker.answers.length).toBeGreaterThan(8)
      expect(asker.answers.every((answer) => answer !== undefined)).toBe(true)
    }
    expect([...sizes]).toEqual([frameBytes(mini.at(0).mix.geometry)])
    expect(Object.keys(mini.counted).toSorted()).toEqual(
      ['answered', 'delivered', 'published', 'relayed', 'replied', 'sent'].toSorted(),
    )
    await mini.stop()
  })

  it('looks the same on the wire whatever its nodes do', async () => {
    const seen: string[][] = []
    for (const waiting of [0, 1_000]) {
      const mini = await start()
      for (const node of mini.nodes) node.waiting = waiting
      await mini.slots(16)
      seen.push(
        mini.nodes.flatMap(({ emissions, index }) =>
          emissions.map(({ slot, kind }) => `${index} ${slot} ${kind}`),
        ),
      )
      await mini.stop()
    }
    expect(seen[1]).toEqual(seen[0])
  })

  it('survives a loss of every tenth frame', async () => {
    const mini = await start({ copies: 2 })
    mini.loss = 0.1
    for (const node of mini.nodes) node.waiting = 4
    await mini.slots(46)
    const boxes = reached(mini)
    const filled = mini.nodes.flatMap((node) => node.filled)
    const arrived = filled.filter((serial) => boxes.has(serial))
    // A copy arrives in 0.9³ of cases, one of two in 0.93.
    expect(arrived.length / filled.length).toBeGreaterThan(0.8)
    for (const node of mini.nodes) {
      const { state, replyRate = 0 } = node.mix.status()
      expect([node.index, state]).toEqual([node.index, 'on'])
      // Seven links: 0.9⁷ is 0.48.
      expect(replyRate).toBeGreaterThan(0.25)
      expect(replyRate).toBeLessThan(0.75)
      expect(node.sendsInEverySlot).toBe(true)
    }
    await mini.stop()
  })

  it('survives a mix that drops everything: it shows in the replies and stops nobody', async () => {
    const mini = await start({ copies: 2 })
    const [dropper] = mini.layer(1) as [MiniNode]
    dropper.bend = () => []
    for (const node of mini.nodes) node.waiting = 4
    await mini.slots(46)
    const others = mini.nodes.filter((node) => node !== dropper)
    for (const node of others) {
      const { state, replyRate = 1 } = node.mix.status()
      expect(state).toBe('on')
      // Half of the requests and half of their replies.
      expect(replyRate).toBeLessThan(0.5)
    }
    const boxes = reached(mini)
    const filled = others.flatMap((node) => node.filled)
    // Its layer has two: of two disjoint copies one goes round it.
    expect(filled.filter((serial) => boxes.has(serial))).toEqual(filled)
    await mini.stop()
  })

  it('lets a payload that was touched have no effect at all', async () => {
    const mini = await start()
    const [tagger] = mini.layer(1) as [MiniNode]
    let tagged = 0
    tagger.bend = (frame, bytes) => {
      if (frame.kind !== 'packet' || frame.packet.length < 2) return [bytes]
      tagged++
      const touched = bytes.slice()
      const at = bytes.length - 1 - (tagged % 2_000)
      touched[at] = (touched[at] ?? 0) ^ (1 << (tagged % 8))
      return [touched]
    }
    for (const node of mini.nodes) {
      node.waiting = 1_000
      node.keeper = mini.at(6).id
    }
    await mini.slots(46)
    expect(tagged).toBeGreaterThan(100)
    const known = new Set(mini.nodes.flatMap((node) => node.filled))
    for (const node of mini.nodes) {
      // What was published is what somebody made; `nextAsk` checks the same for answers.
      for (const box of node.published) {
        expect(
          isReal(box) ? known.has(serialOf(box)) : box.subarray(42).every((b) => b === 0),
        ).toBe(true)
      }
      expect(node.mix.status().replyRate ?? 1).toBeLessThan(0.6)
    }
    // Requests end at their courier, replies at their recipient; each touched packet is counted once.
    const { tagged: counted = 0, replied = 0, sent = 0 } = mini.counted
    expect(counted).toBeLessThanOrEqual(tagged)
    expect(counted).toBeGreaterThan(0.75 * tagged)
    expect(replied).toBeLessThan(0.7 * sent)
    await mini.stop()
  })

  it('refuses and counts what a mix sends again, and does nothing twice', async () => {
    const mini = await start()
    const [repeater] = mini.layer(1) as [MiniNode]
    let repeated = 0
    repeater.bend = (frame, bytes) => {
      if (frame.kind !== 'packet') return [bytes]
      repeated++
      return [bytes, bytes, bytes]
    }
    for (const node of mini.nodes) node.waiting = 1_000
    await mini.slots(38)
    const { replay = 0, quota = 0 } = mini.counted
    expect(repeated).toBeGreaterThan(100)
    // What is beyond its quota is not even looked at.
    expect(replay + quota).toBeGreaterThan(2 * repeated - 40)
    expect([...reached(mini).values()].every((by) => by.length === 1)).toBe(true)
    for (const node of mini.nodes) expect(node.mix.status().replyRate).toBe(1)
    await mini.stop()
  })

  it('refuses a second reply, and replies that nobody waits for', async () => {
    const mini = await start()
    const [last] = mini.layer(2) as [MiniNode]
    let replies = 0
    last.bend = (frame, bytes) => {
      if (frame.kind !== 'reply') return [bytes]
      replies++
      const stray = bytes.slice()
      stray.set(mini.rng(`stray ${replies}`).bytes(16), 1)
      return [bytes, bytes, stray]
    }
    await mini.slots(38)
    expect(replies).toBeGreaterThan(20)
    const { 'unknown-reply': unknown = 0, quota = 0 } = mini.counted
    expect(unknown + quota).toBeGreaterThan(2 * replies - 10)
    expect(unknown).toBeGreaterThan(replies)
    for (const node of mini.nodes) expect(node.mix.status().replyRate).toBe(1)
    await mini.stop()
  })

  it('refuses a second answer of a keeper, and answers that nobody asked for', async () => {
    const mini = await start()
    const keeper = mini.at(6)
    for (const node of mini.nodes) node.keeper = keeper.id
    let answers = 0
    keeper.bend = (frame: MixFrame, bytes) => {
      if (frame.kind !== 'answer') return [bytes]
      answers++
      const stray = bytes.slice()
      stray[1] = (stray[1] ?? 0) ^ 1
      return [bytes, bytes, stray]
    }
    await mini.slots(38)
    expect(answers).toBeGreaterThan(40)
    const { 'unknown-answer': unknown = 0, quota = 0 } = mini.counted
    expect(unknown + quota).toBeGreaterThan(2 * answers - 10)
    for (const node of mini.nodes) expect(node.mix.status().replyRate).toBe(1)
    const given = mini.nodes.flatMap((node) => node.answers)
    expect(given.filter((answer) => answer !== undefined).length).toBeGreaterThan(40)
    await mini.stop()
  })

  it('goes on over a link that takes nothing any more', async () => {
    const mini = await start()
    const [stalled] = mini.layer(0) as [MiniNode]
    const [behind] = mini.layer(1) as [MiniNode]
    stalled.takes = (to) => toHex(to) !== toHex(behind.id)
    await mini.slots(44)
    expect(stalled.counted['no-link']).toBeGreaterThan(10)
    for (const node of mini.nodes) {
      expect(node.sendsInEverySlot).toBe(true)
      // A quarter of the ways there and a quarter of the ways back.
      const { replyRate = 0, state } = node.mix.status()
      expect(state).toBe('on')
      expect(replyRate).toBeGreaterThan(0.3)
    }
    await mini.stop()
  })
})
