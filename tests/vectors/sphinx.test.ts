import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { asNodeId, fromHex, toHex } from '../../src/base/index.ts'
import { lionessDecryptInto, lionessEncryptInto } from '../../src/crypto/index.ts'
import {
  createSurb,
  mixKeyPair,
  openReply,
  sphinxGeometry,
  unwrapPacket,
  useSurb,
  wrapPacket,
} from '../../src/sphinx/index.ts'
import { seededRng } from '../support/seeded-rng.ts'
import { sphinxRoute, travel } from '../support/sphinx-route.ts'
import { generate } from './sphinx/generate.ts'
import {
  type RefUnwrapped,
  refGeometryId,
  refLioness,
  refOpenReply,
  refSurb,
  refUnwrap,
  refUseSurb,
  refWrap,
  refX25519,
  refXWing,
} from './sphinx/reference.ts'

function load<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`sphinx/${name}`, import.meta.url), 'utf8')) as T
}

describe('the committed vectors of sphinx', () => {
  for (const [name, made] of Object.entries(generate())) {
    it(`${name} is what the code makes today`, () => {
      expect(JSON.parse(JSON.stringify(made))).toEqual(load(name))
    })
  }

  it('geometry ids follow from the specification', () => {
    const rows =
      load<{ suite: string; hops: number; bodyBytes: number; id: string }[]>('geometry.json')
    for (const { suite, hops, bodyBytes, id } of rows) {
      const kem = suite === 'x-wing' ? refXWing : refX25519
      expect(toHex(refGeometryId({ kem, hops, bodyBytes }))).toBe(id)
    }
    expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length)
  })

  it('LIONESS blocks agree with the reference', () => {
    for (const v of load<Record<'key' | 'block' | 'sealed', string>[]>('lioness.json')) {
      const [key, block, sealed] = [fromHex(v.key), fromHex(v.block), fromHex(v.sealed)]
      expect(toHex(refLioness('encrypt', key, block))).toBe(v.sealed)
      expect(toHex(refLioness('decrypt', key, sealed))).toBe(v.block)
    }
  })

  it('a committed X-Wing packet goes its way and arrives', () => {
    const v = load<{ mixes: { seed: string; nodeId: string; delayMs: number }[]; packet: string }>(
      'x-wing.json',
    )
    const geometry = sphinxGeometry({ suite: 'x-wing', hops: 2, bodyBytes: 16 })
    const keys = v.mixes.map(({ seed }) => mixKeyPair('x-wing', fromHex(seed)))
    const [first, last] = travel(geometry, keys, fromHex(v.packet))
    if (first?.kind !== 'forward' || last?.kind !== 'arrive') throw new Error('lost its way')
    expect(toHex(first.next)).toBe(v.mixes[1]?.nodeId)
    expect([first.delayMs, last.delayMs]).toEqual(v.mixes.map(({ delayMs }) => delayMs))
    expect(last.plaintext).toEqual(new Uint8Array(geometry.plaintextBytes).fill(0x42))
  })
})

