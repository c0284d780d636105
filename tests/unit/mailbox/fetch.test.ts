import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { type BoxBytes, type NodeId, toHex } from '../../../src/base/index.ts'
import { FETCH_ROUNDS } from '../../../src/mailbox/constants.ts'
import { encodeFetchAnswer } from '../../../src/mailbox/fetch-codec.ts'
import { notFoundQuorum } from '../../../src/mailbox/index.ts'
import { answerSealedFetch } from '../../../src/mailbox/sealed-fetch.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { Carrier } from './carrier.ts'
import {
  addressOf,
  box,
  conflict,
  NETWORK,
  publication,
  requestSeedOf,
  signal,
  TODAY,
  world,
  type WorldOptions,
} from './fixtures.ts'

const worlds: ReturnType<typeof world>[] = []

async function sixNodes(options: Partial<WorldOptions> = {}) {
  const made = world({ nodes: 6, keepers: 3, ...options })
  worlds.push(made)
  const nodes = await Promise.all([0, 1, 2, 3, 4, 5].map((at) => made.add(at)))
  const carrier = new Carrier()
  for (const { nodeId, mailbox } of nodes) carrier.put(nodeId, mailbox)
  type Node = (typeof nodes)[number]
  /** Nodes that keep a box, and one that does not. */
  const around = (each: BoxBytes) => {
    const keepers = nodes.filter(({ placement }) => placement.isKeeper(addressOf(each), TODAY))
    return { keepers, reader: nodes.find((node) => !keepers.includes(node))! }
  }
  const fetch = (reader: Node, each: BoxBytes, how: { day?: number; isAudit?: boolean } = {}) => {
    const { mailbox } = reader
    const lookUp = mailbox.fetch(addressOf(each), how.day ?? TODAY, signal, {
      isAudit: how.isAudit ?? false,
    })
    return carrier.until(mailbox, lookUp)
  }
  return { ...made, nodes, carrier, around, fetch }
}

/** A keeper that opens questions and answers what it likes. */
function liar(node: NodeId, answer: (request: Uint8Array) => Uint8Array) {
  const ports = {
    rng: seededRng(`liar ${toHex(node)}`),
    answer: async (r: Uint8Array) => answer(r),
  }
  const options = { networkId: NETWORK, requestSeed: requestSeedOf(node) }
  return { answerSealed: (sealed: Uint8Array) => answerSealedFetch(ports, options, sealed) }
}

const claims = (count: number, bytes?: BoxBytes) => () =>
  encodeFetchAnswer({ count, box: bytes }, seededRng(1))

afterEach(async () => {
  await Promise.all(worlds.splice(0).map((each) => each.close()))
})

