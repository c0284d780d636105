/**
 * The import rule as dependency-cruiser rules: imports point one way, siblings do not see each
 * other, a folder is entered by its index.ts, and the pure folders do no I/O.
 */
import type { IForbiddenRuleType } from 'dependency-cruiser'

/** Lowest first. A folder may import every folder of a lower row, never one of its own row. */
export const LAYERS: readonly (readonly string[])[] = [
  ['src/base'],
  ['src/crypto', 'src/wire'],
  ['src/sphinx', 'src/stream', 'src/reconcile'],
  ['src/net', 'src/store'],
  ['src/conversation', 'src/mailbox', 'src/mix', 'src/gossip', 'src/directory'],
  ['src/node'],
  ['rpc'],
  ['daemon'],
]

/**
 * Third-party packages with reach (sockets, disk, native code, MLS), and the folders that may hold
 * each. peer-id and multiaddr only parse text, so the directory may read addresses with them.
 */
const PACKAGE_HOMES: readonly (readonly [packages: string, ...homes: string[]])[] = [
  ['libp2p|@libp2p/(?!peer-id)[^/]+|@chainsafe/[^/]+', 'src/net'],
  ['@libp2p/peer-id|@multiformats/[^/]+', 'src/net', 'src/directory'],
  ['level|classic-level|abstract-level', 'src/store'],
  ['sodium-native|@noble/[^/]+', 'src/crypto'],
  ['ts-mls|@hpke/[^/]+', 'src/conversation'],
  ['cborg', 'src/wire'],
  ['ws', 'rpc'],
  ['commander|pino', 'daemon'],
]

/** The built-in modules that do input, output or scheduling; node:crypto is judged apart. */
const IO_MODULES =
  'fs|fs/promises|net|tls|dgram|dns|dns/promises|http|https|http2|child_process|cluster|' +
  'worker_threads|os|process|readline|readline/promises|repl|stream|stream/.+|timers|timers/promises|' +
  'perf_hooks|tty|vm|v8|inspector|module|sqlite|test|wasi|zlib|async_hooks|diagnostics_channel'

const inside = (folder: string): string => `^${folder}/`

function layerRules(): IForbiddenRuleType[] {
  const all = LAYERS.flat()
  return LAYERS.flatMap((row, rank) =>
    row.map((folder): IForbiddenRuleType => {
      const below = LAYERS.slice(0, rank).flat()
      const banned = all.filter((other) => other !== folder && !below.includes(other))
      return {
        name: `imports-point-down: ${folder}`,
        severity: 'error',
        from: { path: inside(folder) },
        to: { path: [...banned.map(inside), '^(tests|scripts)/'] },
      }
    }),
  )
}

function entryRules(): IForbiddenRuleType[] {
  return LAYERS.flat().map((folder) => ({
    name: `enter-by-index: ${folder}`,
    severity: 'error',
    from: { path: '^(src|rpc|daemon)/', pathNot: inside(folder) },
    to: {
      path: inside(folder),
      // rpc has several doors (server, client, schema), each with an index of its own.
      pathNot: [`^${folder}/index\\.ts$`, ...(folder === 'rpc' ? ['^rpc/[^/]+/index\\.ts$'] : [])],
    },
  }))
}

function packageRules(): IForbiddenRuleType[] {
  return PACKAGE_HOMES.map(([packages, ...homes]) => ({
    name: `package-at-home: ${homes.join(', ')}`,
    severity: 'error',
    from: { path: '^(src|rpc|daemon)/', pathNot: homes.map(inside) },
    to: { path: `(^|node_modules/)(${packages})(/|$)`, pathNot: '^(src|rpc|daemon)/' },
  }))
}

export const BOUNDARY_RULES: IForbiddenRuleType[] = [
  ...layerRules(),
  ...entryRules(),
  ...packageRules(),
  {
    name: 'no-cycles',
    severity: 'error',
    from: { path: '^(src|rpc|daemon)/' },
    to: { circular: true },
  },
  {
    name: 'pure-folders-do-no-io',
    severity: 'error',
    from: {
      path: '^src/(base|crypto|wire|sphinx|stream|reconcile)/',
      pathNot: '^src/base/system-[^/]+\\.ts$',
    },
    to: { path: `^(node:)?(${IO_MODULES})$`, dependencyTypes: ['core'] },
  },
  {
    name: 'randomness-and-hashes-come-from-crypto',
    severity: 'error',
    from: {
      path: '^src/(base|wire|sphinx|stream|reconcile)/',
      pathNot: '^src/base/system-[^/]+\\.ts$',
    },
    to: { path: '^(node:)?crypto$', dependencyTypes: ['core'] },
  },
  {
    name: 'base-imports-nothing',
    severity: 'error',
    from: { path: inside('src/base') },
    to: { dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg'] },
  },
  {
    name: 'resolvable',
    severity: 'error',
    from: { path: '^(src|rpc|daemon)/' },
    to: { couldNotResolve: true },
  },
]
