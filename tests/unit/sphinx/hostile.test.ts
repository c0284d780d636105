import { describe, expect, it } from 'vitest'
import { asNodeId, fromHex, toHex } from '../../../src/base/index.ts'
import {
  createSurb,
  MAX_DELAY_MS,
  mixKeyPair,
  openReply,
  sphinxGeometry,
  unwrapPacket,
  wrapPacket,
} from '../../../src/sphinx/index.ts'
import { decodeCommand } from '../../../src/sphinx/command.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { flipped, sphinxRoute, travel } from '../../support/sphinx-route.ts'
import { type RefKem, refUseSurb, refWrap, refX25519 } from '../../vectors/sphinx/reference.ts'

const rng = seededRng('hostile packets')
const geometry = sphinxGeometry({ suite: 'x25519', hops: 3, bodyBytes: 60 })
const sizes = { kem: refX25519, hops: 3, bodyBytes: 60 }
const { keys, route } = sphinxRoute(rng, 'x25519', 3)
const [key] = keys as [(typeof keys)[0] & object]
const plaintext = rng.bytes(geometry.plaintextBytes)
const packet = wrapPacket(rng, geometry, route, plaintext)

describe('a mix', () => {
  it('drops a packet with any bit of its header changed', () => {
    for (let bit = 0; bit < geometry.headerBytes * 8; bit++) {
      expect(unwrapPacket(geometry, key, flipped(packet, bit))).toBeUndefined()
    }
  })

  it('drops packets of another length, among them none at all', () => {
    for (const length of [0, 1, 2, 34, geometry.headerBytes, geometry.packetBytes - 1]) {
      expect(unwrapPacket(geometry, key, packet.subarray(0, length))).toBeUndefined()
    }
    expect(unwrapPacket(geometry, key, new Uint8Array([...packet, 0]))).toBeUndefined()
  })

  it('drops what was made for another geometry of the same length', () => {
    // A slot more in the header and in the SURB, as much less in the body.
    const bodyBytes = 60 + 2 * geometry.slotBytes
    const other = sphinxGeometry({ suite: 'x25519', hops: 2, bodyBytes })
    expect(other.packetBytes).toBe(geometry.packetBytes)
    expect(unwrapPacket(other, key, packet)).toBeUndefined()
    const text = new Uint8Array(other.plaintextBytes)
    const made = wrapPacket(rng, other, route.slice(0, 2), text)
    expect(unwrapPacket(other, key, made)?.kind).toBe('forward')
    expect(unwrapPacket(geometry, key, made)).toBeUndefined()
  })

  it('does not care about the payload: a touched one takes the same way and is refused at its end', () => {
    const honest = travel(geometry, keys, packet)
    for (let byte = geometry.headerBytes; byte < geometry.packetBytes; byte += 5) {
      const seen = travel(geometry, keys, flipped(packet, byte * 8 + (byte % 8)))
      const way = seen.map(({ kind, delayMs, replayTag }) => [kind, delayMs, toHex(replayTag)])
      expect(way).toEqual(
        honest.map(({ kind, delayMs, replayTag }) => [kind, delayMs, toHex(replayTag)]),
      )
      const last = seen.at(-1)
      expect(last?.kind === 'arrive' && last.plaintext).toBeUndefined()
    }
  })

  it('that damages the payload in the middle of the way gains no more', () => {
    const [first] = travel(geometry, keys, packet)
    if (first?.kind !== 'forward') throw new Error('lost its way')
    const seen = travel(
      geometry,
      keys.slice(1),
      flipped(first.packet, geometry.packetBytes * 8 - 1),
    )
    expect(seen.at(-1)).toMatchObject({ kind: 'arrive', plaintext: undefined })
  })

  it('finds the same replay tag in the same packet, and another at every hop and in every packet', () => {
    const tags = (bytes: Uint8Array) =>
      travel(geometry, keys, bytes).map(({ replayTag }) => toHex(replayTag))
    expect(tags(packet)).toEqual(tags(packet))
    const all = [packet, ...Array.from({ length: 9 }, () => refWrap(rng, sizes, route, plaintext))]
    expect(new Set(all.flatMap(tags)).size).toBe(30)
    expect(tags(packet)[0]).toHaveLength(32)
  })
})

