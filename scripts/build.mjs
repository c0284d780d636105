/**
 * Compiles src/, rpc/ and daemon/ into dist/ and copies the files beside them that are not TypeScript. The command runs
 * from dist/bundle: its modules and those of its dependencies in a few files. Looking for 1,600 files one by one took two
 * thirds of a start.
 *
 * Guarantee: on exit 0, dist/ holds exactly the outputs of the present sources; outputs whose source
 * is gone are removed. Files are replaced one by one and dist/ never disappears, so a daemon that
 * runs from it survives a build. It may still load parts of the bundle that it was started from, the worker among them:
 * they carry a hash in their names, and stay for a while (bundle-parts.mjs).
 *
 * Plain JavaScript: `npm ci` runs it, perhaps on a machine whose only Node cannot load TypeScript.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { execPath, exit, stderr } from 'node:process'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'
import { licencesOf } from './bundle-licences.mjs'
import { replaceParts } from './bundle-parts.mjs'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const DIST = join(ROOT, 'dist')
const SOURCES = ['src', 'rpc', 'daemon']
const BUNDLE = 'bundle'
const ENTRY = join(DIST, 'daemon/main.js')
/** It starts the worker as a thread, by its address. */
const STARTER = join(DIST, 'src/node/worker-jobs.js')
const WORKER = join(DIST, 'src/node/jobs-worker.js')
const ADDRESS = /new URL\(`\.\/jobs-worker[^)]*\)/
/** They look for their native parts beside themselves. */
const EXTERNAL = ['level', 'sodium-native']

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

/** Else a daemon would start the worker of whatever was built since, and talk to it as to its own. */
const workerOfItsBuild = {
  name: 'worker-of-its-build',
  transform(code, id) {
    if (id !== STARTER) return undefined
    if (!ADDRESS.test(code)) throw new Error(`${STARTER} does not start the worker as it did`)
    const reference = this.emitFile({ type: 'chunk', id: WORKER, name: 'jobs-worker' })
    return code.replace(ADDRESS, `new URL(import.meta.ROLLUP_FILE_URL_${reference})`)
  },
}
const { output } = await build({
  input: ENTRY,
  platform: 'node',
  external: EXTERNAL,
  plugins: [workerOfItsBuild],
  output: { dir: join(DIST, BUNDLE), format: 'esm' },
  write: false,
})
for (const module of [ENTRY, WORKER]) {
  if (!output.some(({ facadeModuleId }) => facadeModuleId === module)) {
    throw new Error(`the bundle lacks ${module}`)
  }
}
const parts = output.map(({ fileName, code, facadeModuleId }) => {
  return { fileName, code, isEntry: facadeModuleId === ENTRY }
})
const bundled = output.flatMap(({ moduleIds = [] }) => moduleIds)
const licences = licencesOf(bundled, readFileSync(join(ROOT, 'LICENSE-APACHE'), 'utf8'))
parts.push({ fileName: 'LICENCES.txt', code: licences, isEntry: false })
replaceParts(join(DIST, BUNDLE), parts, Date.now())

for (const file of filesBelow(DIST, DIST)) {
  if (!expected.has(file) && dirname(file) !== BUNDLE) rmSync(join(DIST, file))
}
