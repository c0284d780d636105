import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { asNodeId, type BoxBytes, NODE_ID_BYTES, toHex } from '../../src/base/index.ts'
import {
  ASK_REF_BYTES,
  REQUEST_BODY_BYTES,
  SEALED_ANSWER_BYTES,
  SEALED_REQUEST_BYTES,
} from '../../src/mix/constants.ts'
import { decodeMixFrame, encodeMixFrame, frameBytes, type MixFrame } from '../../src/mix/frame.ts'
import { decodeReply, decodeRequest, encodeReply, encodeRequest } from '../../src/mix/request.ts'
import { sphinxGeometry, SURB_ID_BYTES } from '../../src/sphinx/index.ts'
import { BOX_BYTES } from '../../src/stream/index.ts'
import { errorCode, REFUSED, reencoded } from '../support/outcome.ts'
import { seededRng } from '../support/seeded-rng.ts'

const rng = seededRng('mix properties')
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

const geometries = (['x25519', 'x-wing'] as const).flatMap((suite) =>
  [3, 5].map((hops) => sphinxGeometry({ suite, hops, bodyBytes: REQUEST_BODY_BYTES })),
)
const [geometry] = geometries as [(typeof geometries)[0]]

const frames: Record<MixFrame['kind'], (sizes: typeof geometry) => fc.Arbitrary<MixFrame>> = {
  packet: ({ packetBytes }) => bytes(packetBytes).map((packet) => ({ kind: 'packet', packet })),
  reply: ({ payloadBytes }) =>
    fc
      .tuple(bytes(SURB_ID_BYTES), bytes(payloadBytes))
      .map(([surbId, payload]) => ({ kind: 'reply', surbId, payload })),
  ask: () =>
    fc
      .tuple(bytes(ASK_REF_BYTES), bytes(SEALED_REQUEST_BYTES))
      .map(([ref, sealed]) => ({ kind: 'ask', ref, sealed })),
  answer: () =>
    fc
      .tuple(bytes(ASK_REF_BYTES), bytes(SEALED_ANSWER_BYTES))
      .map(([ref, sealed]) => ({ kind: 'answer', ref, sealed })),
}

const someFrame = fc.oneof(...Object.values(frames).map((make) => make(geometry)))

const decode = (input: Uint8Array) => decodeMixFrame(geometry, input)
const encode = (frame: MixFrame) => encodeMixFrame(geometry, frame)

describe('a mix frame', () => {
  it('comes out as it went in, and always with one length', () => {
    for (const sizes of geometries) {
      for (const make of Object.values(frames)) {
        fc.assert(
          fc.property(make(sizes), (frame) => {
            const encoded = encodeMixFrame(sizes, frame)
            expect(encoded.length).toBe(frameBytes(sizes))
            const decoded = decodeMixFrame(sizes, encoded)
            expect(decoded.kind).toBe(frame.kind)
            expect(toHex(encodeMixFrame(sizes, decoded))).toBe(toHex(encoded))
          }),
          { numRuns: 25 },
        )
      }
    }
  })

  it('is refused, or is the only encoding of what it says', () => {
    fc.assert(
      fc.property(
        someFrame,
        fc.array(fc.tuple(fc.nat(geometry.packetBytes), fc.nat(255)), { maxLength: 3 }),
        (frame, changes) => {
          const input = encode(frame)
          for (const [at, byte] of changes) input[at] = byte
          expect([REFUSED, toHex(input)]).toContain(reencoded(input, decode, encode))
        },
      ),
      { numRuns: 300 },
    )
  })

  it('of random bytes is refused or re-encodes to them', () => {
    fc.assert(
      fc.property(bytes(frameBytes(geometry)), fc.nat(6), (input, kind) => {
        input[0] = kind
        expect([REFUSED, toHex(input)]).toContain(reencoded(input, decode, encode))
      }),
      { numRuns: 200 },
    )
  })

  it('of another length is refused', () => {
    const length = frameBytes(geometry)
    fc.assert(
      fc.property(fc.nat(2 * length), (other) => {
        fc.pre(other !== length)
        expect(errorCode(() => decode(new Uint8Array(other)))).toBe('bad-length')
      }),
    )
  })

  it('with anything but zeros behind its parts is refused', () => {
    const padded = {
      reply: geometry.payloadBytes,
      ask: SEALED_REQUEST_BYTES,
      answer: SEALED_ANSWER_BYTES,
    }
    for (const [kind, partBytes] of Object.entries(padded)) {
      const end = 1 + 16 + partBytes
      fc.assert(
        fc.property(
          frames[kind as keyof typeof padded](geometry),
          fc.integer({ min: end, max: geometry.packetBytes }),
          fc.integer({ min: 1, max: 255 }),
          (frame, at, byte) => {
            const input = encode(frame)
            input[at] = byte
            expect(errorCode(() => decode(input))).toBe('bad-value')
          },
        ),
        { numRuns: 50 },
      )
    }
  })
})

