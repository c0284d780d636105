import { afterEach, describe, expect, it } from 'vitest'
import { type BoxBytes, toHex } from '../../../src/base/index.ts'
import { decodeFetch, encodeFetch, encodeFetchAnswer } from '../../../src/mailbox/fetch-codec.ts'
import { FETCH_ANSWER_BYTES, notFoundQuorum } from '../../../src/mailbox/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import {
  addressOf,
  box,
  conflict,
  nodeIdAt,
  publication,
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
  /** Nodes that keep a box, and one that does not. */
  const around = (each: BoxBytes) => {
    const keepers = nodes.filter(({ placement }) => placement.isKeeper(addressOf(each), TODAY))
    return { keepers, reader: nodes.find((node) => !keepers.includes(node))! }
  }
  return { ...made, nodes, around }
}

afterEach(async () => {
  await Promise.all(worlds.splice(0).map((each) => each.close()))
})

describe('fetching', () => {
  it('finds a box that only one keeper has', async () => {
    const { settle, around } = await sixNodes()
    for (let round = 0; round < 5; round++) {
      const one = box()
      const { keepers, reader } = around(one)
      await keepers[round % 3]!.mailbox.accept(publication(one), 'gossip')
      const result = await settle(reader.mailbox.fetch(addressOf(one), TODAY, signal))
      expect(result).toEqual({ status: 'found', boxes: [one] })
    }
  })

  it('finds its own copy without asking anybody', async () => {
    const { nodes, net, settle } = await sixNodes()
    const one = box()
    await nodes[0]!.mailbox.accept(publication(one), 'gossip')
    net.setOnline(nodes[0]!.nodeId, false)
    const result = await settle(nodes[0]!.mailbox.fetch(addressOf(one), TODAY, signal))
    expect(result).toEqual({ status: 'found', boxes: [one] })
  })

  it('returns both boxes of a conflict', async () => {
    const { settle, around } = await sixNodes()
    const pair = conflict(2)
    const { keepers, reader } = around(pair[0]!)
    for (const each of pair) await keepers[0]!.mailbox.accept(publication(each), 'gossip')
    const result = await settle(reader.mailbox.fetch(addressOf(pair[0]!), TODAY, signal))
    expect(result).toEqual({ status: 'found', boxes: pair })
  })

  it('believes that a box does not exist only when more than half of the keepers say so', async () => {
    const { settle, around, net } = await sixNodes()
    expect([1, 2, 3, 8].map(notFoundQuorum)).toEqual([1, 2, 2, 5])
    const one = box()
    const { keepers, reader } = around(one)
    const fetch = () => settle(reader.mailbox.fetch(addressOf(one), TODAY, signal))
    expect(await fetch()).toEqual({ status: 'not-found', asked: 3 })
    net.setOnline(keepers[0]!.nodeId, false)
    expect(await fetch()).toEqual({ status: 'not-found', asked: 2 })
    net.setOnline(keepers[1]!.nodeId, false)
    expect(await fetch()).toEqual({ status: 'unreachable', asked: 1 })
  })

  it('blames a keeper that answers with another box, a forged one or one of another day', async () => {
    const made = world({ nodes: 6, keepers: 6 })
    worlds.push(made)
    const reader = await made.add(0)
    const one = box()
    const forged = one.slice() as BoxBytes
    forged[100]! ^= 1
    const answers = [box(), forged, one]
    for (const at of [1, 2, 3, 4, 5]) {
      const link = made.net.join(nodeIdAt(at))
      link.requests.handle(
        'mailbox/fetch',
        { maxRequestBytes: 100, maxConcurrentPerPeer: 9 },
        async () => encodeFetchAnswer({ count: 1, box: answers[at - 1] }, seededRng(at)),
      )
    }
    // Published a day earlier by the asker's account: the box that exists is not the one asked for.
    const result = await made.settle(reader.mailbox.fetch(addressOf(one), TODAY - 1, signal))
    expect(result.status).toBe('unreachable')
    const blamed = [1, 2, 3].map((at) => reader.link.peers.penalties.get(toHex(nodeIdAt(at))))
    expect(blamed).toEqual([10, 10, 10])
  })

  it('ends when it is aborted', async () => {
    const { around, settle } = await sixNodes()
    const one = box()
    const { reader } = around(one)
    const controller = new AbortController()
    const fetch = reader.mailbox.fetch(addressOf(one), TODAY, controller.signal)
    fetch.catch(() => undefined)
    controller.abort(new Error('enough'))
    await expect(settle(fetch)).rejects.toThrow(Error)
  })

  it('gets answers of one size, found or not, that differ where there is no box', async () => {
    const { nodes } = await sixNodes()
    const one = box()
    await nodes[0]!.mailbox.accept(publication(one), 'gossip')
    const ask = (which: number, address = addressOf(one)) =>
      nodes[0]!.mailbox.answerFetch(encodeFetch({ address, which }))
    const absent = addressOf(box())
    const answers = [await ask(0), await ask(1), await ask(0, absent), await ask(0, absent)]
    expect(answers.map((answer) => answer.length)).toEqual(Array(4).fill(FETCH_ANSWER_BYTES))
    expect(toHex(answers[2]!)).not.toBe(toHex(answers[3]!))
  })

  it('refuses requests of another form', () => {
    const good = encodeFetch({ address: addressOf(box()), which: 1 })
    expect(encodeFetch(decodeFetch(good))).toEqual(good)
    for (let length = 0; length < good.length; length++) {
      expect(() => decodeFetch(good.slice(0, length))).toThrow(Error)
    }
    expect(() => decodeFetch(Uint8Array.of(...good, 0))).toThrow(Error)
    expect(() => decodeFetch(good.with(0, 2))).toThrow(Error)
    expect(() => decodeFetch(good.with(33, 2))).toThrow(Error)
  })
})
