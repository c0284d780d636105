import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { type Address, type BoxBytes, type NodeId, toHex } from '../../../src/base/index.ts'
import { x25519PublicKey } from '../../../src/crypto/index.ts'
import type { BoxEntry } from '../../../src/mailbox/box-entry.ts'
import type { BoxShelf } from '../../../src/mailbox/box-shelf.ts'
import {
  FETCH_PARALLEL,
  FETCH_ROUNDS,
  SAMPLE_BOXES,
  SEALED_FETCH_BYTES,
} from '../../../src/mailbox/constants.ts'
import { BoxFetch, type KeeperQuestion } from '../../../src/mailbox/fetch.ts'
import { decodeFetch, encodeFetchAnswer } from '../../../src/mailbox/fetch-codec.ts'
import { HotWindow } from '../../../src/mailbox/hot-window.ts'
import { answerSealedFetch } from '../../../src/mailbox/sealed-fetch.ts'
import { boxHash, verifyBox } from '../../../src/stream/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import {
  addressOf,
  box,
  EXPIRY,
  NETWORK,
  nodeIdAt,
  publication,
  publications,
  requestSeedOf,
  signal,
  START,
  TODAY,
  TTL_DAYS,
} from './fixtures.ts'

const SELF = nodeIdAt(0)
const KEEPERS = [1, 2, 3].map(nodeIdAt)
const rng = seededRng('questions')

const entryOf = (bytes: BoxBytes, confirmed = true): BoxEntry => ({
  address: addressOf(bytes),
  boxHash: boxHash(bytes),
  expiryDay: EXPIRY,
  slot: 0,
  heardAt: START,
  confirmed,
  kept: false,
})

/** The part that asks, over a shelf and keepers that a test gives. */
function asker(
  o: { keepers?: readonly NodeId[]; keyless?: readonly NodeId[]; here?: BoxEntry } = {},
) {
  const hot = new HotWindow()
  const keepers = o.keepers ?? KEEPERS
  const record = o.here && { entry: o.here, publication: publication(box()) }
  const fetch = new BoxFetch(
    {
      clock: new VirtualClock(START),
      rng,
      publications,
      verifyBox: (bytes) => verifyBox(NETWORK, bytes),
      shelf: {
        hot,
        all: async () => (record === undefined ? [] : [record]),
      } as unknown as BoxShelf,
      placement: {
        keepers: () => keepers,
        isKeeper: () => false,
        distance: () => 0,
        neighbours: () => [],
        successor: () => undefined,
        size: () => 4,
        isKnown: () => true,
        requestKey: (node) =>
          o.keyless?.includes(node) === true ? undefined : x25519PublicKey(requestSeedOf(node)),
        share: () => undefined,
      },
    },
    { networkId: NETWORK, nodeId: SELF, ttlDays: TTL_DAYS, requestSeed: requestSeedOf(SELF) },
  )
  return { fetch, hot }
}

/** What a keeper reads in a question, and its answer: it has no box. */
async function read({ keeper, sealed, settle }: KeeperQuestion) {
  let request: ReturnType<typeof decodeFetch> | undefined
  const answer = await answerSealedFetch(
    {
      rng,
      answer: async (bytes) => {
        request = decodeFetch(bytes)
        return encodeFetchAnswer({ count: 0, box: undefined }, rng)
      },
    },
    { networkId: NETWORK, requestSeed: requestSeedOf(keeper) },
    sealed,
  )
  settle(answer)
  if (request === undefined) throw new Error('the keeper could not read it')
  return request
}

/** Lets look-ups that were begun come to their questions. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 6; turn++) await nextTurn()
}

function chiSquared(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
}

/** Beyond it a fair draw over so many cells comes less than once in a million times. */
const unlikely = (cells: number) => cells + 5 * Math.sqrt(2 * cells) + 10

