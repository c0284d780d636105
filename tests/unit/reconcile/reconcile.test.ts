import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, isHearsayError, toHex } from '../../../src/base/index.ts'
import {
  answerRanges,
  ItemIndex,
  type ItemSource,
  MAX_ANSWER_BYTES,
  reconcile,
} from '../../../src/reconcile/index.ts'
import {
  decodeAnswer,
  decodeRequest,
  encodeAnswer,
  encodeRequest,
} from '../../../src/reconcile/codec.ts'
import { seededRng } from '../../support/seeded-rng.ts'

const rng = seededRng('reconcile')
const item = () => toHex(rng.bytes(32))
const pause = async () => undefined

function indexOf(items: Iterable<string>): ItemIndex {
  const index = new ItemIndex()
  for (const each of items) index.set(each, 0)
  return index
}

function sync(own: ItemSource, theirs: ItemSource, limits = {}) {
  const seen = { bytes: 0, same: [] as string[], listed: [] as string[] }
  const result = reconcile(
    {
      rng,
      source: own,
      pause,
      ask: async (request) => {
        const answer = await answerRanges(request, theirs, pause)
        seen.bytes += request.length + answer.length
        expect(answer.length).toBeLessThanOrEqual(MAX_ANSWER_BYTES)
        return answer
      },
      onSame: (prefix) => seen.same.push(prefix),
      onListed: (each) => seen.listed.push(each),
    },
    limits,
  )
  return result.then((outcome) => ({ ...outcome, ...seen }))
}

describe('item index', () => {
  it('iterates any range in order, after any additions and removals', () => {
    const operation = fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 60 }))
    fc.assert(
      fc.property(
        fc.array(operation, { maxLength: 80 }),
        fc.integer({ min: 0, max: 5 }),
        (ops, digits) => {
          const pool = Array.from({ length: 61 }, (_, i) =>
            (i < 30 ? 'ab' : '').concat(toHex(Uint8Array.of(i * 37, i)).repeat(16)).slice(0, 64),
          )
          const index = new ItemIndex()
          const model = new Set<string>()
          for (const [add, at] of ops) {
            const each = pool[at] ?? ''
            if (add) index.set(each, at)
            else index.delete(each)
            if (add) model.add(each)
            else model.delete(each)
          }
          const prefix = 'abab'.slice(0, digits)
          const expected = [...model].filter((each) => each.startsWith(prefix)).toSorted()
          expect([...index.items(prefix)]).toEqual(expected)
          expect(index.size).toBe(model.size)
        },
      ),
    )
  })

  it('shows a window of its items and still knows the others', () => {
    const index = new ItemIndex()
    const items = Array.from({ length: 10 }, item)
    items.forEach((each, at) => index.set(each, at))
    const view = index.window(3, 5)
    expect([...view.items('')]).toEqual(items.slice(3, 6).toSorted())
    expect(view.has(items[0] ?? '')).toBe(true)
  })
})

describe('reconciliation', () => {
  it('finds exactly what the other side has and this one has not', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(300), fc.nat(300), fc.nat(300), async (shared, own, theirs) => {
        const [both, mine, other] = [shared, own, theirs].map((n) =>
          Array.from({ length: n }, item),
        )
        const result = await sync(indexOf([...both!, ...mine!]), indexOf([...both!, ...other!]))
        expect([...result.missing].toSorted()).toEqual(other!.toSorted())
        expect(result.complete).toBe(true)
      }),
      { numRuns: 20 },
    )
  })

  it('says of every shared item, and of no other, that the peer has it', async () => {
    const both = Array.from({ length: 500 }, item)
    const mine = Array.from({ length: 5 }, item)
    const result = await sync(indexOf([...both, ...mine]), indexOf(both))
    const confirmed = (each: string) =>
      result.listed.includes(each) || result.same.some((prefix) => each.startsWith(prefix))
    expect(both.every(confirmed)).toBe(true)
    expect(mine.some(confirmed)).toBe(false)
  })

  it('costs one request when both sides are equal, and little for few differences', async () => {
    const both = Array.from({ length: 20_000 }, item)
    const equal = await sync(indexOf(both), indexOf(both))
    expect(equal.requests).toBe(1)
    expect(equal.bytes).toBeLessThan(400)
    const few = await sync(indexOf(both), indexOf([...both, ...Array.from({ length: 10 }, item)]))
    expect(few.missing).toHaveLength(10)
    expect(few.requests).toBeLessThanOrEqual(4)
    expect(few.bytes).toBeLessThan(20_000)
  })

  it('separates items that were ground to share a long prefix', async () => {
    const ground = Array.from({ length: 200 }, () => 'deadbeefdead' + item().slice(12))
    const result = await sync(indexOf([]), indexOf(ground))
    expect(result.missing).toHaveLength(200)
  })

  it('pauses at least once per 2,048 items, on both sides', async () => {
    const both = indexOf(Array.from({ length: 20_000 }, item))
    let pauses = 0
    const counting = async () => {
      pauses++
    }
    await reconcile({
      rng,
      source: both,
      pause: counting,
      ask: (request) => answerRanges(request, both, counting),
    })
    expect(pauses).toBeGreaterThanOrEqual(2 * 9)
  })

  it('ends after the stated number of requests when the peer always differs', async () => {
    let requests = 0
    const liar = async (request: Uint8Array) => {
      requests++
      return encodeAnswer(
        decodeRequest(request).prefixes.map((prefix) =>
          prefix.length < 16
            ? { kind: 'split', fingerprints: Array.from({ length: 16 }, () => rng.bytes(16)) }
            : { kind: 'items', items: [] },
        ),
      )
    }
    const run = reconcile({ rng, source: indexOf([]), pause, ask: liar }, { maxRequests: 50 })
    expect((await run).complete).toBe(false)
    expect(requests).toBe(50)
  })

  it('stops at the stated number of missing items', async () => {
    const result = await sync(indexOf([]), indexOf(Array.from({ length: 500 }, item)), {
      maxMissing: 100,
    })
    expect(result.missing).toHaveLength(100)
    expect(result.complete).toBe(false)
  })

  it('is not fooled by a peer that repeats the fingerprints of another session', async () => {
    const theirs = indexOf(Array.from({ length: 500 }, item))
    const recorded: Uint8Array[] = []
    await reconcile({
      rng,
      source: theirs,
      pause,
      ask: async (request) => {
        const answer = await answerRanges(request, theirs, pause)
        recorded.push(answer)
        return answer
      },
    })
    const same: string[] = []
    const again = reconcile(
      { rng, source: theirs, pause, ask: async () => recorded[0]!, onSame: (p) => same.push(p) },
      { maxRequests: 1 },
    )
    await again
    expect(same).toEqual([])
  })
})

