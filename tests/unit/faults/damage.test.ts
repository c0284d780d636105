import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seededRng } from '../../../daemon/testnet/seeded-rng.ts'
import { openStore } from '../../../src/store/index.ts'
import { damage, judge, type Kind, KINDS } from '../../faults/damage.ts'
import { twinHome } from '../../faults/home-copy.ts'
import { storePorts } from '../../support/store-contract.ts'

const SPEC = join(import.meta.dirname, '../../../src/store/SPEC.md')
/** Only there while a store waits for its disk. */
const PASSING = ['probe']
/** LevelDB's lock holds nothing. */
const WITHOUT_CONTENT = ['db/LOCK']

const kindOf = (name: string): Kind => {
  const kind = KINDS.find((each) => each.name === name)
  if (kind === undefined) throw new Error(`no kind ${name}`)
  return kind
}

describe('the kinds of files that are damaged', () => {
  let root: string
  let home: string
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'hearsay-kinds-'))
    home = join(root, 'home')
    const store = await openStore(storePorts, { dir: home, reserveBytes: 65_536 })
    await store.compact()
    await store.close()
    writeFileSync(join(home, 'config.toml'), 'listen = []\n')
  })
  afterAll(() => rmSync(root, { recursive: true, force: true }))

  const filesOf = (dir: string) =>
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(dir, join(entry.parentPath, entry.name)))

  it('are each file of a home, once', () => {
    const of = (name: string) => KINDS.filter(({ files }) => files.test(name)).length
    const strange = filesOf(home).filter((name) => of(name) !== 1)
    expect(strange).toEqual(WITHOUT_CONTENT)
  })

  it('are all that the SPEC of the store names', () => {
    const [, section = ''] =
      /## 2\. Files of a home\n([\s\S]*?)\n## 3/.exec(readFileSync(SPEC, 'utf8')) ?? []
    const named = [...section.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name = '']) => name)
    expect(named).toContain('secrets.shelf')
    const covered = (name: string) =>
      name === 'db/' || KINDS.some(({ files }) => files.test(name)) || PASSING.includes(name)
    expect(named.filter((name) => !covered(name))).toEqual([])
  })

  it('are changed in one file, which the answer names', () => {
    const rng = seededRng('damage')
    const twin = join(root, 'twin')
    for (const kind of KINDS) {
      for (const way of ['bit', 'end'] as const) {
        twinHome(home, twin)
        const what = damage(twin, kind, way, rng)
        if (what === undefined) continue
        const read = (dir: string, name: string) =>
          filesOf(dir).includes(name) ? readFileSync(join(dir, name), 'latin1') : undefined
        const changed = filesOf(home).filter((name) => read(home, name) !== read(twin, name))
        expect(changed).toHaveLength(kind.isEmpty === true && way === 'bit' ? 0 : 1)
        expect(changed.filter((name) => !kind.files.test(name))).toEqual([])
        expect(what).toMatch(/\d|gone|another/)
      }
    }
  })
})

describe('a life of a damaged home', () => {
  const before = { texts: new Set(['a', 'b']), epoch: 'one', complains: false }

  it('may be refused with the exit code of its kind and a sentence', () => {
    expect(judge({ code: 65, said: 'damaged' }, kindOf('log'), before).reasons).toEqual([])
    for (const end of [
      { code: 65, said: '' },
      { code: 70, said: 'internal error' },
      { code: null, said: 'damaged' },
    ]) {
      expect(judge(end, kindOf('log'), before).reasons).toHaveLength(1)
    }
    expect(judge({ code: 65, said: 'damaged' }, kindOf('watermark'), before).reasons).toHaveLength(
      1,
    )
  })

  it('may lack what it says that it lacks', () => {
    const less = { ...before, texts: new Set(['a']) }
    expect(judge(less, kindOf('table'), before).reasons).toEqual([
      '1 messages are missing silently',
    ])
    expect(judge({ ...less, complains: true }, kindOf('table'), before)).toEqual({
      finding: 'reported',
      reasons: [],
    })
  })

  it('never shows what nobody wrote, whatever else it says', () => {
    const more = { ...before, texts: new Set(['a', 'b', 'c']), complains: true }
    expect(judge(more, kindOf('table'), before).reasons).toEqual(['shows "c", which nobody wrote'])
  })

  it('is a new device without its witness, and only then', () => {
    const other = { ...before, epoch: 'two' }
    expect(judge(other, kindOf('witness'), before).reasons).toEqual([])
    expect(judge(before, kindOf('witness'), before).reasons).toHaveLength(1)
    expect(judge(other, kindOf('clean'), before).reasons).toHaveLength(1)
  })
})
