/**
 * Compiles src/, rpc/ and daemon/ into dist/ and copies the files beside them that are not TypeScript. The command runs
 * from dist/bundle: its modules and those of its dependencies in a few files. Looking for 1,600 files one by one took two
 * thirds of a start.
 *
 * Guarantee: on exit 0, dist/ holds exactly the outputs of the present sources; outputs whose source
 * is gone are removed. Files are replaced one by one and dist/ never disappears, so a daemon that
 * runs from it survives a build. It may still load parts of the bundle that it was started from: they carry a hash in
 * their names, and stay for KEPT_DAYS.
 *
 * Plain JavaScript: `npm ci` runs it, perhaps on a machine whose only Node cannot load TypeScript.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { execPath, exit, stderr } from 'node:process'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const DIST = join(ROOT, 'dist')
const SOURCES = ['src', 'rpc', 'daemon']
const BUNDLE = 'bundle'
/** What is started by its name: the command, and the worker that it starts as a thread. */
const ENTRIES = ['daemon/main.js', 'src/node/jobs-worker.js']
/** They look for their native parts beside themselves. */
const EXTERNAL = ['level', 'sodium-native']
const KEPT_DAYS = 30

/** Every file below `folder`, as paths relative to `base`. */
function filesBelow(folder, base) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(base, join(entry.parentPath ?? entry.path, entry.name)))
}

const tsc = spawnSync(
  execPath,
  [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'],
  {
    cwd: ROOT,
    stdio: 'inherit',
  },
)
if (tsc.error !== undefined) stderr.write(`cannot run the compiler: ${tsc.error.message}\n`)
if (tsc.status !== 0) exit(tsc.status ?? 1)

const expected = new Set()
for (const file of SOURCES.flatMap((name) => filesBelow(join(ROOT, name), ROOT))) {
  if (file.endsWith('.md') || file.endsWith('.d.ts')) continue
  if (file.endsWith('.ts')) {
    const stem = file.slice(0, -'.ts'.length)
    expected.add(`${stem}.js`).add(`${stem}.d.ts`)
    continue
  }
  expected.add(file)
  mkdirSync(dirname(join(DIST, file)), { recursive: true })
  copyFileSync(join(ROOT, file), join(DIST, file))
}

const { output } = await build({
  input: ENTRIES.map((file) => join(DIST, file)),
  platform: 'node',
  external: EXTERNAL,
  output: { dir: join(DIST, BUNDLE), format: 'esm' },
})
for (const { fileName } of output) expected.add(join(BUNDLE, fileName))

const oldest = Date.now() - KEPT_DAYS * 86_400_000
for (const file of filesBelow(DIST, DIST)) {
  if (expected.has(file)) continue
  if (dirname(file) === BUNDLE && statSync(join(DIST, file)).mtimeMs > oldest) continue
  rmSync(join(DIST, file))
}