describe('reconciliation frames', () => {
  const key = new Uint8Array(32)
  const refused = (run: () => unknown) => {
    try {
      run()
      return false
    } catch (error) {
      return isHearsayError(error) && (error.fault === 'peer' || error.code === 'bad-value')
    }
  }

  it('re-encode to the same bytes', () => {
    const request = encodeRequest({ key, prefixes: ['0', '1a', '1b3', 'ff'] })
    expect(encodeRequest(decodeRequest(request))).toEqual(request)
  })

  it.each([
    ['no range', []],
    ['ranges out of order', ['1', '0']],
    ['the same range twice', ['1', '1']],
    ['a range inside another', ['1', '12']],
    ['everything and a part of it', ['', '1']],
  ])('with %s are refused', (_name, prefixes) => {
    expect(refused(() => decodeRequest(encodeRequest({ key, prefixes })))).toBe(true)
  })

  it('with too many ranges or stray bits are refused', () => {
    const many = Array.from({ length: 65 }, (_, i) => i.toString(16).padStart(2, '0'))
    expect(refused(() => decodeRequest(encodeRequest({ key, prefixes: many })))).toBe(true)
    const request = encodeRequest({ key, prefixes: ['a'] })
    request[request.length - 1]! |= 1
    expect(refused(() => decodeRequest(request))).toBe(true)
  })

  it('of a lying answerer are refused: foreign, repeated, unordered items, splits of the narrowest', () => {
    const items = (list: string[]) => encodeAnswer([{ kind: 'items', items: list }])
    const [a, b] = ['a0'.padEnd(64, '0'), 'a1'.padEnd(64, '0')]
    expect(decodeAnswer(items([a, b]), ['a'])).toHaveLength(1)
    expect(refused(() => decodeAnswer(items([a]), ['b']))).toBe(true)
    expect(refused(() => decodeAnswer(items([a, a]), ['a']))).toBe(true)
    expect(refused(() => decodeAnswer(items([b, a]), ['a']))).toBe(true)
    const split = encodeAnswer([
      { kind: 'split', fingerprints: Array.from({ length: 16 }, () => new Uint8Array(16)) },
    ])
    expect(refused(() => decodeAnswer(split, ['0'.repeat(16)]))).toBe(true)
    expect(refused(() => decodeAnswer(items([a]), ['a', 'b']))).toBe(true)
    expect(refused(() => decodeAnswer(new Uint8Array(200_000), ['a']))).toBe(true)
  })

  it('survive arbitrary bytes with an error of their own', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const outcomes = [() => decodeRequest(bytes), () => decodeAnswer(bytes, ['', ''])].map(
          (run) => {
            try {
              return run()
            } catch (error) {
              return error
            }
          },
        )
        const foreign = outcomes.filter((each) => each instanceof Error && !isHearsayError(each))
        expect(foreign).toEqual([])
        expect(fromHex(toHex(bytes))).toEqual(bytes)
      }),
    )
  })
})

describe('the event loop', () => {
  /** How often the work gave way. */
  async function pausesOf(work: (pause: () => Promise<void>) => Promise<unknown>) {
    let pauses = 0
    await work(async () => {
      pauses++
    })
    return pauses
  }

  it('gets its turn while a window that holds nothing is searched', async () => {
    const index = new ItemIndex()
    for (let i = 0; i < 20_000; i++) index.set(item(), 5)
    const request = encodeRequest({ key: rng.bytes(32), prefixes: [''] })
    const pauses = await pausesOf((pause) => answerRanges(request, index.window(6, 7), pause))
    expect(pauses).toBeGreaterThan(15)
  })

  it('gets its turn while a lying peer has a thousand empty ranges compared', async () => {
    const key = rng.bytes(32)
    const fake = (prefixes: readonly string[]) =>
      encodeAnswer(
        prefixes.map((prefix) =>
          prefix.length < 16
            ? { kind: 'split', fingerprints: Array.from({ length: 16 }, () => rng.bytes(16)) }
            : { kind: 'items', items: [] },
        ),
      )
    const pauses = await pausesOf((pause) =>
      reconcile(
        {
          rng: { bytes: () => key },
          source: new ItemIndex(),
          pause,
          ask: async (request) => fake(decodeRequest(request).prefixes),
        },
        { maxRequests: 10 },
      ),
    )
    // Ten requests with up to 64 ranges of 16 parts each.
    expect(pauses).toBeGreaterThan(80)
  })
})
