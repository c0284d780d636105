import {
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { DAEMON_EXIT } from '../../daemon/exit-codes.ts'
import { type Rng, uniformInt } from '../../src/base/index.ts'
import type { Exit } from './rig.ts'

/** What a daemon made of a home: it did not start, or serves and says so, or serves all, or begins a new generation. */
export type Finding = 'refused' | 'reported' | 'harmless' | 'new device'

/** Files of a home with one purpose, and what their damage may lead to (src/store/SPEC.md §2 and §7). */
export interface Kind {
  readonly name: string
  /** Of the path in the home. */
  readonly files: RegExp
  readonly may: readonly Finding[]
  /** With which the daemon refuses, beside a sentence. */
  readonly exits: readonly number[]
  /** LevelDB aborts on some damage; the start after that has to refuse by name. */
  readonly mayAbort?: true
  /** Empty: what counts is which file it is. */
  readonly isEmpty?: true
}

const CORRUPT = [DAEMON_EXIT.dataCorrupt]
const ANY_OF_A_DATABASE = ['refused', 'reported', 'harmless'] as const

/** Every kind of file that a home has while nothing runs, apart from what each start makes anew, and the log. */
export const KINDS: readonly Kind[] = [
  {
    name: 'table',
    files: /^db\/\d+\.ldb$/,
    may: ANY_OF_A_DATABASE,
    exits: CORRUPT,
    mayAbort: true,
  },
  { name: 'log', files: /^db\/\d+\.log$/, may: ANY_OF_A_DATABASE, exits: CORRUPT },
  { name: 'manifest', files: /^db\/MANIFEST-\d+$/, may: ANY_OF_A_DATABASE, exits: CORRUPT },
  { name: 'CURRENT', files: /^db\/CURRENT$/, may: ANY_OF_A_DATABASE, exits: CORRUPT },
  { name: 'notes of LevelDB', files: /^db\/LOG(\.old)?$/, may: ['harmless'], exits: [] },
  { name: 'secrets.shelf', files: /^secrets\.shelf$/, may: ANY_OF_A_DATABASE, exits: CORRUPT },
  { name: 'watermark', files: /^watermark$/, may: ['harmless'], exits: [] },
  { name: 'clean', files: /^clean$/, may: ['harmless'], exits: [] },
  { name: 'reserve.bin', files: /^reserve\.bin$/, may: ['harmless'], exits: [] },
  { name: 'witness', files: /^witness$/, may: ['new device'], exits: [], isEmpty: true },
  {
    name: 'vault.key',
    files: /^vault\.key$/,
    // The case of a digit and the end of the line mean nothing.
    may: ['refused', 'harmless'],
    exits: [DAEMON_EXIT.config],
  },
  {
    name: 'config.toml',
    files: /^config\.toml$/,
    may: ['refused', 'harmless'],
    // It may name another address, which this machine does not have or somebody else uses.
    exits: [DAEMON_EXIT.config, DAEMON_EXIT.unavailable],
  },
]

export type Way = 'bit' | 'end'

/** Damages one file of a kind. @returns what was done to which; undefined when the home has none. */
export function damage(home: string, kind: Kind, way: Way, rng: Rng): string | undefined {
  const names = readdirSync(home, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(home, join(entry.parentPath, entry.name)))
    .filter((name) => kind.files.test(name))
    .filter((name) => kind.isEmpty === true || statSync(join(home, name)).size > 0)
    .toSorted()
  const name = names[uniformInt(rng, Math.max(1, names.length))]
  if (name === undefined) return undefined
  const file = join(home, name)
  if (kind.isEmpty === true) return replace(file, name, way)
  const bytes = readFileSync(file)
  // Zeros at the end are room that nothing uses yet.
  const used = bytes.findLastIndex((byte) => byte !== 0) + 1
  const at = uniformInt(rng, Math.max(1, used))
  if (way === 'end') {
    truncateSync(file, at)
    return `${name} cut to ${at} of ${bytes.length} bytes`
  }
  const bit = uniformInt(rng, 8)
  bytes[at] = (bytes[at] ?? 0) ^ (1 << bit)
  writeFileSync(file, bytes)
  return `bit ${bit} of byte ${at} of ${name} is wrong`
}

function replace(file: string, name: string, way: Way): string {
  if (way === 'end') {
    rmSync(file)
    return `${name} is gone`
  }
  // Beside the old one, or the new one could get its number.
  const other = `${file}.other`
  writeFileSync(other, '', { mode: 0o600 })
  rmSync(file)
  renameSync(other, file)
  return `${name} is another file`
}

/** What a daemon shows of its home. */
export interface Shown {
  readonly texts: ReadonlySet<string>
  /** Undefined when it does not tell. */
  readonly epoch: string | undefined
  /** It says itself that not all is well with its store. */
  readonly complains: boolean
}

export function hasEnded(seen: Exit | Shown): seen is Exit {
  return 'code' in seen
}

/** Holds one life of a damaged home against what its kind may lead to. `reasons` is empty when that was promised. */
export function judge(
  seen: Exit | Shown,
  kind: Kind,
  before: Shown,
): { finding: Finding; reasons: string[] } {
  if (hasEnded(seen)) {
    const { code, said } = seen
    const isPromised = kind.exits.includes(code ?? -1) && said !== ''
    const reasons = isPromised ? [] : [`ended with exit code ${code}: ${said || 'without a word'}`]
    return { finding: 'refused', reasons }
  }
  const { texts, epoch = before.epoch, complains } = seen
  const foreign = [...texts].find((text) => !before.texts.has(text))
  const missing = [...before.texts].filter((text) => !texts.has(text)).length
  const finding = epoch !== before.epoch ? 'new device' : complains ? 'reported' : 'harmless'
  return {
    finding,
    reasons: [
      ...(foreign === undefined ? [] : [`shows "${foreign}", which nobody wrote`]),
      ...(missing === 0 || complains ? [] : [`${missing} messages are missing silently`]),
      ...(kind.may.includes(finding) ? [] : [`${finding}, and not ${kind.may.join(' or ')}`]),
    ],
  }
}
