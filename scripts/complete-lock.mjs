/**
 * Makes package-lock.json complete for every platform, whatever machine wrote it.
 *
 * Guarantee: after a run, every optional dependency that a locked package names is in the lock, and
 * no entry names a registry host, so `npm ci` accepts the lock on any platform and behind any mirror.
 *
 * The reason: npm drops an optional package from the lock when the registry in use does not serve
 * it (mirrors that carry one platform only do this to the native tools), and `npm ci` then refuses the lock
 * with EUSAGE. The entries added here carry a version and a platform but no integrity; npm skips
 * them on other platforms without asking the registry.
 *
 * Plain JavaScript, without recent syntax: it runs inside `npm install`, perhaps on an old Node.
 * Usage: node scripts/complete-lock.mjs [--check] [path to package-lock.json]
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { argv, exit, stderr, stdout } from 'node:process'
import { fileURLToPath, pathToFileURL } from 'node:url'

const OPERATING_SYSTEMS = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
]
const PROCESSORS = [
  'arm64',
  'arm',
  'ia32',
  'loong64',
  'mips64el',
  'ppc64',
  'riscv64',
  's390x',
  'wasm32',
  'x64',
]

/** Where Node would find `name` from the package at `from`; undefined when the lock has it nowhere. */
function locate(packages, from, name) {
  let folder = from
  for (;;) {
    const key = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`
    if (packages[key] !== undefined) return key
    if (folder === '') return undefined
    const parent = folder.lastIndexOf('/node_modules/')
    folder = parent === -1 ? '' : folder.slice(0, parent)
  }
}

/** Platform fields read from the words of a native package's name; undefined when it names no platform. */
export function platformOf(name) {
  const words = name.slice(name.lastIndexOf('/') + 1).split('-')
  const os = OPERATING_SYSTEMS.find((word) => words.includes(word))
  const cpu = PROCESSORS.find((word) => words.includes(word))
  if (os === undefined || cpu === undefined) return undefined
  const musl = words.some((word) => word.startsWith('musl'))
  const glibc = words.some((word) => word.startsWith('gnu'))
  const libc = os !== 'linux' ? undefined : musl ? ['musl'] : glibc ? ['glibc'] : undefined
  return { os: [os], cpu: [cpu], ...(libc === undefined ? {} : { libc }) }
}

/**
 * Completes a parsed lock in place.
 * @returns what was changed, one line each; empty when the lock was complete.
 * @throws Error for a missing package that names no platform: that one must be fetched, not invented.
 */
export function completeLock(lock) {
  const packages = lock.packages
  const changes = []
  for (const [key, entry] of Object.entries(packages)) {
    if (typeof entry.resolved === 'string' && /^https?:/.test(entry.resolved)) {
      delete entry.resolved
      changes.push(`${key}: registry address removed`)
    }
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (locate(packages, key, name) !== undefined) continue
      const platform = platformOf(name)
      if (platform === undefined || !/^\d+\.\d+\.\d+/.test(version)) {
        throw new Error(
          `${name}@${version} (wanted by ${key}) is not in the lock and not derivable`,
        )
      }
      // In npm's own order of fields, so that the next `npm install` changes nothing.
      const added = { version, cpu: platform.cpu }
      if (entry.dev === true) added.dev = true
      if (platform.libc !== undefined) added.libc = platform.libc
      packages[`node_modules/${name}`] = { ...added, optional: true, os: platform.os }
      changes.push(`node_modules/${name}: added ${version}`)
    }
  }
  const root = packages['']
  const rest = Object.keys(packages).filter((key) => key !== '')
  rest.sort((a, b) => a.localeCompare(b, 'en'))
  lock.packages = { '': root }
  for (const key of rest) lock.packages[key] = packages[key]
  return changes
}

/**
 * Locked packages that nothing pins: no integrity, though they are not one of the native packages
 * added above. npm leaves it out when it rebuilds a lost lock from an existing node_modules.
 */
export function unpinned(lock) {
  return Object.entries(lock.packages)
    .filter(([key, entry]) => key !== '' && entry.integrity === undefined && entry.link !== true)
    .filter(([, entry]) => entry.optional !== true || entry.os === undefined)
    .map(([key]) => key)
}

function main(args) {
  const check = args.includes('--check')
  const given = args.find((arg) => !arg.startsWith('--'))
  const file = given ?? join(dirname(dirname(fileURLToPath(import.meta.url))), 'package-lock.json')
  const lock = JSON.parse(readFileSync(file, 'utf8'))
  const changes = completeLock(lock)
  const loose = unpinned(lock)
  if (loose.length > 0) {
    stderr.write(
      `package-lock.json has no integrity for ${loose.length} packages (${loose[0]}, …); `,
    )
    stderr.write(`restore it from version control, or remove node_modules too and install again\n`)
    return 1
  }
  if (changes.length === 0) return 0
  if (check) {
    stderr.write(`package-lock.json is incomplete; run: node scripts/complete-lock.mjs\n`)
    for (const change of changes) stderr.write(`  ${change}\n`)
    return 1
  }
  writeFileSync(file, `${JSON.stringify(lock, undefined, 2)}\n`)
  stdout.write(`package-lock.json: ${changes.length} entries completed\n`)
  return 0
}

if (argv[1] !== undefined && import.meta.url === pathToFileURL(argv[1]).href)
  exit(main(argv.slice(2)))
