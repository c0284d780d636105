import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { asNetworkId, equalBytes, toHex } from '../../src/base/index.ts'
import { signKeyPairFromSeed } from '../../src/crypto/index.ts'
import {
  advanceChain,
  assembleBox,
  BOX_BYTES,
  BOX_PAYLOAD_BYTES,
  decodeChain,
  encodeChain,
  firstChain,
  openBox,
  parseBox,
  ReadWindow,
  Reassembler,
  RowChanges,
  sealBox,
  Segmenter,
  verifyBox,
} from '../../src/stream/index.ts'
import { encodeSegments, parseSegments, type Segment } from '../../src/stream/segments.ts'
import { MemoryRows } from '../support/memory-rows.ts'
import { REFUSED, reencoded } from '../support/outcome.ts'
import { seededRng } from '../support/seeded-rng.ts'

const rng = seededRng('stream properties')
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

/** Inputs near `valid`: truncated, extended, with bytes or bits changed. */
const near = (valid: Uint8Array): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    fc.nat(valid.length).map((length) => valid.slice(0, length)),
    fc
      .uint8Array({ minLength: 1, maxLength: 9 })
      .map((tail) => Uint8Array.from([...valid, ...tail])),
    fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 4 }).map((changes) => {
      const out = valid.slice()
      for (const [at, byte] of changes) out[at] = byte
      return out
    }),
    fc.nat(valid.length * 8 - 1).map((bit) => {
      const out = valid.slice()
      out[bit >> 3] = (out[bit >> 3] as number) ^ (1 << (bit & 7))
      return out
    }),
    fc.uint8Array({ maxLength: 300 }),
  )

const networkId = asNetworkId(rng.bytes(32))
const rootSeed = rng.bytes(32)
const { publicKey: root } = signKeyPairFromSeed(rootSeed)
const chain = firstChain(rng.bytes(32))
const window = new ReadWindow(root, chain, 6)
window.extend(6)
window.take(3)
window.extend(2)
const { keys } = advanceChain(firstChain(rng.bytes(32)))
const payload = new Uint8Array(BOX_PAYLOAD_BYTES)
const box = sealBox({ networkId, expiryDay: 20_000, rootSeed, keys, payload })
const signed = box.subarray(0, 1984)

function somePayload(lengths: number[]): Uint8Array {
  const segmenter = new Segmenter()
  lengths.forEach((length, seq) => segmenter.push({ seq, bytes: rng.bytes(length) }))
  return segmenter.fill().payload
}

describe('parsers', () => {
  it('parse boxes strictly', () => {
    fc.assert(
      fc.property(near(box), (input) => {
        expect([REFUSED, toHex(input)]).toContain(reencoded(input, parseBox, assembleBox))
      }),
    )
  })

  it('verify only the box that was made', () => {
    fc.assert(
      fc.property(near(box), (input) => {
        expect(verifyBox(networkId, input)).toBe(toHex(input) === toHex(box))
      }),
      { numRuns: 300 },
    )
  })

  it('open a changed box only by failing, unless only the signature was changed', () => {
    fc.assert(
      fc.property(near(box), (input) => {
        const opened = reencoded(
          input,
          (bytes) => openBox(networkId, keys, bytes),
          (inner) => inner,
        )
        const same = input.length === BOX_BYTES && equalBytes(input.subarray(0, 1984), signed)
        expect(opened).toBe(same ? toHex(payload) : REFUSED)
      }),
      { numRuns: 300 },
    )
  })

  it('parse payloads strictly', () => {
    for (const valid of [somePayload([40, 100, 5000]), somePayload([9000]), payload]) {
      fc.assert(
        fc.property(near(valid), (input) => {
          const encode = (segments: Segment[]) => encodeSegments(segments, input.length)
          expect([REFUSED, toHex(input)]).toContain(reencoded(input, parseSegments, encode))
        }),
        { numRuns: 300 },
      )
    }
  })

  it('decode chains strictly', () => {
    fc.assert(
      fc.property(near(encodeChain(chain)), (input) => {
        expect([REFUSED, toHex(input)]).toContain(reencoded(input, decodeChain, encodeChain))
      }),
    )
  })

  it('decode windows strictly', () => {
    fc.assert(
      fc.property(near(window.encode()), (input) => {
        const outcome = reencoded(input, ReadWindow.decode, (decoded) => decoded.encode())
        expect([REFUSED, toHex(input)]).toContain(outcome)
      }),
    )
  })

  it('decode reassemblers strictly', () => {
    const changes = new RowChanges()
    const reassembler = new Reassembler(changes)
    reassembler.accept(0, somePayload([3000]))
    // Whatever the key: a flipped bit in it is another key, not a malformed state.
    const rows = changes.take(rng).written
    const decode = (input: Uint8Array) => Reassembler.decode(input, () => rows)
    fc.assert(
      fc.property(near(reassembler.encode()), (input) => {
        const outcome = reencoded(input, decode, (decoded) => decoded.encode())
        expect([REFUSED, toHex(input)]).toContain(outcome)
      }),
      { numRuns: 300 },
    )
  })
})