describe('the fast implementation and the slow reference', () => {
  const sizesOf = (hops: number, bodyBytes: number) => ({ kem: refX25519, hops, bodyBytes })

  /** What both say of one hop, in comparable form. */
  const fastView = (
    geometry: ReturnType<typeof sphinxGeometry>,
    seed: Uint8Array,
    p: Uint8Array,
  ) => {
    const u = unwrapPacket(geometry, mixKeyPair('x25519', seed), p)
    if (u === undefined) return undefined
    const common = { replayTag: toHex(u.replayTag), delayMs: u.delayMs, kind: u.kind }
    if (u.kind === 'forward') return { ...common, node: toHex(u.next), out: toHex(u.packet) }
    if (u.kind === 'arrive') return { ...common, out: u.plaintext && toHex(u.plaintext) }
    const [node, surbId] = [toHex(u.recipient), toHex(u.surbId)]
    return { ...common, node, surbId, out: toHex(u.payload) }
  }
  const slowView = (u: RefUnwrapped | undefined) => {
    if (u === undefined) return undefined
    const common = { replayTag: toHex(u.replayTag), delayMs: u.delayMs }
    if (u.kind === 1) {
      return { ...common, kind: 'forward', node: toHex(u.node), out: toHex(u.packet) }
    }
    if (u.kind === 2) return { ...common, kind: 'arrive', out: toHex(u.payload.slice(32)) }
    const [node, surbId] = [toHex(u.node), toHex(u.surbId)]
    return { ...common, kind: 'reply', node, surbId, out: toHex(u.payload) }
  }

  for (const hops of [1, 2, 3, 4, 5, 6]) {
    it(`make and read the same bytes over ${hops} hops`, () => {
      for (const bodyBytes of [1, 77, 500]) {
        const seed = `reference ${hops} ${bodyBytes}`
        const geometry = sphinxGeometry({ suite: 'x25519', hops, bodyBytes })
        const sizes = sizesOf(hops, bodyBytes)
        const rng = seededRng(seed)
        const { seeds, route } = sphinxRoute(rng, 'x25519', hops)
        const text = rng.bytes(geometry.plaintextBytes)
        const recipient = asNodeId(rng.bytes(32))

        let packet: Uint8Array = wrapPacket(seededRng(`w ${seed}`), geometry, route, text)
        expect(toHex(packet)).toBe(toHex(refWrap(seededRng(`w ${seed}`), sizes, route, text)))
        const surb = createSurb(seededRng(`s ${seed}`), geometry, route, recipient)
        const slow = refSurb(seededRng(`s ${seed}`), sizes, route, recipient)
        expect(toHex(surb.bytes)).toBe(toHex(slow.bytes))
        const reply = useSurb(geometry, surb.bytes, text).packet
        expect(toHex(reply)).toBe(toHex(refUseSurb(slow.bytes, text)))

        for (const mixSeed of seeds) {
          const there = refUnwrap(sizes, mixSeed, packet)
          expect(fastView(geometry, mixSeed, packet)).toEqual(slowView(there))
          packet = there?.packet as Uint8Array
        }
        packet = reply
        let last: RefUnwrapped | undefined
        for (const mixSeed of seeds) {
          last = refUnwrap(sizes, mixSeed, packet)
          expect(fastView(geometry, mixSeed, packet)).toEqual(slowView(last))
          packet = last?.packet as Uint8Array
        }
        const payload = last?.payload as Uint8Array
        const opened = openReply(geometry, surb.keys, payload) as Uint8Array
        expect(toHex(opened)).toBe(toHex(text))
        const slowly = refOpenReply(slow.keys, payload)
        expect(toHex(slowly)).toBe('00'.repeat(32) + toHex(text))
      }
    })
  }

  it('understand each other with X-Wing shares, in both directions', () => {
    const rng = seededRng('x-wing both ways')
    const geometry = sphinxGeometry({ suite: 'x-wing', hops: 3, bodyBytes: 30 })
    const sizes = { kem: refXWing, hops: 3, bodyBytes: 30 }
    const { seeds, keys, route } = sphinxRoute(rng, 'x-wing', 3)
    const text = rng.bytes(geometry.plaintextBytes)

    const slow = refWrap(rng, sizes, route, text)
    const last = travel(geometry, keys, slow).at(-1)
    expect(last?.kind === 'arrive' && last.plaintext && toHex(last.plaintext)).toBe(toHex(text))

    let packet: Uint8Array = wrapPacket(rng, geometry, route, text)
    let there: RefUnwrapped | undefined
    for (const seed of seeds) {
      there = refUnwrap(sizes, seed, packet)
      packet = there?.packet as Uint8Array
    }
    expect(there?.kind).toBe(2)
    expect(toHex(there?.payload as Uint8Array)).toBe('00'.repeat(32) + toHex(text))
  })
})

describe('third-party vectors', () => {
  const file = new URL(
    '../../../shared/vectors/lioness/lioness-chacha20-blake2b-iv.json',
    import.meta.url,
  )

  it('LIONESS is that of rust-lioness, when its vectors are at hand', () => {
    let text: string
    try {
      text = readFileSync(file, 'utf8')
    } catch {
      console.info('notice: the vectors of rust-lioness are not at hand; nothing was compared')
      return
    }
    type Vector = Record<'key' | 'iv' | 'plaintext' | 'ciphertext', string>
    const { vectors } = JSON.parse(text) as { vectors: Vector[] }
    expect(vectors.length).toBe(2)
    for (const v of vectors) {
      const key = fromHex(v.key + v.iv)
      const block = fromHex(v.plaintext)
      lionessEncryptInto(block, key, block)
      expect(toHex(block)).toBe(v.ciphertext)
      lionessDecryptInto(block, key, block)
      expect(toHex(block)).toBe(v.plaintext)
    }
  })
})
