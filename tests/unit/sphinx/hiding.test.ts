import { describe, expect, it } from 'vitest'
import { asNodeId } from '../../../src/base/index.ts'
import { createSurb, sphinxGeometry, useSurb, wrapPacket } from '../../../src/sphinx/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { sphinxRoute, travel } from '../../support/sphinx-route.ts'
import { refUnwrap, refX25519 } from '../../vectors/sphinx/reference.ts'

const HOPS = 4
const PACKETS = 400
const rng = seededRng('hiding')
const geometry = sphinxGeometry({ suite: 'x25519', hops: HOPS, bodyBytes: 40 })
const sizes = { kem: refX25519, hops: HOPS, bodyBytes: 40 }
const { seeds, keys, route } = sphinxRoute(rng, 'x25519', HOPS)
const recipient = asNodeId(rng.bytes(32))
const plaintext = new Uint8Array(geometry.plaintextBytes)

/** The same request, or reply, over the same route, many times: only what is random may differ. */
const packets = {
  requests: Array.from({ length: PACKETS }, () => wrapPacket(rng, geometry, route, plaintext)),
  replies: Array.from({ length: PACKETS }, () => {
    const surb = createSurb(rng, geometry, route, recipient)
    return useSurb(geometry, surb.bytes, plaintext).packet
  }),
}

/** The routing block in clear, as the mix at `hop` sees it. */
function openedAt(packet: Uint8Array, hop: number): Uint8Array {
  const before = travel(geometry, keys.slice(0, hop), packet).at(-1)
  const current = before?.kind === 'forward' ? before.packet : packet
  return refUnwrap(sizes, seeds[hop] as Uint8Array, current)?.opened as Uint8Array
}

/** The largest distance of any bit's count of ones from one half, in standard deviations. */
function mostBiasedBit(samples: readonly Uint8Array[]): number {
  const length = samples[0]?.length ?? 0
  let most = 0
  for (let bit = 0; bit < length * 8; bit++) {
    let ones = 0
    for (const sample of samples) ones += ((sample[bit >> 3] as number) >> (bit & 7)) & 1
    most = Math.max(most, Math.abs(ones - samples.length / 2) / (Math.sqrt(samples.length) / 2))
  }
  return most
}

// 10,000 bits: 6 deviations come by chance once in 50,000 runs, and the seed is fixed.
const DEVIATIONS = 6

describe.each(Object.entries(packets))('%s', (_, all) => {
  it('have no constant bit in block, MAC or payload, at any hop', () => {
    let current: readonly Uint8Array[] = all
    for (const key of keys) {
      // X25519 leaves bit 255 of a share zero: of every share, at every hop.
      expect(mostBiasedBit(current.map((packet) => packet.subarray(2 + 32)))).toBeLessThan(
        DEVIATIONS,
      )
      expect(mostBiasedBit(current.map((packet) => packet.subarray(2, 2 + 31)))).toBeLessThan(
        DEVIATIONS,
      )
      current = current.flatMap((packet) => {
        const [step] = travel(geometry, [key], packet)
        return step?.kind === 'forward' ? [step.packet] : []
      })
    }
    expect(current).toHaveLength(0)
  })

  it('show their last mix nothing behind the command but noise', () => {
    // A format that leaves the rest of the block empty shows here how long the route was.
    const tails = all.slice(0, 100).map((packet) => openedAt(packet, HOPS - 1).subarray(53))
    expect(tails[0]).toHaveLength(geometry.blockBytes + geometry.slotBytes - 53)
    expect(mostBiasedBit(tails)).toBeLessThan(DEVIATIONS)
  })
})

describe('commands', () => {
  it('fill the fields they do not use with noise', () => {
    const opened = (all: readonly Uint8Array[], hop: number) =>
      all.slice(0, 50).map((packet) => openedAt(packet, hop))
    // kind 1 | node id 32 | delay 4 | SURB id 16.
    const surbIds = (bytes: Uint8Array) => bytes.subarray(37, 53)
    expect(mostBiasedBit(opened(packets.requests, 0).map(surbIds))).toBeLessThan(DEVIATIONS)
    const last = opened(packets.requests, HOPS - 1)
    expect(mostBiasedBit(last.map(surbIds))).toBeLessThan(DEVIATIONS)
    expect(mostBiasedBit(last.map((bytes) => bytes.subarray(1, 33)))).toBeLessThan(DEVIATIONS)
  })
})