describe('a look-up', () => {
  it('finds a box that only one keeper has', async () => {
    const { around, fetch } = await sixNodes()
    for (let round = 0; round < 5; round++) {
      const one = box()
      const { keepers, reader } = around(one)
      await keepers[round % 3]!.mailbox.accept(publication(one))
      expect(await fetch(reader, one)).toEqual({ status: 'found', boxes: [one] })
    }
  })

  it('finds the own copy without asking anybody', async () => {
    const { nodes, carrier, fetch } = await sixNodes()
    const one = box()
    await nodes[0]!.mailbox.accept(publication(one))
    const lookUp = nodes[0]!.mailbox.fetch(addressOf(one), TODAY, signal)
    expect(await lookUp).toEqual({ status: 'found', boxes: [one] })
    expect(await fetch(nodes[0]!, one)).toEqual({ status: 'found', boxes: [one] })
    expect(carrier.asked).toEqual([])
  })

  it('waits until a slot takes its question', async () => {
    const { around, carrier } = await sixNodes()
    const one = box()
    const { keepers, reader } = around(one)
    for (const { mailbox } of keepers) await mailbox.accept(publication(one))
    let result: unknown
    const lookUp = reader.mailbox.fetch(addressOf(one), TODAY, signal)
    lookUp.then((found) => (result = found)).catch(() => undefined)
    for (let turn = 0; turn < 20; turn++) await nextTurn()
    expect(result).toBeUndefined()
    await carrier.carry(reader.mailbox)
    expect(await lookUp).toEqual({ status: 'found', boxes: [one] })
    expect(carrier.asked).toHaveLength(1)
  })

  it('returns both boxes of a conflict', async () => {
    const { around, fetch } = await sixNodes()
    const pair = conflict(2)
    const { keepers, reader } = around(pair[0]!)
    for (const each of pair) await keepers[0]!.mailbox.accept(publication(each))
    expect(await fetch(reader, pair[0]!)).toEqual({ status: 'found', boxes: pair })
  })

  it('believes that a box does not exist only when more than half of the keepers say so', async () => {
    const { around, carrier, fetch } = await sixNodes()
    expect([1, 2, 3, 8].map(notFoundQuorum)).toEqual([1, 2, 2, 5])
    const one = box()
    const { keepers, reader } = around(one)
    expect(await fetch(reader, one)).toEqual({ status: 'not-found', asked: 3 })
    carrier.put(keepers[0]!.nodeId, undefined)
    expect(await fetch(reader, one)).toEqual({ status: 'not-found', asked: 2 })
    carrier.put(keepers[1]!.nodeId, undefined)
    expect(await fetch(reader, one)).toEqual({ status: 'unreachable', asked: 1 })
  })

  it('is not ended by keepers that deny a box, as long as one honest keeper has it', async () => {
    const { around, carrier, fetch } = await sixNodes()
    for (let round = 0; round < 4; round++) {
      const one = box()
      const { keepers, reader } = around(one)
      await keepers[2]!.mailbox.accept(publication(one))
      for (const { nodeId } of keepers.slice(0, 2)) carrier.put(nodeId, liar(nodeId, claims(0)))
      expect(await fetch(reader, one)).toEqual({ status: 'found', boxes: [one] })
      for (const { nodeId, mailbox } of keepers) carrier.put(nodeId, mailbox)
    }
  })

  it('does not count keepers that answer with another box, a forged one, or nonsense', async () => {
    const { around, carrier, fetch } = await sixNodes()
    const one = box()
    const { keepers, reader } = around(one)
    const forged = one.slice() as BoxBytes
    forged[100]! ^= 1
    const nonsense = () => new Uint8Array(2_050).fill(0xff)
    const answers = [claims(1, box()), claims(1, forged), nonsense]
    for (const [at, { nodeId }] of keepers.entries()) {
      carrier.put(nodeId, liar(nodeId, answers[at]!))
    }
    expect(await fetch(reader, one)).toEqual({ status: 'unreachable', asked: 0 })
  })

  it('does not take a box of another day than the one it asked for', async () => {
    const { nodes, carrier, fetch } = await sixNodes({ keepers: 6 })
    const one = box()
    for (const { nodeId } of nodes) carrier.put(nodeId, liar(nodeId, claims(1, one)))
    const result = await fetch(nodes[0]!, one, { day: TODAY - 1 })
    expect(result.status).toBe('unreachable')
  })

  it('blames no keeper: who was blamed for a wrong answer would know who had asked', async () => {
    const { around, carrier, fetch } = await sixNodes()
    const one = box()
    const { keepers, reader } = around(one)
    for (const { nodeId } of keepers) carrier.put(nodeId, liar(nodeId, claims(1, box())))
    for (let round = 0; round < 10; round++) await fetch(reader, one)
    expect(carrier.asked.length).toBeGreaterThan(50)
    expect([...reader.link.peers.penalties]).toEqual([])
  })

  it('asks again who gave no answer, once per round, and nobody else', async () => {
    const { around, carrier, fetch } = await sixNodes()
    const one = box()
    const { keepers, reader } = around(one)
    const [silent, ...others] = keepers
    carrier.put(silent!.nodeId, undefined)
    await fetch(reader, one)
    const times = (node: NodeId) => carrier.asked.filter((id) => toHex(id) === toHex(node)).length
    expect(times(silent!.nodeId)).toBe(FETCH_ROUNDS)
    expect(others.map(({ nodeId }) => times(nodeId))).toEqual([1, 1])
  })

  it('asks the keepers in an order that nobody can predict', async () => {
    const { around, carrier, fetch } = await sixNodes()
    const one = box()
    const { reader } = around(one)
    const first = new Set<string>()
    for (let round = 0; round < 24; round++) {
      const before = carrier.asked.length
      await fetch(reader, one)
      first.add(toHex(carrier.asked[before]!))
    }
    expect(first.size).toBe(3)
  })
})

