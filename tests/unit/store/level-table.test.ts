import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { systemRng, u64be, utf8 } from '../../../src/base/index.ts'
import { crc32c } from '../../../src/store/crc32c.ts'
import { damagedTables } from '../../../src/store/clean-mark.ts'
import { systemFiles } from '../../../src/store/index.ts'
import { openLevelEngine } from '../../../src/store/level-engine.ts'
import { liveTables } from '../../../src/store/level-manifest.ts'
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

describe('the tables in use', () => {
  it('are those that LevelDB itself names, over many flushes, compactions and reopenings', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'hearsay-manifest-'))
    for (let round = 0; round < 4; round++) {
      const engine = await openLevelEngine(dir)
      for (let part = 0; part < 3; part++) {
        const value = systemRng.bytes(1_500_000)
        await engine.write([{ type: 'put', key: systemRng.bytes(8), value }])
        if (part === 1) await engine.compact()
      }
      await engine.close()
      // A left-over of a compaction that was cut off.
      await writeFile(join(dir, '999999.ldb'), 'noise')
      const names = await readdir(dir)
      const tables = names
        .filter((name) => /^\d+\.ldb$/.test(name))
        .map((name) => parseInt(name, 10))
      const manifest = await readFile(
        join(dir, (await readFile(join(dir, 'CURRENT'), 'utf8')).trim()),
      )
      const live = liveTables(new Uint8Array(manifest))
      expect([...live, 999999].sort((a, b) => a - b)).toEqual(tables.sort((a, b) => a - b))
      expect(await damagedTables(systemFiles, dir)).toEqual([])
    }
    await rm(dir, { recursive: true })
  })

  it('end in a RangeError or a set for any change of the MANIFEST', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'hearsay-manifest-'))
    const engine = await openLevelEngine(dir)
    await engine.write([{ type: 'put', key: u64be(1), value: u64be(1) }])
    await engine.compact()
    await engine.close()
    const manifest = new Uint8Array(
      await readFile(join(dir, (await readFile(join(dir, 'CURRENT'), 'utf8')).trim())),
    )
    await rm(dir, { recursive: true })
    const attempt = (bytes: Uint8Array) => {
      try {
        return liveTables(bytes)
      } catch (error) {
        return error
      }
    }
    for (let at = 0; at < manifest.length; at++) {
      const changed = manifest.slice()
      changed[at] = (changed[at] ?? 0) ^ 0xff
      for (const outcome of [attempt(changed), attempt(manifest.subarray(0, at))]) {
        expect(outcome instanceof Set || outcome instanceof RangeError).toBe(true)
      }
    }
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
    const unnoticed: number[] = []
    for (let at = 0; at < table.length; at++) {
      table[at] = (table[at] ?? 0) ^ (1 << (at % 8))
      if (isIntactTable(table)) unnoticed.push(at)
      table[at] = (table[at] ?? 0) ^ (1 << (at % 8))
    }
    expect(unnoticed.filter((at) => at < table.length - 48)).toEqual([])
    expect(unnoticed.length).toBeLessThan(40)
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
