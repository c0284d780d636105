import { afterEach, describe, expect, it } from 'vitest'
import { asNetworkId, concat, type NetworkId, toHex, utf8 } from '../../../src/base/index.ts'
import { LABELS, sealedBoxSeal, sivSeal, x25519PublicKey } from '../../../src/crypto/index.ts'
import {
  FETCH_ANSWER_BYTES,
  FETCH_REQUEST_BYTES,
  SEALED_FETCH_ANSWER_BYTES,
  SEALED_FETCH_BYTES,
} from '../../../src/mailbox/constants.ts'
import {
  decodeFetch,
  decodeFetchAnswer,
  encodeFetch,
  encodeFetchAnswer,
} from '../../../src/mailbox/fetch-codec.ts'
import { sealFetch } from '../../../src/mailbox/sealed-fetch.ts'
import { errorCode } from '../../support/outcome.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { addressOf, box, NETWORK, nodeIdAt, publication, requestSeedOf, world } from './fixtures.ts'

const worlds: ReturnType<typeof world>[] = []
const rng = seededRng('sealed')

afterEach(async () => {
  await Promise.all(worlds.splice(0).map((each) => each.close()))
})

const KEEPER = nodeIdAt(0)

async function keeper() {
  const made = world({ nodes: 2 })
  worlds.push(made)
  const { mailbox } = await made.add(0)
  const here = box()
  await mailbox.accept(publication(here))
  return { mailbox, here }
}

const ask = (request: Uint8Array, o: { to?: Uint8Array; networkId?: NetworkId } = {}) =>
  sealFetch(rng, o.networkId ?? NETWORK, o.to ?? x25519PublicKey(requestSeedOf(KEEPER)), request)

const forBox = (bytes: ReturnType<typeof box>, which = 0) =>
  encodeFetch({ address: addressOf(bytes), which })

/** A question as only a strange asker would make it: any plaintext at all. */
const strange = (plain: Uint8Array) =>
  sealedBoxSeal(
    rng,
    x25519PublicKey(requestSeedOf(KEEPER)),
    plain,
    concat(utf8(LABELS.keeperRequestSeal), NETWORK),
  )

describe('a sealed question', () => {
  it('is answered with the box, which only its asker can open', async () => {
    const { mailbox, here } = await keeper()
    const [question, other] = [ask(forBox(here)), ask(forBox(here))]
    const answer = await mailbox.answerSealed(question.sealed)
    expect(errorCode(() => other.open(answer))).toBe('open-failed')
    expect(decodeFetchAnswer(question.open(answer), 0)).toEqual({ count: 1, box: here })
  })

  it('is read by its keeper only', async () => {
    const { mailbox, here } = await keeper()
    const question = ask(forBox(here), { to: x25519PublicKey(requestSeedOf(nodeIdAt(1))) })
    const answer = await mailbox.answerSealed(question.sealed)
    expect(answer).toHaveLength(SEALED_FETCH_ANSWER_BYTES)
    expect(errorCode(() => question.open(answer))).toBe('open-failed')
  })

  it('is read in its network only', async () => {
    const { mailbox, here } = await keeper()
    const networkId = asNetworkId(new Uint8Array(32).fill(6))
    const question = ask(forBox(here), { networkId })
    const answer = await mailbox.answerSealed(question.sealed)
    expect(errorCode(() => question.open(answer))).toBe('open-failed')
  })

  it('has one size and its answer too, whatever becomes of it', async () => {
    const { mailbox, here } = await keeper()
    const questions = [
      ask(forBox(here)),
      ask(forBox(here, 1)),
      ask(forBox(box())),
      ask(forBox(here).with(0, 9)),
      ask(forBox(here).with(33, 2)),
      ask(forBox(here), { to: x25519PublicKey(requestSeedOf(nodeIdAt(1))) }),
      ask(forBox(here), { networkId: asNetworkId(new Uint8Array(32)) }),
    ].map(({ sealed }) => sealed)
    expect(questions.map((each) => each.length)).toEqual(Array(7).fill(SEALED_FETCH_BYTES))
    const nonsense = [
      new Uint8Array(0),
      rng.bytes(SEALED_FETCH_BYTES),
      // Points of small order.
      new Uint8Array(SEALED_FETCH_BYTES),
      questions[0]!.slice(0, -1),
      Uint8Array.of(...questions[0]!, 0),
      strange(forBox(here)),
      strange(concat(forBox(here), rng.bytes(31))),
      strange(concat(forBox(here), rng.bytes(33))),
      strange(new Uint8Array(0)),
    ]
    for (const sealed of [...questions, ...nonsense]) {
      expect(await mailbox.answerSealed(sealed)).toHaveLength(SEALED_FETCH_ANSWER_BYTES)
    }
  })

  it('with any bit flipped gets an answer of that size that nobody can open', async () => {
    const { mailbox, here } = await keeper()
    // X25519 does not look at the top bit of its key: the seal must.
    const bits = [31 * 8 + 7, ...Array.from({ length: SEALED_FETCH_BYTES / 6 }, (_, i) => i * 49)]
    for (const bit of bits) {
      const question = ask(forBox(here))
      const at = bit >>> 3
      const flipped = question.sealed.with(at, question.sealed[at]! ^ (1 << (bit & 7)))
      const answer = await mailbox.answerSealed(flipped)
      expect(answer).toHaveLength(SEALED_FETCH_ANSWER_BYTES)
      expect(errorCode(() => question.open(answer))).toBe('open-failed')
    }
  })

  it('asked twice gets the same answer, found or not: a courier learns nothing by repeating it', async () => {
    const { mailbox, here } = await keeper()
    for (const each of [forBox(here), forBox(box())]) {
      const { sealed } = ask(each)
      const [one, two] = [await mailbox.answerSealed(sealed), await mailbox.answerSealed(sealed)]
      expect(toHex(one)).toBe(toHex(two))
    }
  })

  it('asked again when the box has come meanwhile gets an answer under another stream', async () => {
    const { mailbox } = await keeper()
    const late = box()
    const question = ask(forBox(late))
    const before = await mailbox.answerSealed(question.sealed)
    await mailbox.accept(publication(late))
    const after = await mailbox.answerSealed(question.sealed)
    // The first byte is the version in both: under one stream it would be the same.
    expect(before[0]).not.toBe(after[0])
    expect(decodeFetchAnswer(question.open(after), 0)).toEqual({ count: 1, box: late })
  })

  it('about the same box is another one every time, and so is its answer', async () => {
    const { mailbox } = await keeper()
    const absent = forBox(box())
    const [one, two] = [ask(absent), ask(absent)]
    expect(toHex(one.sealed)).not.toBe(toHex(two.sealed))
    const answers = [await mailbox.answerSealed(one.sealed), await mailbox.answerSealed(two.sealed)]
    const plain = [one.open(answers[0]!), two.open(answers[1]!)]
    expect(plain.map((bytes) => decodeFetchAnswer(bytes, 0).count)).toEqual([0, 0])
    // Random bytes stand where there is no box.
    expect(toHex(plain[0]!)).not.toBe(toHex(plain[1]!))
  })
})

