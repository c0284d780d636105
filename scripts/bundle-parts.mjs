/** Puts the parts of dist/bundle in place. Plain JavaScript, as build.mjs, which uses it. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { pid } from 'node:process'

const KEPT_MS = 30 * 86_400_000
/** Whoever builds all day has no daemon that old: the newest of them are some forty builds. */
const KEPT_MAX = 200
/** Names the parts of the last build. */
const LIST = 'parts.json'

/**
 * Writes `parts` into `folder`: each is whole or not there, and what is started by its name comes last. A build that is
 * cut off leaves the former command, with all its parts. A part that is written no more stays for 30 days from `now` on
 * (milliseconds since 1970), however old it is, unless it is none of the last 200: daemons that run from it may still load it.
 */
export function replaceParts(folder, parts, now) {
  mkdirSync(folder, { recursive: true })
  const list = join(folder, LIST)
  const former = existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) : []
  const present = new Set(parts.map(({ fileName }) => fileName))
  for (const name of former) {
    const file = join(folder, name)
    if (!present.has(name) && existsSync(file)) utimesSync(file, now / 1_000, now / 1_000)
  }
  const last = parts.filter(({ isEntry }) => isEntry)
  for (const { fileName, code } of [...parts.filter(({ isEntry }) => !isEntry), ...last]) {
    write(join(folder, fileName), code)
  }
  write(list, JSON.stringify([...present]))
  const gone = readdirSync(folder)
    .filter((name) => !present.has(name) && name !== LIST)
    .map((name) => ({ file: join(folder, name), at: statSync(join(folder, name)).mtimeMs }))
    .toSorted((a, b) => b.at - a.at)
  for (const [index, { file, at }] of gone.entries()) {
    if (index >= KEPT_MAX || at <= now - KEPT_MS) rmSync(file)
  }
}

function write(file, text) {
  const fresh = `${file}.${pid}.new`
  writeFileSync(fresh, text)
  renameSync(fresh, file)
}
