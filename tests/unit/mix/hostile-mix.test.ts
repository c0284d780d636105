import { describe, expect, it } from 'vitest'
import { toHex } from '../../../src/base/index.ts'
import { KEY_GRACE_MS } from '../../../src/mix/constants.ts'
import { frameBytes } from '../../../src/mix/frame.ts'
import { BUCKETS } from '../../../src/store/index.ts'
import { MiniMix, type MiniNode } from './mini-mix.ts'

const HOUR_MS = 3_600_000

const start = (seed: string) => MiniMix.of({ seed, nodes: 8, sizes: [2, 2, 2], slack: '3sigma' })

async function tagRows(node: MiniNode): Promise<number> {
  let rows = 0
  for await (const _ of node.store.iterate(BUCKETS.replayTags)) rows++
  return rows
}

describe('a hostile sender', () => {
  it('cannot have a mix blamed for what it sends over it', async () => {
    const mini = await start('framed')
    const [framed] = mini.layer(0) as [MiniNode]
    const [victim] = mini.layer(1) as [MiniNode]
    const random = mini.rng('packets')
    // What comes out of a mix when many packets have this one way in common: nobody could make it send less.
    for (let i = 0; i < 1_000; i++) {
      const bytes = random.bytes(frameBytes(victim.mix.geometry))
      bytes[0] = 0
      await framed.throwAt(victim, bytes)
    }
    await mini.slots(1)
    expect(victim.counted.quota).toBeGreaterThan(500)
    expect([...victim.memory.peers.penalties]).toEqual([])
    await mini.stop()
  })

  it('cannot make a mix look up its neighbours with every frame of a flood', async () => {
    const mini = await start('flood')
    const [victim] = mini.layer(0) as [MiniNode]
    const flooder = mini.at(6)
    const random = mini.rng('packets')
    let lookUps = 0
    const layers = mini.layers.bind(mini)
    mini.layers = (keyEpoch) => {
      lookUps++
      return layers(keyEpoch)
    }
    const bytes = random.bytes(frameBytes(victim.mix.geometry))
    bytes[0] = 0
    const before = lookUps
    for (let i = 0; i < 1_000; i++) victim.inject(flooder.id, bytes)
    // The running layers and those that are about to begin, once.
    expect(lookUps - before).toBeLessThanOrEqual(2)
    expect(victim.counted.quota).toBeGreaterThan(900)
    expect(victim.memory.peers.penalties.get(toHex(flooder.id))).toBeGreaterThan(90)
    await mini.stop()
  })
})

describe('a mix that was away', () => {
  it('forgets the tags of keys that ended meanwhile', async () => {
    const mini = await start('tags')
    const [node] = mini.layer(0) as [MiniNode]
    await mini.slots(6)
    await mini.stop()
    expect(await tagRows(node)).toBeGreaterThan(0)
    await mini.run(HOUR_MS + KEY_GRACE_MS)
    await node.restart()
    expect(await tagRows(node)).toBe(0)
    await mini.stop()
  })
})
