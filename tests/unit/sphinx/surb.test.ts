import { describe, expect, it } from 'vitest'
import { asNodeId, toHex } from '../../../src/base/index.ts'
import { wipe } from '../../../src/crypto/index.ts'
import {
  createSurb,
  type Geometry,
  openReply,
  sphinxGeometry,
  type Unwrapped,
  useSurb,
  wrapPacket,
} from '../../../src/sphinx/index.ts'
import { errorCode } from '../../support/outcome.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { flipped, sphinxRoute, travel } from '../../support/sphinx-route.ts'

const rng = seededRng('surb')

function setUp(suite: 'x25519' | 'x-wing', hops: number) {
  const geometry = sphinxGeometry({ suite, hops, bodyBytes: 100 })
  const { keys, route } = sphinxRoute(rng, suite, hops)
  const recipient = asNodeId(rng.bytes(32))
  const surb = createSurb(rng, geometry, route, recipient)
  const text = rng.bytes(geometry.plaintextBytes)
  return { geometry, keys, route, recipient, surb, text }
}

function replyOf(seen: readonly Unwrapped[]) {
  const last = seen.at(-1)
  if (last?.kind !== 'reply') throw new Error('no reply')
  return last
}

const opened = (geometry: Geometry, keys: Parameters<typeof openReply>[1], payload: Uint8Array) => {
  const text = openReply(geometry, keys, payload)
  return text && toHex(text)
}

describe.each(['x25519', 'x-wing'] as const)('a reply block with %s shares', (suite) => {
  it('brings a reply back over every number of hops, with the delays of its maker', () => {
    for (const hops of suite === 'x25519' ? [1, 2, 3, 4, 5, 6, 10] : [1, 3]) {
      const { geometry, keys, route, recipient, surb, text } = setUp(suite, hops)
      expect(surb.bytes.length).toBe(geometry.surbBytes)
      const { firstHop, packet } = useSurb(geometry, surb.bytes, text)
      expect(toHex(firstHop)).toBe(toHex(route[0]?.nodeId as Uint8Array))
      const seen = travel(geometry, keys, packet)
      expect(seen.map(({ delayMs }) => delayMs)).toEqual(route.map(({ delayMs }) => delayMs))
      const last = replyOf(seen)
      expect([toHex(last.recipient), toHex(last.surbId)]).toEqual([
        toHex(recipient),
        toHex(surb.id),
      ])
      expect(opened(geometry, surb.keys, last.payload)).toBe(toHex(text))
    }
  })
})

