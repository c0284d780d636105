import { describe, expect, it } from 'vitest'
import { type NodeId, toHex } from '../../../src/base/index.ts'
import { frameBytes } from '../../../src/mix/frame.ts'
import { MIX_PROTOCOL } from '../../../src/mix/mix-links.ts'
import { allowanceOf } from '../../../src/mix/neighbour-quota.ts'
import { nodeAt } from './fixtures.ts'
import { MiniMix, type MiniNode } from './mini-mix.ts'

const SLOTS = 24
const PER_SLOT = 25

/** Lets `flooder` throw frames at `victim` for a while, made by `frame`. */
async function flood(
  mini: MiniMix,
  flooder: MiniNode,
  victim: MiniNode,
  frame: (index: number) => Uint8Array,
): Promise<void> {
  let index = 0
  for (let slot = 0; slot < SLOTS; slot++) {
    for (let i = 0; i < PER_SLOT; i++) await flooder.throwAt(victim, frame(index++))
    await mini.slots(1)
  }
}

const start = () => MiniMix.of({ seed: 'flood', nodes: 7, sizes: [2, 2, 2], slack: '3sigma' })

/** Packets that are none, replies and answers that nobody waits for, questions without sense, no frames at all. */
function garbage(mini: MiniMix, victim: MiniNode): (index: number) => Uint8Array {
  const random = mini.rng('garbage')
  const length = frameBytes(victim.mix.geometry)
  const kinds = [0, 1, 2, 3, 77]
  return (index) => {
    const kind = kinds[index % kinds.length] ?? 0
    const bytes = kind === 0 || kind === 77 ? random.bytes(length) : new Uint8Array(length)
    bytes[0] = kind
    return bytes
  }
}

/** What `victim` takes of a node in the whole run at most. */
function share(mini: MiniMix, from: NodeId, victim: MiniNode): number {
  const layers = mini.layers(mini.clock.now()) ?? []
  const options = { nodes: mini.nodes.length, slack: '3sigma' } as const
  const { burst, perSlot } = allowanceOf(from, victim.id, layers, options)
  return burst + SLOTS * perSlot + 1
}

describe('a node that floods a mix', () => {
  it('with whatever it likes is cut to what one node may send, and pays for it', async () => {
    const mini = await start()
    const [victim] = mini.layer(0) as [MiniNode]
    const flooder = mini.at(6)
    await flood(mini, flooder, victim, garbage(mini, victim))
    const counted = victim.counted
    // A question is answered, but no link leads back to who asked it.
    const kinds = ['malformed', 'bad-frame', 'unknown-reply', 'unknown-answer', 'no-link'] as const
    const through = kinds.map((kind) => counted[kind] ?? 0)
    const sum = through.reduce((total, count) => total + count)
    expect(through.every((count) => count > 0)).toBe(true)
    // Its own packets pay from the same purse.
    const due = share(mini, flooder.id, victim)
    expect(sum).toBeLessThanOrEqual(due)
    expect(sum).toBeGreaterThan(due / 2)
    expect(counted.quota).toBeGreaterThan(SLOTS * (PER_SLOT - 1) - due)
    const { penalties } = victim.memory.peers
    expect([...penalties.keys()]).toEqual([toHex(flooder.id)])
    expect(penalties.get(toHex(flooder.id))).toBeCloseTo(0.1 * (counted.quota ?? 0))
    for (const node of mini.nodes) {
      // The packets of the flooder itself were cut too.
      const least = node === flooder ? 0 : 1
      expect(node.mix.status().replyRate ?? 1).toBeGreaterThanOrEqual(least)
      expect(node.sendsInEverySlot).toBe(true)
    }
    await mini.stop()
    expect(mini.clock.pendingTimers).toBe(0)
    // Coarse classes only, whatever came.
    expect(Object.keys(victim.counted).length).toBeLessThanOrEqual(12)
  })

  it('under ever new ids gets no more than one of them', async () => {
    const mini = await start()
    const [victim] = mini.layer(0) as [MiniNode]
    const frame = garbage(mini, victim)
    for (let id = 0; id < SLOTS; id++) {
      const stranger = mini.air.join(nodeAt(`stranger ${id}`))
      await stranger.links.open(victim.id, MIX_PROTOCOL)
      // Kind 0 alone: packets that are none.
      for (let i = 0; i < PER_SLOT; i++) stranger.links.send(victim.id, MIX_PROTOCOL, frame(0))
      await mini.slots(1)
      mini.air.setOnline(stranger.nodeId, false)
    }
    const { malformed = 0, quota = 0 } = victim.counted
    expect(malformed + quota).toBe(SLOTS * PER_SLOT)
    expect(malformed).toBeLessThanOrEqual(share(mini, nodeAt('stranger'), victim))
    // Each of them may be somebody who has only just come: nobody is blamed for the others.
    expect(victim.memory.peers.penalties.size).toBe(0)
    for (const node of mini.nodes) expect(node.mix.status().replyRate ?? 1).toBe(1)
    await mini.stop()
  })

  it('as a mix is cut to its share of everybody’s packets', async () => {
    const mini = await start()
    const [flooder] = mini.layer(0) as [MiniNode]
    const [victim, other] = mini.layer(1) as [MiniNode, MiniNode]
    await flood(mini, flooder, victim, garbage(mini, victim))
    const { quota = 0 } = victim.counted
    const honest = (SLOTS * 2 * 7) / 4
    const due = share(mini, flooder.id, victim)
    expect(quota).toBeGreaterThan(SLOTS * (PER_SLOT - 1) + honest / 2 - due)
    expect(quota).toBeLessThan(SLOTS * PER_SLOT + 2 * honest - due / 2)
    expect(other.counted.quota ?? 0).toBe(0)
    // A mix cannot see what is sent over it.
    expect(victim.memory.peers.penalties.size).toBe(0)
    // The ways that do not lead over this link are as good as ever.
    for (const node of mini.nodes) {
      expect(node.mix.status().state).toBe('on')
      expect(node.mix.status().replyRate ?? 1).toBeGreaterThan(0.4)
    }
    await mini.stop()
  })
})
