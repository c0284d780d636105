import { describe, expect, it } from 'vitest'
import { toHex } from '../../../src/base/index.ts'
import {
  MAX_DELAY_MS,
  mixKeyPair,
  sphinxGeometry,
  unwrapPacket,
  wrapPacket,
} from '../../../src/sphinx/index.ts'
import { errorCode } from '../../support/outcome.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { sphinxRoute, travel } from '../../support/sphinx-route.ts'

const rng = seededRng('packet')

describe.each(['x25519', 'x-wing'] as const)('a packet with %s shares', (suite) => {
  it('carries its plaintext over every number of hops, each of which learns its own step', () => {
    for (const hops of suite === 'x25519' ? [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] : [1, 2, 5]) {
      const geometry = sphinxGeometry({ suite, hops, bodyBytes: 200 })
      const { keys, route } = sphinxRoute(rng, suite, hops)
      const plaintext = rng.bytes(geometry.plaintextBytes)
      const seen = travel(geometry, keys, wrapPacket(rng, geometry, route, plaintext))
      expect(seen.map(({ kind }) => kind)).toEqual([
        ...Array.from({ length: hops - 1 }, () => 'forward'),
        'arrive',
      ])
      for (const [i, step] of seen.entries()) {
        expect(step.delayMs).toBe(route[i]?.delayMs)
        if (step.kind !== 'forward') continue
        expect(toHex(step.next)).toBe(toHex(route[i + 1]?.nodeId as Uint8Array))
        expect(step.packet.length).toBe(geometry.packetBytes)
      }
      const last = seen.at(-1)
      expect(last?.kind === 'arrive' && last.plaintext && toHex(last.plaintext)).toBe(
        toHex(plaintext),
      )
    }
  })

  it('is opened by nobody whose turn it is not', () => {
    const geometry = sphinxGeometry({ suite, hops: 3, bodyBytes: 50 })
    const { keys, route } = sphinxRoute(rng, suite, 3)
    const packet = wrapPacket(rng, geometry, route, new Uint8Array(geometry.plaintextBytes))
    const opens = keys.map((key) => unwrapPacket(geometry, key, packet) !== undefined)
    expect(opens).toEqual([true, false, false])
  })

  it('is opened by no key that was wiped', () => {
    const geometry = sphinxGeometry({ suite, hops: 1, bodyBytes: 50 })
    const { keys, route } = sphinxRoute(rng, suite, 1)
    const packet = wrapPacket(rng, geometry, route, new Uint8Array(geometry.plaintextBytes))
    expect(travel(geometry, keys, packet)).toHaveLength(1)
    keys[0]?.wipe()
    expect(travel(geometry, keys, packet)).toHaveLength(0)
  })

  it('is left as it is by unwrapping, and shares no bytes with what comes out', () => {
    const geometry = sphinxGeometry({ suite, hops: 2, bodyBytes: 50 })
    const { keys, route } = sphinxRoute(rng, suite, 2)
    // A Buffer, whose slice does not copy.
    const packet = Buffer.from(wrapPacket(rng, geometry, route, rng.bytes(geometry.plaintextBytes)))
    const before = toHex(packet)
    const [first, last] = travel(geometry, keys, packet)
    expect(toHex(packet)).toBe(before)
    if (first?.kind !== 'forward' || last?.kind !== 'arrive') throw new Error('lost its way')
    const state = () => [first.replayTag, first.next, first.packet, last.plaintext].map(String)
    const kept = state()
    packet.fill(0)
    travel(geometry, keys, wrapPacket(rng, geometry, route, rng.bytes(geometry.plaintextBytes)))
    expect(state()).toEqual(kept)
  })

  it('is not opened by a mix of another suite, which does not throw either', () => {
    const other = suite === 'x25519' ? 'x-wing' : 'x25519'
    const geometry = sphinxGeometry({ suite, hops: 1, bodyBytes: 50 })
    const { route } = sphinxRoute(rng, suite, 1)
    const packet = wrapPacket(rng, geometry, route, new Uint8Array(geometry.plaintextBytes))
    const key = mixKeyPair(other, rng.bytes(32))
    expect(unwrapPacket(geometry, key, packet)).toBeUndefined()
  })
})

describe('wrapping', () => {
  const geometry = sphinxGeometry({ suite: 'x25519', hops: 3, bodyBytes: 100 })
  const { keys, route } = sphinxRoute(rng, 'x25519', 3)
  const plaintext = rng.bytes(geometry.plaintextBytes)

  it('gives unrelated bytes for the same plaintext on the same route', () => {
    const [a, b] = [0, 1].map(() => wrapPacket(rng, geometry, route, plaintext))
    let same = 0
    for (let i = 2; i < geometry.packetBytes; i++) if (a?.[i] === b?.[i]) same++
    // By chance one in 256: about 4 of 1100.
    expect(same).toBeLessThan(30)
  })

  it('allows the same mix more than once on a route', () => {
    const [first] = keys
    const again = route.map((hop) => ({ ...hop, publicKey: first?.publicKey as Uint8Array }))
    const packet = wrapPacket(rng, geometry, again, plaintext)
    const seen = travel(geometry, [first, first, first] as typeof keys, packet)
    expect(seen.map(({ kind }) => kind)).toEqual(['forward', 'forward', 'arrive'])
  })

  it('refuses a plaintext, route or key of another length', () => {
    const code = (hops: typeof route, text: Uint8Array) =>
      errorCode(() => wrapPacket(rng, geometry, hops, text))
    expect(code(route, plaintext.subarray(1))).toBe('bad-length')
    expect(code(route, new Uint8Array([...plaintext, 0]))).toBe('bad-length')
    expect(code(route.slice(1), plaintext)).toBe('bad-length')
    expect(code([...route, ...route], plaintext)).toBe('bad-length')
    const short = route.map((hop) => ({ ...hop, publicKey: hop.publicKey.subarray(1) }))
    expect(code(short, plaintext)).toBe('bad-length')
    const cut = route.map((hop) => ({
      ...hop,
      nodeId: hop.nodeId.subarray(1) as typeof hop.nodeId,
    }))
    expect(code(cut, plaintext)).toBe('bad-length')
  })

  it('refuses mix keys of small order and delays beyond the longest', () => {
    const code = (change: object) =>
      errorCode(() =>
        wrapPacket(
          rng,
          geometry,
          route.map((hop) => ({ ...hop, ...change })),
          plaintext,
        ),
      )
    expect(code({ publicKey: new Uint8Array(32) })).toBe('bad-key')
    for (const delayMs of [-1, 0.5, Number.NaN, MAX_DELAY_MS + 1]) {
      expect(code({ delayMs })).toBe('bad-value')
    }
    expect(code({ delayMs: MAX_DELAY_MS })).toBe('none')
  })
})