describe('an audit', () => {
  it('asks the keepers although the box is here', async () => {
    const { around, carrier, fetch } = await sixNodes()
    const one = box()
    const { keepers, reader } = around(one)
    await reader.mailbox.accept(publication(one))
    expect(await fetch(reader, one, { isAudit: true })).toEqual({ status: 'not-found', asked: 3 })
    expect(carrier.asked).toHaveLength(3)
    await keepers[0]!.mailbox.accept(publication(one))
    expect(await fetch(reader, one, { isAudit: true })).toEqual({ status: 'found', boxes: [one] })
  })

  it('by a keeper counts only what the others say', async () => {
    const { around, carrier, fetch } = await sixNodes()
    const one = box()
    const { keepers } = around(one)
    const [self, other] = keepers
    await self!.mailbox.accept(publication(one))
    carrier.put(other!.nodeId, undefined)
    const result = await fetch(self!, one, { isAudit: true })
    expect(result).toEqual({ status: 'unreachable', asked: 1 })
    expect(carrier.asked.map(toHex)).not.toContain(toHex(self!.nodeId))
  })
})

describe('a keeper that lacks what others keep', () => {
  /** Boxes of which node 0 is a keeper and node 5 is not; all keepers have them. */
  async function keptBoxes(net: Awaited<ReturnType<typeof sixNodes>>, count: number) {
    const [failing, reader] = [net.nodes[0]!, net.nodes[5]!]
    const found: BoxBytes[] = []
    while (found.length < count) {
      const one = box()
      const { keepers } = net.around(one)
      if (!keepers.includes(failing) || keepers.includes(reader)) continue
      for (const { mailbox } of keepers) await mailbox.accept(publication(one))
      found.push(one)
    }
    return { failing, reader, found }
  }

  it('is told of until it keeps them again, and is asked like all others', async () => {
    const net = await sixNodes()
    const { carrier, fetch } = net
    const { failing, reader, found } = await keptBoxes(net, 40)
    expect(reader.mailbox.failingKeepers).toBe(0)
    carrier.put(failing.nodeId, liar(failing.nodeId, claims(0)))
    for (const one of found) await fetch(reader, one, { isAudit: true })
    expect(reader.mailbox.failingKeepers).toBe(1)

    // An order that puts it last would tell it, and who works with it, whose questions these are.
    let first = 0
    for (const one of found) {
      carrier.asked.length = 0
      await fetch(reader, one)
      if (toHex(carrier.asked[0]!) === toHex(failing.nodeId)) first++
    }
    expect(first).toBeGreaterThan(5)
    expect(first).toBeLessThan(25)

    carrier.put(failing.nodeId, failing.mailbox)
    for (const one of found) await fetch(reader, one, { isAudit: true })
    expect(reader.mailbox.failingKeepers).toBe(0)
  })

  it('is not to blame for a box that nobody has, or for no answer', async () => {
    const net = await sixNodes()
    const { carrier, fetch } = net
    const { failing, reader, found } = await keptBoxes(net, 30)
    carrier.put(failing.nodeId, undefined)
    for (const one of found) await fetch(reader, one, { isAudit: true })
    for (const { nodeId } of net.nodes) carrier.put(nodeId, liar(nodeId, claims(0)))
    for (const one of found) await fetch(reader, one, { isAudit: true })
    expect(reader.mailbox.failingKeepers).toBe(0)
  })
})