describe('commands of a hostile sender', () => {
  /** A packet whose first hop is told `edit` of an honest command. */
  const told = (edit: (command: Uint8Array) => void) =>
    refWrap(rng, sizes, route, plaintext, (command, hop) => {
      const out = new Uint8Array(command)
      if (hop === 0) edit(out)
      return out
    })

  it('are obeyed when they are well-formed, so the cases below fail for their reason', () => {
    expect(
      unwrapPacket(
        geometry,
        key,
        told(() => {}),
      )?.kind,
    ).toBe('forward')
    const last = (kind: number) =>
      unwrapPacket(
        geometry,
        key,
        told((command) => (command[0] = kind)),
      )?.kind
    expect([last(2), last(3)]).toEqual(['arrive', 'reply'])
  })

  it('of every unknown kind lead to nothing', () => {
    const known = Array.from({ length: 256 }, (_, kind) => kind).filter(
      (kind) => decodeCommand(new Uint8Array(53).fill(kind, 0, 1)) !== undefined,
    )
    expect(known).toEqual([1, 2, 3])
    for (const kind of [0, 4, 128, 255]) {
      const made = told((command) => (command[0] = kind))
      expect(unwrapPacket(geometry, key, made)).toBeUndefined()
    }
  })

  it('with a delay above the longest lead to nothing, for every kind', () => {
    const delayed = (kind: number, delayMs: number) =>
      unwrapPacket(
        geometry,
        key,
        told((command) => {
          command[0] = kind
          new DataView(command.buffer).setUint32(33, delayMs)
        }),
      )
    for (const kind of [1, 2, 3]) {
      expect(delayed(kind, MAX_DELAY_MS)?.delayMs).toBe(MAX_DELAY_MS)
      expect(delayed(kind, MAX_DELAY_MS + 1)).toBeUndefined()
      expect(delayed(kind, 0xffff_ffff)).toBeUndefined()
    }
  })
})

describe('the zero tag', () => {
  const one = sphinxGeometry({ suite: 'x25519', hops: 1, bodyBytes: 10 })
  const short = { kem: refX25519, hops: 1, bodyBytes: 10 }
  const text = rng.bytes(one.plaintextBytes)
  const near = [0, ...Array.from({ length: 32 }, (_, byte) => byte * 8 + (byte % 8))]

  it('is checked in full when a request arrives', () => {
    for (const [i, bit] of near.entries()) {
      const tag = i === 0 ? new Uint8Array(32) : flipped(new Uint8Array(32), bit)
      const made = refWrap(rng, short, route.slice(0, 1), text, undefined, tag)
      const unwrapped = unwrapPacket(one, key, made)
      const opened = unwrapped?.kind === 'arrive' ? unwrapped.plaintext : text
      expect(opened && toHex(opened)).toBe(i === 0 ? toHex(text) : undefined)
    }
  })

  it('is checked in full when a reply is opened', () => {
    const surb = createSurb(rng, one, route.slice(0, 1), asNodeId(rng.bytes(32)))
    for (const [i, bit] of near.entries()) {
      const tag = i === 0 ? new Uint8Array(32) : flipped(new Uint8Array(32), bit)
      const unwrapped = unwrapPacket(one, key, refUseSurb(surb.bytes, text, tag))
      if (unwrapped?.kind !== 'reply') throw new Error('no reply')
      const opened = openReply(one, surb.keys, unwrapped.payload)
      expect(opened && toHex(opened)).toBe(i === 0 ? toHex(text) : undefined)
    }
  })
})

describe('shares of a hostile sender', () => {
  it('that make the secret zero are refused even with a right MAC', () => {
    const points = [
      '00'.repeat(32),
      `01${'00'.repeat(31)}`,
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
      `ec${'ff'.repeat(30)}7f`,
      `ed${'ff'.repeat(30)}7f`,
      `ee${'ff'.repeat(30)}7f`,
    ]
    for (const point of points) {
      const zero: RefKem = {
        ...refX25519,
        encapsulate: () => [fromHex(point), new Uint8Array(32)],
      }
      const made = refWrap(rng, { ...sizes, kem: zero }, route, plaintext)
      expect(unwrapPacket(geometry, key, made)).toBeUndefined()
    }
  })

  it('in another encoding of the same point are another packet, with another replay tag', () => {
    // X25519 ignores bit 255, so the secret is the same; who knows it can make both MACs.
    const tagWith = (high: number) => {
      const seeded = seededRng('same secret')
      const kem: RefKem = {
        ...refX25519,
        encapsulate: (fresh, publicKey) => {
          const [share, secret] = refX25519.encapsulate(fresh, publicKey)
          const other = new Uint8Array(share)
          other[31] = (other[31] as number) | high
          return [other, secret]
        },
      }
      const made = refWrap(seeded, { ...sizes, kem }, route, plaintext)
      return toHex(unwrapPacket(geometry, key, made)?.replayTag as Uint8Array)
    }
    expect(tagWith(0x80)).not.toBe(tagWith(0))
  })

  it('are bound to the mix key: another key gives another secret and other tags', () => {
    const other = mixKeyPair('x25519', rng.bytes(32))
    expect(unwrapPacket(geometry, other, packet)).toBeUndefined()
  })
})