describe('a request', () => {
  it('comes out as it went in, whatever it asks, in bodies of one length', () => {
    fc.assert(
      fc.property(bytes(BOX_BYTES), (box) => {
        const body = encodeRequest(rng, { kind: 'publish', box: box as BoxBytes })
        expect(body.length).toBe(REQUEST_BODY_BYTES)
        expect(decodeRequest(body)).toEqual({ kind: 'publish', box })
      }),
      { numRuns: 50 },
    )
    fc.assert(
      fc.property(bytes(NODE_ID_BYTES), bytes(SEALED_REQUEST_BYTES), (id, sealed) => {
        const keeper = asNodeId(id)
        const body = encodeRequest(rng, { kind: 'fetch', keeper, sealed })
        expect(body.length).toBe(REQUEST_BODY_BYTES)
        expect(decodeRequest(body)).toEqual({ kind: 'fetch', keeper, sealed })
      }),
      { numRuns: 50 },
    )
    expect(decodeRequest(encodeRequest(rng, { kind: 'echo' }))).toEqual({ kind: 'echo' })
  })

  it('of any bytes is understood: an unknown kind is an echo', () => {
    fc.assert(
      fc.property(bytes(REQUEST_BODY_BYTES), fc.nat(255), (body, kind) => {
        body[0] = kind
        const known = ['publish', 'fetch', 'echo'][kind] ?? 'echo'
        expect(decodeRequest(body).kind).toBe(known)
      }),
      { numRuns: 300 },
    )
  })

  it('is filled with fresh random bytes behind what it says', () => {
    const keeper = asNodeId(new Uint8Array(NODE_ID_BYTES))
    const sealed = new Uint8Array(SEALED_REQUEST_BYTES)
    for (const [request, end] of [
      [{ kind: 'echo' }, 1],
      [{ kind: 'fetch', keeper, sealed }, 1 + NODE_ID_BYTES + SEALED_REQUEST_BYTES],
    ] as const) {
      const tails = [1, 2].map(() => encodeRequest(rng, request).subarray(end))
      expect(toHex(tails[0] as Uint8Array)).not.toBe(toHex(tails[1] as Uint8Array))
      for (const tail of tails) {
        // Each bit is set about half the time: a constant or a counter is not.
        const bits = tail.reduce(
          (sum, byte) => sum + byte.toString(2).replaceAll('0', '').length,
          0,
        )
        expect(Math.abs(bits / (8 * tail.length) - 0.5)).toBeLessThan(0.03)
      }
    }
  })

  it('of another length is a fault of ours', () => {
    for (const length of [0, REQUEST_BODY_BYTES - 1, REQUEST_BODY_BYTES + 1]) {
      expect(errorCode(() => decodeRequest(new Uint8Array(length)))).toBe('bad-length')
    }
  })
})

describe('a reply', () => {
  const { plaintextBytes } = geometry

  it('has one length, with an answer and without', () => {
    fc.assert(
      fc.property(fc.option(bytes(SEALED_ANSWER_BYTES), { nil: undefined }), (answer) => {
        const reply = encodeReply(rng, plaintextBytes, answer)
        expect(reply.length).toBe(plaintextBytes)
        expect(decodeReply(reply)).toEqual(answer)
      }),
      { numRuns: 100 },
    )
  })

  it('of any bytes is an answer of the right length or none', () => {
    fc.assert(
      fc.property(bytes(plaintextBytes), fc.nat(255), (reply, first) => {
        reply[0] = first
        expect(decodeReply(reply)?.length).toBe(first === 1 ? SEALED_ANSWER_BYTES : undefined)
      }),
      { numRuns: 100 },
    )
  })

  it('fits every network', () => {
    for (const each of geometries) {
      expect(each.plaintextBytes).toBeGreaterThan(1 + SEALED_ANSWER_BYTES)
      expect(frameBytes(each)).toBeGreaterThan(1 + ASK_REF_BYTES + SEALED_ANSWER_BYTES)
      expect(frameBytes(each)).toBeGreaterThan(1 + SURB_ID_BYTES + each.payloadBytes)
    }
  })
})
