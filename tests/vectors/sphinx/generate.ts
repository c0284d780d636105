import { writeFileSync } from 'node:fs'
import { asNodeId, toHex } from '../../../src/base/index.ts'
import { lionessEncryptInto } from '../../../src/crypto/index.ts'
import {
  createSurb,
  mixKeyPair,
  sphinxGeometry,
  unwrapPacket,
  useSurb,
  wrapPacket,
} from '../../../src/sphinx/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { sphinxRoute } from '../../support/sphinx-route.ts'
import { refWrap, refXWing } from './reference.ts'

/**
 * All vectors of the packet format, from fixed seeds. They are committed; a test makes them again and compares.
 * `node tests/vectors/sphinx/generate.ts` writes them. Packets of X-Wing are the reference's: OpenSSL's
 * encapsulation cannot be repeated.
 */
export function generate(): Record<string, unknown> {
  return {
    'geometry.json': geometries(),
    'lioness.json': lionessBlocks(),
    'x25519.json': [1, 2, 5].map((hops) => exchange(hops)),
    'x-wing.json': quantumPacket(),
  }
}

function geometries() {
  return (['x25519', 'x-wing'] as const).flatMap((suite) =>
    [1, 3, 4, 5, 6, 10].map((hops) => {
      const { id, ...lengths } = sphinxGeometry({ suite, hops, bodyBytes: 2049 })
      return { ...lengths, id: toHex(id) }
    }),
  )
}

function lionessBlocks() {
  const rng = seededRng('lioness vectors')
  return [33, 64, 65, 300].map((length) => {
    const [key, block] = [rng.bytes(176), rng.bytes(length)]
    const sealed = new Uint8Array(length)
    lionessEncryptInto(sealed, key, block)
    return { key: toHex(key), block: toHex(block), sealed: toHex(sealed) }
  })
}

/** A request and its reply over the same mixes, with everything that each of them learns. */
function exchange(hops: number) {
  const rng = seededRng(`x25519 ${hops}`)
  const geometry = sphinxGeometry({ suite: 'x25519', hops, bodyBytes: 40 })
  const { seeds, keys, route } = sphinxRoute(rng, 'x25519', hops)
  const recipient = asNodeId(rng.bytes(32))
  const [request, reply] = [rng.bytes(geometry.plaintextBytes), rng.bytes(geometry.plaintextBytes)]
  const packet = wrapPacket(rng, geometry, route, request)
  const surb = createSurb(rng, geometry, route, recipient)
  const used = useSurb(geometry, surb.bytes, reply)
  const journey = (first: Uint8Array) => {
    let current = first
    return keys.map((key) => {
      const unwrapped = unwrapPacket(geometry, key, current)
      if (unwrapped?.kind === 'forward') current = unwrapped.packet
      return Object.fromEntries(
        Object.entries(unwrapped ?? {}).map(([name, value]) => [
          name,
          value instanceof Uint8Array ? toHex(value) : value,
        ]),
      )
    })
  }
  return {
    hops,
    bodyBytes: 40,
    mixes: route.map(({ nodeId, publicKey, delayMs }, i) => ({
      seed: toHex(seeds[i] as Uint8Array),
      nodeId: toHex(nodeId),
      publicKey: toHex(publicKey),
      delayMs,
    })),
    recipient: toHex(recipient),
    request: toHex(request),
    reply: toHex(reply),
    packet: toHex(packet),
    packetHops: journey(packet),
    surb: toHex(surb.bytes),
    surbId: toHex(surb.id),
    surbKeys: toHex(surb.keys),
    replyPacket: toHex(used.packet),
    replyHops: journey(used.packet),
  }
}

function quantumPacket() {
  const rng = seededRng('x-wing')
  const sizes = { kem: refXWing, hops: 2, bodyBytes: 16 }
  const geometry = sphinxGeometry({ suite: 'x-wing', hops: 2, bodyBytes: 16 })
  const mixes = [0, 1].map((i) => {
    const seed = rng.bytes(32)
    const { publicKey } = mixKeyPair('x-wing', seed)
    return { seed, publicKey, nodeId: rng.bytes(32), delayMs: 7 + i }
  })
  const plaintext = new Uint8Array(geometry.plaintextBytes).fill(0x42)
  return {
    hops: 2,
    bodyBytes: 16,
    plaintextByte: 0x42,
    mixes: mixes.map(({ seed, nodeId, delayMs }) => ({
      seed: toHex(seed),
      nodeId: toHex(nodeId),
      delayMs,
    })),
    packet: toHex(refWrap(rng, sizes, mixes, plaintext)),
  }
}

if (import.meta.main) {
  for (const [name, content] of Object.entries(generate())) {
    const file = new URL(name, import.meta.url)
    writeFileSync(file, `${JSON.stringify(content, null, 1)}\n`)
  }
}