describe('a reply block', () => {
  it('used twice gives the same replay tags at every mix, so that the second reply dies at the first', () => {
    const { geometry, keys, surb, text } = setUp('x25519', 4)
    const tags = [text, rng.bytes(geometry.plaintextBytes)].map((reply) =>
      travel(geometry, keys, useSurb(geometry, surb.bytes, reply).packet).map(({ replayTag }) =>
        toHex(replayTag),
      ),
    )
    expect(tags[0]).toHaveLength(4)
    expect(tags[1]).toEqual(tags[0])
    expect(new Set(tags[0]).size).toBe(4)
  })

  it('gives nothing to its maker when the payload was touched anywhere', () => {
    const { geometry, keys, surb, text } = setUp('x25519', 2)
    const { payload } = replyOf(travel(geometry, keys, useSurb(geometry, surb.bytes, text).packet))
    for (let byte = 0; byte < payload.length; byte += 7) {
      const touched = flipped(payload, byte * 8 + (byte % 8))
      expect(openReply(geometry, surb.keys, touched)).toBeUndefined()
    }
    expect(openReply(geometry, surb.keys, payload.subarray(1))).toBeUndefined()
    expect(openReply(geometry, surb.keys, new Uint8Array([...payload, 0]))).toBeUndefined()
    expect(opened(geometry, surb.keys, payload)).toBe(toHex(text))
  })

  it('is opened with its own keys only, and not after they were erased', () => {
    const { geometry, keys, route, recipient, surb, text } = setUp('x25519', 2)
    const { payload } = replyOf(travel(geometry, keys, useSurb(geometry, surb.bytes, text).packet))
    const other = createSurb(rng, geometry, route, recipient)
    expect(openReply(geometry, other.keys, payload)).toBeUndefined()
    const before = toHex(payload)
    expect(opened(geometry, surb.keys, Buffer.from(payload))).toBe(toHex(text))
    expect(toHex(payload)).toBe(before)
    wipe(surb.keys)
    expect(openReply(geometry, surb.keys, payload)).toBeUndefined()
    const short = surb.keys.subarray(32) as typeof surb.keys
    expect(errorCode(() => openReply(geometry, short, payload))).toBe('bad-length')
  })

  it('leads nowhere when its header was touched', () => {
    const { geometry, keys, surb, text } = setUp('x25519', 2)
    const touched = flipped(surb.bytes, (32 + 40) * 8)
    expect(travel(geometry, keys, useSurb(geometry, touched, text).packet)).toEqual([])
  })

  it('with a touched payload key gives a reply that its maker refuses', () => {
    const { geometry, keys, surb, text } = setUp('x25519', 2)
    const touched = flipped(surb.bytes, surb.bytes.length * 8 - 1)
    const last = replyOf(travel(geometry, keys, useSurb(geometry, touched, text).packet))
    expect(openReply(geometry, surb.keys, last.payload)).toBeUndefined()
  })

  it('of another length, version or suite is refused by the courier', () => {
    const { geometry, surb, text } = setUp('x25519', 3)
    const code = (bytes: Uint8Array, plaintext = text) =>
      errorCode(() => useSurb(geometry, bytes, plaintext))
    expect(code(surb.bytes)).toBe('none')
    expect(code(surb.bytes.subarray(1))).toBe('bad-length')
    expect(code(new Uint8Array([...surb.bytes, 0]))).toBe('bad-length')
    expect(code(surb.bytes, text.subarray(1))).toBe('bad-length')
    expect(code(flipped(surb.bytes, 32 * 8))).toBe('bad-version')
    expect(code(flipped(surb.bytes, 33 * 8))).toBe('bad-version')
  })

  it('shows its courier the first hop and nothing else of the route or its maker', () => {
    const { surb, route, recipient, keys } = setUp('x25519', 5)
    const text = toHex(surb.bytes)
    expect(text.startsWith(toHex(route[0]?.nodeId as Uint8Array))).toBe(true)
    const hidden = [recipient, surb.id, ...route.slice(1).map(({ nodeId }) => nodeId)]
    hidden.push(...keys.map(({ publicKey }) => publicKey))
    for (const value of hidden) expect(text).not.toContain(toHex(value))
  })

  it('is made for a node id of 32 bytes and all hops', () => {
    const { geometry, route, recipient } = setUp('x25519', 3)
    const short = recipient.subarray(1) as typeof recipient
    expect(errorCode(() => createSurb(rng, geometry, route, short))).toBe('bad-length')
    const code = errorCode(() => createSurb(rng, geometry, route.slice(1), recipient))
    expect(code).toBe('bad-length')
  })
})

describe('requests and replies', () => {
  it('look alike to every mix but the last', () => {
    const { geometry, keys, route, surb, text } = setUp('x25519', 4)
    const request = wrapPacket(rng, geometry, route, text)
    const reply = useSurb(geometry, surb.bytes, text).packet
    expect(reply.length).toBe(request.length)
    expect([...reply.subarray(0, 2)]).toEqual([...request.subarray(0, 2)])
    const [there, back] = [request, reply].map((packet) => travel(geometry, keys, packet))
    for (let hop = 0; hop < 3; hop++) {
      const [a, b] = [there?.[hop], back?.[hop]]
      expect(Object.keys(a ?? {})).toEqual(Object.keys(b ?? {}))
      if (a?.kind !== 'forward' || b?.kind !== 'forward') throw new Error('lost its way')
      expect([toHex(a.next), a.delayMs]).toEqual([toHex(b.next), b.delayMs])
      expect(a.packet.length).toBe(b.packet.length)
    }
    expect([there?.[3]?.kind, back?.[3]?.kind]).toEqual(['arrive', 'reply'])
  })
})