describe('questions that wait', () => {
  it('are a few of one look-up at once, each for another keeper', async () => {
    const { fetch } = asker()
    const lookUp = fetch.fetch(addressOf(box()), TODAY, signal)
    await settled()
    const first = Array.from({ length: FETCH_PARALLEL }, () => fetch.nextQuestion()!)
    expect(new Set(first.map(({ keeper }) => toHex(keeper))).size).toBe(FETCH_PARALLEL)
    expect(fetch.nextQuestion()).toBeUndefined()
    for (const question of first) await read(question)
    await settled()
    await read(fetch.nextQuestion()!)
    expect(await lookUp).toEqual({ status: 'not-found', asked: 3 })
    expect(fetch.nextQuestion()).toBeUndefined()
  })

  it('are taken in the order in which they came', async () => {
    const { fetch } = asker({ keepers: [KEEPERS[0]!] })
    const addresses = Array.from({ length: 5 }, () => addressOf(box()))
    for (const address of addresses) {
      fetch.fetch(address, TODAY, signal).catch(() => undefined)
      await settled()
    }
    const asked: Address[] = []
    for (let at = 0; at < 5; at++) asked.push((await read(fetch.nextQuestion()!)).address)
    expect(asked).toEqual(addresses)
  })

  it('go when their look-up is aborted, and it fails with the reason', async () => {
    const { fetch } = asker()
    const controller = new AbortController()
    const lookUp = fetch.fetch(addressOf(box()), TODAY, controller.signal)
    lookUp.catch(() => undefined)
    await settled()
    controller.abort(new Error('enough'))
    await expect(lookUp).rejects.toThrow('enough')
    expect(fetch.nextQuestion()).toBeUndefined()
  })

  it('may be answered after that, to nobody', async () => {
    const { fetch } = asker()
    const controller = new AbortController()
    const lookUp = fetch.fetch(addressOf(box()), TODAY, controller.signal)
    lookUp.catch(() => undefined)
    await settled()
    const taken = fetch.nextQuestion()!
    controller.abort(new Error('enough'))
    await read(taken)
    await expect(lookUp).rejects.toThrow('enough')
    expect(fetch.nextQuestion()).toBeUndefined()
  })

  it('are none for a look-up that was aborted before it began', async () => {
    const { fetch } = asker()
    const aborted = AbortSignal.abort(new Error('enough'))
    await expect(fetch.fetch(addressOf(box()), TODAY, aborted)).rejects.toThrow('enough')
    expect(fetch.nextQuestion()).toBeUndefined()
  })

  it('go when another keeper had the box', async () => {
    const { fetch } = asker()
    const one = box()
    const lookUp = fetch.fetch(addressOf(one), TODAY, signal)
    await settled()
    const { keeper, sealed, settle } = fetch.nextQuestion()!
    const ports = { rng, answer: async () => encodeFetchAnswer({ count: 1, box: one }, rng) }
    const options = { networkId: NETWORK, requestSeed: requestSeedOf(keeper) }
    settle(await answerSealedFetch(ports, options, sealed))
    expect(await lookUp).toEqual({ status: 'found', boxes: [one] })
    expect(fetch.nextQuestion()).toBeUndefined()
  })

  it('come FETCH_ROUNDS times for keepers of which nothing is heard, and then no more', async () => {
    const { fetch } = asker()
    const lookUp = fetch.fetch(addressOf(box()), TODAY, signal)
    let asked = 0
    for (let turn = 0; turn < 20; turn++) {
      await settled()
      const question = fetch.nextQuestion()
      if (question === undefined) break
      asked++
      question.settle(undefined)
    }
    expect(await lookUp).toEqual({ status: 'unreachable', asked: 0 })
    expect(asked).toBe(3 * FETCH_ROUNDS)
  })

  it('are never for a keeper whose key is not known', async () => {
    const { fetch } = asker({ keyless: KEEPERS })
    expect(await fetch.fetch(addressOf(box()), TODAY, signal)).toMatchObject({ asked: 0 })
    expect(fetch.nextQuestion()).toBeUndefined()
    expect(fetch.idleQuestion()).toBeUndefined()
  })

  it('come also for a box that is here and may have been made for this node alone', async () => {
    const { fetch } = asker({ here: entryOf(box(), false) })
    const lookUp = fetch.fetch(addressOf(box()), TODAY, signal)
    await settled()
    expect(fetch.nextQuestion()).toBeDefined()
    lookUp.catch(() => undefined)
  })
})

