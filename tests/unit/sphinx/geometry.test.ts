import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../src/base/index.ts'
import { sphinxGeometry } from '../../../src/sphinx/index.ts'
import { errorCode } from '../../support/outcome.ts'

const SUITES = ['x25519', 'x-wing'] as const

describe('the geometry', () => {
  it('derives every length, for all hop counts and both suites', () => {
    for (const suite of SUITES) {
      for (let hops = 1; hops <= 10; hops++) {
        const g = sphinxGeometry({ suite, hops, bodyBytes: 2049 })
        const share = suite === 'x25519' ? 32 : 1120
        expect(g.shareBytes).toBe(share)
        expect(g.slotBytes).toBe(53 + share + 16)
        expect(g.blockBytes).toBe((hops - 1) * g.slotBytes + 53)
        expect(g.headerBytes).toBe(2 + share + g.blockBytes + 16)
        expect(g.surbBytes).toBe(32 + g.headerBytes + 32)
        expect(g.plaintextBytes).toBe(g.surbBytes + 2049)
        expect(g.payloadBytes).toBe(32 + g.plaintextBytes)
        expect(g.packetBytes).toBe(g.headerBytes + g.payloadBytes)
      }
    }
  })

  it('keeps a packet of the default network below 3.1 KiB, and a post-quantum one below 14 KiB', () => {
    const bytes = (suite: (typeof SUITES)[number]) =>
      sphinxGeometry({ suite, hops: 5, bodyBytes: 2049 }).packetBytes
    expect(bytes('x25519')).toBe(3159)
    expect(bytes('x-wing')).toBe(14_039)
  })

  it('is what the table of SPEC.md says', () => {
    const text = readFileSync(new URL('../../../src/sphinx/SPEC.md', import.meta.url), 'utf8')
    const rows = [...text.matchAll(/^\| (x25519|x-wing), (\d+) \| ([\d |]+) \|$/gm)]
    expect(rows).toHaveLength(8)
    for (const [, suite, hops, lengths] of rows) {
      const g = sphinxGeometry({
        suite: suite as (typeof SUITES)[number],
        hops: Number(hops),
        bodyBytes: 2049,
      })
      const derived = [g.slotBytes, g.headerBytes, g.surbBytes, g.payloadBytes, g.packetBytes]
      expect(lengths?.split(' | ').map(Number)).toEqual(derived)
    }
  })

  it('has an id that differs with every option and is the same for the same options', () => {
    const ids = new Set<string>()
    for (const suite of SUITES) {
      for (const hops of [1, 4, 5, 10]) {
        for (const bodyBytes of [1, 2049, 2050, 65_535]) {
          const options = { suite, hops, bodyBytes }
          const id = toHex(sphinxGeometry(options).id)
          expect(id).toBe(toHex(sphinxGeometry(options).id))
          ids.add(id)
        }
      }
    }
    expect(ids.size).toBe(32)
  })

  it('cannot be changed', () => {
    const g = sphinxGeometry({ suite: 'x25519', hops: 5, bodyBytes: 100 })
    expect(Object.isFrozen(g)).toBe(true)
  })

  it('refuses hop counts and bodies out of range', () => {
    const code = (hops: number, bodyBytes: number) =>
      errorCode(() => sphinxGeometry({ suite: 'x25519', hops, bodyBytes }))
    for (const hops of [0, -1, 11, 1.5, Number.NaN]) expect(code(hops, 100)).toBe('bad-value')
    for (const body of [0, -1, 65_536, 0.5, Number.NaN]) expect(code(5, body)).toBe('bad-value')
    expect(code(1, 1)).toBe('none')
    expect(code(10, 65_535)).toBe('none')
  })
})