describe('records', () => {
  const lengths = fc.array(fc.oneof(fc.nat(200), fc.nat(2500), fc.nat(9000)), { maxLength: 12 })

  it('come out as they went in, whatever the order of the boxes', () => {
    fc.assert(
      fc.property(lengths, fc.nat(), (sizes, seed) => {
        const segmenter = new Segmenter()
        const sent = sizes.map((size, seq) => ({ seq, bytes: rng.bytes(size) }))
        for (const record of sent) segmenter.push(record)
        const pages: Uint8Array[] = []
        const announced: number[] = []
        while (segmenter.pending) {
          const filled = segmenter.fill()
          pages.push(filled.payload)
          announced.push(...filled.finished)
        }
        expect(announced.toSorted((a, b) => a - b)).toEqual(sent.map(({ seq }) => seq))
        const order = pages.map((_, i) => i)
        order.sort((a, b) => ((a * 7919 + seed) % 101) - ((b * 7919 + seed) % 101))
        const reassembler = new Reassembler()
        const got = order.flatMap((i) => reassembler.accept(i, pages[i] as Uint8Array))
        got.sort((a, b) => a.seq - b.seq)
        expect(got.map(({ seq, bytes: b }) => `${seq} ${toHex(b)}`)).toEqual(
          sent.map(({ seq, bytes: b }) => `${seq} ${toHex(b)}`),
        )
        expect(reassembler.heldBytes).toBe(0)
      }),
      { numRuns: 60 },
    )
  })

  it('come out whole or not at all when boxes are lost', () => {
    fc.assert(
      fc.property(lengths, fc.array(fc.boolean(), { maxLength: 60 }), (sizes, lost) => {
        const segmenter = new Segmenter()
        const sent = sizes.map((size, seq) => ({ seq, bytes: rng.bytes(size) }))
        for (const record of sent) segmenter.push(record)
        const reassembler = new Reassembler()
        for (let box = 0; segmenter.pending; box++) {
          const { payload: page } = segmenter.fill()
          if (lost[box] === true) continue
          for (const { seq, bytes: b } of reassembler.accept(box, page)) {
            expect(toHex(b)).toBe(toHex(sent[seq]?.bytes ?? new Uint8Array(0)))
          }
        }
      }),
      { numRuns: 60 },
    )
  })

  it('from a hostile writer never fail, and stay bounded', () => {
    const changes = new RowChanges()
    const rows = new MemoryRows()
    const reassembler = new Reassembler(changes)
    fc.assert(
      fc.property(fc.nat(3), fc.nat(), bytes(64), fc.boolean(), (seq, offset, data, last) => {
        const total = 1088
        const at = last ? total - 64 : offset % (total - 64)
        const page = encodeSegments([{ seq, total, offset: at, data }], 200)
        reassembler.accept(0, page)
        expect(reassembler.partial.length).toBeLessThanOrEqual(4)
        rows.apply(changes.take(rng))
        const copy = Reassembler.decode(reassembler.encode(), rows.find)
        expect(copy.partial).toEqual(reassembler.partial.toSorted((a, b) => a - b))
        expect(copy.heldBytes).toBe(reassembler.heldBytes)
      }),
      { numRuns: 500 },
    )
  })
})

describe('a read window', () => {
  it('agrees with a slow reference for every order of arrival and however it is filled', () => {
    const arrival = fc.record({ index: fc.nat(30), derive: fc.nat(6) })
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 20 }), (arrivals) => {
        const size = 5
        let real = new ReadWindow(root, chain, size)
        const received = new Set<number>()
        const watched = new Set<number>()
        let next = 0
        // One past the last address that was derived.
        let end = 0
        for (const { index, derive } of arrivals) {
          for (const { index: i } of real.extend(derive)) watched.add(i)
          end = Math.min(end + derive, next + size)
          const known = watched.has(index)
          expect(real.keysFor(index) !== undefined).toBe(known)
          if (!known) continue
          const unwatched = real.take(index)
          received.add(index)
          next = Math.max(next, index + 1)
          for (const { index: i } of unwatched) watched.delete(i)
          real = ReadWindow.decode(real.encode())
          expect(real.isFull).toBe(end === next + size)
          const slow = []
          for (let i = Math.max(0, next - size); i < end; i++) {
            if (!received.has(i)) slow.push(i)
          }
          expect([...watched].toSorted((a, b) => a - b)).toEqual(slow)
          expect(real.addresses().map(({ index: i }) => i)).toEqual(slow)
          expect(real.gaps()).toEqual(slow.filter((i) => i < next))
        }
      }),
      { numRuns: 40 },
    )
  })
})