describe('idle questions', () => {
  it('are one half about boxes that were heard, each as likely as the others, at any keeper', async () => {
    const { fetch, hot } = asker()
    const boxes = Array.from({ length: 5 }, () => box())
    for (const each of boxes) hot.set(entryOf(each))
    const byAddress = new Map(boxes.map((each) => [toHex(addressOf(each)), 0]))
    const byKeeper = new Map(KEEPERS.map((node) => [toHex(node), 0]))
    const draws = 400
    let absent = 0
    for (let draw = 0; draw < draws; draw++) {
      const question = fetch.idleQuestion()!
      const address = toHex((await read(question)).address)
      const times = byAddress.get(address)
      if (times === undefined) absent++
      else byAddress.set(address, times + 1)
      byKeeper.set(toHex(question.keeper), byKeeper.get(toHex(question.keeper))! + 1)
    }
    expect(Math.abs(absent - draws / 2)).toBeLessThan(5 * Math.sqrt(draws / 4))
    expect(chiSquared([...byAddress.values()])).toBeLessThan(unlikely(5))
    expect(chiSquared([...byKeeper.values()])).toBeLessThan(unlikely(3))
  })

  it('are the other half look-ups of nothing, each taken through all keepers in any order', async () => {
    const { fetch } = asker()
    const first = new Set<string>()
    const addresses = new Set<string>()
    for (let lookUp = 0; lookUp < 20; lookUp++) {
      const keepers: string[] = []
      const asked = new Set<string>()
      for (let at = 0; at < KEEPERS.length; at++) {
        const question = fetch.idleQuestion()!
        keepers.push(toHex(question.keeper))
        asked.add(toHex((await read(question)).address))
      }
      expect(asked.size).toBe(1)
      expect(keepers.toSorted()).toEqual(KEEPERS.map(toHex).toSorted())
      first.add(keepers[0]!)
      for (const address of asked) addresses.add(address)
    }
    expect(first.size).toBe(KEEPERS.length)
    expect(addresses.size).toBe(20)
  })

  it('have the form of the others', async () => {
    const { fetch, hot } = asker()
    hot.set(entryOf(box()))
    const lookUp = fetch.fetch(addressOf(box()), TODAY, signal)
    lookUp.catch(() => undefined)
    await settled()
    const [real, idle] = [fetch.nextQuestion()!, fetch.idleQuestion()!]
    expect(Object.keys(idle)).toEqual(Object.keys(real))
    expect([real, idle].map(({ sealed }) => sealed.length)).toEqual(
      Array(2).fill(SEALED_FETCH_BYTES),
    )
    expect((await read(idle)).which).toBe((await read(real)).which)
  })

  it('put up with any answer and with none', () => {
    const { fetch, hot } = asker()
    hot.set(entryOf(box()))
    for (const answer of [undefined, new Uint8Array(0), new Uint8Array(2_066)]) {
      expect(() => fetch.idleQuestion()!.settle(answer)).not.toThrow()
    }
  })

  it('are about nothing that only one peer is known to have', async () => {
    const { fetch, hot } = asker()
    const [alone, common] = [box(), box()]
    const asked = async () => {
      const addresses = new Set<string>()
      for (let draw = 0; draw < 60; draw++) {
        addresses.add(toHex((await read(fetch.idleQuestion()!)).address))
      }
      return [alone, common].map((each) => addresses.has(toHex(addressOf(each))))
    }
    hot.set(entryOf(alone, false))
    hot.set(entryOf(common))
    expect(await asked()).toEqual([false, true])
    hot.set(entryOf(alone))
    expect(await asked()).toEqual([true, true])
  })

  it('are about the boxes heard last, also when those of before have gone', () => {
    const hot = new HotWindow()
    const entries = Array.from({ length: SAMPLE_BOXES + 100 }, () => ({
      ...entryOf(ONE),
      address: rng.bytes(32) as Address,
    }))
    for (const entry of entries) hot.set(entry)
    const old = new Set(entries.slice(0, 100).map(({ address }) => toHex(address)))
    for (let draw = 0; draw < 2_000; draw++) {
      expect(old.has(toHex(hot.sample(rng)!.address))).toBe(false)
    }
  })

  it('are none without another keeper', () => {
    expect(asker({ keepers: [] }).fetch.idleQuestion()).toBeUndefined()
    expect(asker({ keepers: [SELF] }).fetch.idleQuestion()).toBeUndefined()
  })
})

const ONE = box()
