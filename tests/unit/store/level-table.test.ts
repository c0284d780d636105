import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { systemRng, u64be, utf8 } from '../../../src/base/index.ts'
import { crc32c } from '../../../src/store/crc32c.ts'
import { openLevelEngine } from '../../../src/store/level-engine.ts'
import { isIntactTable } from '../../../src/store/level-table.ts'

describe('crc32c', () => {
  it('gives the values of RFC 3720, appendix B.4', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43)
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e)
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i))).toBe(0x113fdb5c)
    expect(crc32c(utf8('xx123456789xx'), 2, 11)).toBe(0xe3069283)
    expect(crc32c(new Uint8Array(0))).toBe(0)
  })
})

describe('the check of a table', () => {
  async function makeTable(): Promise<Uint8Array> {
    const dir = await mkdtemp(join(tmpdir(), 'hearsay-table-'))
    const engine = await openLevelEngine(dir)
    const put = (i: number) =>
      ({ type: 'put', key: u64be(i), value: systemRng.bytes(100) }) as const
    await engine.write(Array.from({ length: 100 }, (_, i) => put(i)))
    await engine.compact()
    await engine.close()
    const name = (await readdir(dir)).find((file) => file.endsWith('.ldb'))
    const bytes = new Uint8Array(await readFile(join(dir, name ?? '')))
    await rm(dir, { recursive: true })
    return bytes
  }

  it('accepts what LevelDB writes and no flipped bit but those of the padding', async () => {
    const table = await makeTable()
    expect(isIntactTable(table)).toBe(true)
    let unnoticed = 0
    for (let at = 0; at < table.length; at++) {
      table[at] = (table[at] ?? 0) ^ (1 << (at % 8))
      if (isIntactTable(table)) {
        unnoticed++
        expect(at).toBeGreaterThan(table.length - 48)
      }
      table[at] = (table[at] ?? 0) ^ (1 << (at % 8))
    }
    expect(unnoticed).toBeLessThan(40)
  })

  it('refuses every shortened table and noise', async () => {
    const table = await makeTable()
    for (let length = 0; length < table.length; length += 97) {
      expect(isIntactTable(table.subarray(0, length))).toBe(false)
      expect(isIntactTable(table.subarray(length + 1))).toBe(false)
    }
    for (let i = 0; i < 50; i++) {
      const noise = systemRng.bytes(400)
      noise.set(table.subarray(table.length - 8), 392)
      expect(isIntactTable(noise)).toBe(false)
    }
  })
})
