import { describe, expect, it } from 'vitest'
import { asAddress, asNetworkId, asNodeId, type BoxBytes, toHex } from '../../../src/base/index.ts'
import { isValidPoint, x25519PublicKey } from '../../../src/crypto/index.ts'
import type { BoxShelf } from '../../../src/mailbox/box-shelf.ts'
import { decodeFetch, decodeFetchAnswer, encodeFetch } from '../../../src/mailbox/fetch-codec.ts'
import { BoxFetch, type FetchPorts } from '../../../src/mailbox/fetch.ts'
import { answerSealedFetch, sealFetch } from '../../../src/mailbox/sealed-fetch.ts'
import { BOX_BYTES } from '../../../src/stream/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const networkId = asNetworkId(new Uint8Array(32).fill(5))
const requestSeed = seededRng('keeper').bytes(32)
const address = asAddress(seededRng('address').bytes(32))

const nodeId = asNodeId(new Uint8Array(32).fill(1))

/** A keeper that has these boxes under every address. */
function keeper(boxes: readonly BoxBytes[]): BoxFetch {
  const records = boxes.map((publication) => ({ entry: { confirmed: true }, publication }))
  const ports = {
    rng: seededRng(`keeper of ${boxes.length}`),
    shelf: { all: async () => records } as unknown as BoxShelf,
    publications: { boxOf: (publication: Uint8Array) => publication as BoxBytes },
  } as unknown as FetchPorts
  return new BoxFetch(ports, { networkId, nodeId, ttlDays: 2, requestSeed })
}

const ask = (which = 0) =>
  sealFetch(
    seededRng('asker'),
    networkId,
    x25519PublicKey(requestSeed),
    encodeFetch({ address, which }),
  )

describe('a courier that asks a keeper twice', () => {
  const box = seededRng('box').bytes(BOX_BYTES) as BoxBytes

  it.each([
    ['was found', [box], 0],
    ['was not found', [], 0],
    ['has no second one', [box], 1],
  ] as const)('hears the same bytes again where a box %s', async (_, boxes, which) => {
    const from = keeper(boxes)
    const { sealed } = ask(which)
    const first = await from.answerSealed(sealed)
    expect(toHex(await from.answerSealed(sealed))).toBe(toHex(first))
  })

  it('hears other bytes for every other question, found or not', async () => {
    const rng = seededRng('askers')
    for (const boxes of [[box], []]) {
      const heard = new Set<string>()
      for (let i = 0; i < 8; i++) {
        const question = sealFetch(
          rng,
          networkId,
          x25519PublicKey(requestSeed),
          encodeFetch({ address, which: 0 }),
        )
        heard.add(toHex(await keeper(boxes).answerSealed(question.sealed)))
      }
      expect(heard.size).toBe(8)
    }
  })

  it('does not learn by it what fills an answer, which looks random to the asker too', async () => {
    const question = ask()
    const answer = question.open(await keeper([]).answerSealed(question.sealed))
    const { count, box: none } = decodeFetchAnswer(answer, 0)
    expect([count, none]).toEqual([0, undefined])
    const filler = answer.subarray(2)
    expect(new Set(filler).size).toBeGreaterThan(200)
  })
})

describe('a keeper that is asked idly', () => {
  it('sees an address that could be one, also where the asker has heard none yet', async () => {
    const keepers = [asNodeId(new Uint8Array(32).fill(2))]
    const ports = {
      clock: new VirtualClock(),
      rng: seededRng('newcomer'),
      shelf: { hot: { sample: () => undefined } } as unknown as BoxShelf,
      placement: { keepers: () => keepers, requestKey: () => x25519PublicKey(requestSeed) },
    } as unknown as FetchPorts
    const newcomer = new BoxFetch(ports, { networkId, nodeId, ttlDays: 2, requestSeed })
    for (let i = 0; i < 20; i++) {
      const { sealed } = newcomer.idleQuestion()!
      const seen: Uint8Array[] = []
      const answer = async (request: Uint8Array) => {
        seen.push(decodeFetch(request).address)
        return new Uint8Array(0)
      }
      const keeper = { rng: seededRng(i), answer }
      await answerSealedFetch(keeper, { networkId, requestSeed }, sealed)
      expect(seen.map(isValidPoint)).toEqual([true])
    }
  })
})
