import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { asNodeId, toHex } from '../../src/base/index.ts'
import {
  createSurb,
  type Geometry,
  MAX_DELAY_MS,
  type MixSuite,
  openReply,
  sphinxGeometry,
  unwrapPacket,
  useSurb,
  wrapPacket,
} from '../../src/sphinx/index.ts'
import { REFUSED, reencoded } from '../support/outcome.ts'
import { seededRng } from '../support/seeded-rng.ts'
import { flipped, sphinxRoute, type TestRoute, travel } from '../support/sphinx-route.ts'

const seedOf = fc.nat()
const suiteOf = fc.constantFrom<MixSuite>('x25519', 'x25519', 'x25519', 'x-wing')
const optionsOf = fc.record({
  suite: suiteOf,
  hops: fc.integer({ min: 1, max: 7 }),
  bodyBytes: fc.integer({ min: 1, max: 3000 }),
})

/** A geometry with a route of random delays and a random plaintext, all from `seed`. */
function network(options: { suite: MixSuite; hops: number; bodyBytes: number }, seed: number) {
  const rng = seededRng(seed)
  const geometry = sphinxGeometry(options)
  const { keys, route } = sphinxRoute(rng, options.suite, options.hops)
  const delayed = route.map((hop) => {
    const [a = 0, b = 0, c = 0] = rng.bytes(3)
    return { ...hop, delayMs: ((a << 16) | (b << 8) | c) % (MAX_DELAY_MS + 1) }
  })
  return { rng, geometry, keys, route: delayed, text: rng.bytes(geometry.plaintextBytes) }
}

function arrived(geometry: Geometry, keys: TestRoute['keys'], packet: Uint8Array) {
  const seen = travel(geometry, keys, packet)
  return { seen, last: seen.at(-1) }
}

describe('packets of any geometry', () => {
  it('arrive as they were sent, by the route and with the delays of the sender', () => {
    fc.assert(
      fc.property(optionsOf, seedOf, (options, seed) => {
        const { rng, geometry, keys, route, text } = network(options, seed)
        const packet = wrapPacket(rng, geometry, route, text)
        expect(packet.length).toBe(geometry.packetBytes)
        const { seen, last } = arrived(geometry, keys, packet)
        expect(seen.map(({ delayMs }) => delayMs)).toEqual(route.map(({ delayMs }) => delayMs))
        expect(last?.kind === 'arrive' && last.plaintext && toHex(last.plaintext)).toBe(toHex(text))
      }),
      { numRuns: 60 },
    )
  })

  it('come back as they were answered', () => {
    fc.assert(
      fc.property(optionsOf, seedOf, (options, seed) => {
        const { rng, geometry, keys, route, text } = network(options, seed)
        const surb = createSurb(rng, geometry, route, asNodeId(rng.bytes(32)))
        const { last } = arrived(geometry, keys, useSurb(geometry, surb.bytes, text).packet)
        if (last?.kind !== 'reply') throw new Error('no reply')
        expect(toHex(last.surbId)).toBe(toHex(surb.id))
        const opened = openReply(geometry, surb.keys, last.payload)
        expect(opened && toHex(opened)).toBe(toHex(text))
      }),
      { numRuns: 60 },
    )
  })

  it('are dropped after one changed bit in the header, and refused at the end after one in the payload', () => {
    fc.assert(
      fc.property(optionsOf, seedOf, fc.nat(), fc.nat(), (options, seed, hop, where) => {
        const { rng, geometry, keys, route, text } = network(options, seed)
        let packet: Uint8Array = wrapPacket(rng, geometry, route, text)
        const rest = keys.slice(hop % options.hops)
        const before = travel(geometry, keys.slice(0, hop % options.hops), packet).at(-1)
        if (before?.kind === 'forward') packet = before.packet
        const bit = where % (packet.length * 8)
        const { seen, last } = arrived(geometry, rest, flipped(packet, bit))
        // Dropped at once, or carried to the end and refused there.
        const inHeader = bit < geometry.headerBytes * 8
        expect(seen).toHaveLength(inHeader ? 0 : rest.length)
        expect(last?.kind).toBe(inHeader ? undefined : 'arrive')
        expect(last?.kind === 'arrive' ? last.plaintext : undefined).toBeUndefined()
      }),
      { numRuns: 150 },
    )
  })
})

describe('bytes that nobody wrapped', () => {
  const near = (valid: Uint8Array): fc.Arbitrary<Uint8Array> =>
    fc.oneof(
      fc.nat(valid.length - 1).map((length) => valid.slice(0, length)),
      fc
        .uint8Array({ minLength: 1, maxLength: 9 })
        .map((tail) => new Uint8Array([...valid, ...tail])),
      fc.uint8Array({ minLength: valid.length, maxLength: valid.length }),
      fc
        .uint8Array({ minLength: valid.length - 2, maxLength: valid.length - 2 })
        .map((tail) => new Uint8Array([...valid.subarray(0, 2), ...tail])),
      fc.uint8Array({ maxLength: 300 }),
    )

  for (const suite of ['x25519', 'x-wing'] as const) {
    const { rng, geometry, keys, route, text } = network({ suite, hops: 2, bodyBytes: 20 }, 1)
    const packet = wrapPacket(rng, geometry, route, text)
    const surb = createSurb(rng, geometry, route, asNodeId(rng.bytes(32)))

    it(`are no packet with ${suite} shares, and unwrapping never throws`, () => {
      fc.assert(
        fc.property(near(packet), (bytes) => {
          expect(unwrapPacket(geometry, keys[0] as (typeof keys)[0], bytes)).toBeUndefined()
        }),
        { numRuns: 300 },
      )
    })

    it(`are no reply with ${suite} shares`, () => {
      fc.assert(
        fc.property(near(packet.subarray(geometry.headerBytes)), (bytes) => {
          expect(openReply(geometry, surb.keys, bytes)).toBeUndefined()
        }),
        { numRuns: 100 },
      )
    })

    it(`are refused as a reply block with ${suite} shares, or used byte for byte`, () => {
      fc.assert(
        fc.property(near(surb.bytes), (bytes) => {
          const outcome = reencoded(
            bytes,
            (given) => useSurb(geometry, given, text),
            ({ firstHop, packet: made }) =>
              new Uint8Array([
                ...firstHop,
                ...made.subarray(0, geometry.headerBytes),
                ...bytes.subarray(-32),
              ]),
          )
          expect([REFUSED, toHex(bytes)]).toContain(outcome)
        }),
        { numRuns: 100 },
      )
    })
  }
})