describe('the answer', () => {
  it('is opened once; the key is gone then, and zeros do not open anything', async () => {
    const { mailbox, here } = await keeper()
    const question = ask(forBox(here))
    const answer = await mailbox.answerSealed(question.sealed)
    question.open(answer)
    expect(errorCode(() => question.open(answer))).toBe('open-failed')
    const ad = concat(utf8(LABELS.keeperReplySeal), NETWORK)
    const plain = encodeFetchAnswer({ count: 0, box: undefined }, rng)
    const underZeros = sivSeal(new Uint8Array(32), plain, ad)
    expect(errorCode(() => question.open(underZeros))).toBe('open-failed')
  })

  it('of any other length or content is not opened', async () => {
    const { mailbox, here } = await keeper()
    for (const spoil of [
      (answer: Uint8Array) => answer.slice(0, -1),
      (answer: Uint8Array) => Uint8Array.of(...answer, 0),
      (answer: Uint8Array) => answer.with(7, answer[7]! ^ 1),
      () => new Uint8Array(0),
    ]) {
      const question = ask(forBox(here))
      const answer = await mailbox.answerSealed(question.sealed)
      expect(errorCode(() => question.open(spoil(answer)))).toBe('open-failed')
    }
  })
})

describe('frames of a fetch', () => {
  const request = encodeFetch({ address: addressOf(box()), which: 1 })

  it('are requests of one form', () => {
    expect(request).toHaveLength(FETCH_REQUEST_BYTES)
    expect(encodeFetch(decodeFetch(request))).toEqual(request)
    for (let length = 0; length < request.length; length++) {
      expect(errorCode(() => decodeFetch(request.slice(0, length)))).toBe('bad-length')
    }
    expect(errorCode(() => decodeFetch(Uint8Array.of(...request, 0)))).toBe('trailing-bytes')
    expect(errorCode(() => decodeFetch(request.with(0, 2)))).toBe('bad-version')
    expect(errorCode(() => decodeFetch(request.with(33, 2)))).toBe('bad-value')
  })

  it('are answers of one form', () => {
    const one = box()
    const answer = encodeFetchAnswer({ count: 2, box: one }, rng)
    expect(answer).toHaveLength(FETCH_ANSWER_BYTES)
    expect(decodeFetchAnswer(answer, 1)).toEqual({ count: 2, box: one })
    const none = encodeFetchAnswer({ count: 1, box: undefined }, rng)
    expect(decodeFetchAnswer(none, 1)).toEqual({ count: 1, box: undefined })
    expect(errorCode(() => decodeFetchAnswer(answer.slice(0, -1), 0))).toBe('bad-length')
    expect(errorCode(() => decodeFetchAnswer(Uint8Array.of(...answer, 0), 0))).toBe(
      'trailing-bytes',
    )
    expect(errorCode(() => decodeFetchAnswer(answer.with(0, 2), 0))).toBe('bad-version')
    expect(errorCode(() => decodeFetchAnswer(answer.with(1, 3), 0))).toBe('bad-value')
  })
})
