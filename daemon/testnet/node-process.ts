import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { selfCommand } from '../background.ts'
import { exampleConfig, setInText } from '../config/index.ts'
import { EXIT, ExitError } from '../exit-codes.ts'
import { ensureHome, type Environment } from '../home.ts'
import { MALLOC_SETTINGS } from '../start-settings.ts'
import { nodeHome } from './layout.ts'
import { type ProcessRef, refOf } from '../processes.ts'

/** A daemon that this process has started. */
export interface NodeProcess {
  readonly index: number
  readonly ref: ProcessRef
  /** Undefined while it runs. */
  exit(): { readonly code: number | null; readonly said: string } | undefined
}

export interface SpawnOptions {
  readonly dir: string
  readonly index: number
  /** Where it listens. */
  readonly address: string
  /** Told to the others in place of `address`: a forwarder stands between. */
  readonly announce?: string
  /** What runs instead of this very program; it gets the same arguments. */
  readonly program?: { readonly file: string; readonly args: readonly string[] }
  /** True: it stops when this process ends, however that ends. False: it outlives it. */
  readonly tethered: boolean
}

const LAST_WORDS_BYTES = 2_048

/** Starts `hearsay run` for one node, in its own session, with its output in its log file. */
export function spawnNode(options: SpawnOptions, env: Environment): NodeProcess {
  const { dir, index, tethered } = options
  const home = nodeHome(dir, index, env)
  ensureHome(home)
  writeConfig(home.configFile, options)
  const before = statSync(home.logFile, { throwIfNoEntry: false })?.size ?? 0
  const log = openSync(home.logFile, 'a', 0o600)
  let child: ChildProcess
  try {
    const { file, args } = options.program ?? selfCommand()
    child = spawn(
      file,
      [...args, 'run', '--home', home.root, ...(tethered ? ['--stop-with-stdin'] : [])],
      {
        // Its own session: Ctrl-C on the terminal reaches the testnet command alone, which stops it in order.
        detached: true,
        stdio: [tethered ? 'pipe' : 'ignore', log, log],
        env: { ...MALLOC_SETTINGS, ...withoutOwnSettings(env) },
      },
    )
  } finally {
    closeSync(log)
  }
  child.unref()
  let exit: { code: number | null } | undefined
  child.once('exit', (code) => {
    exit = { code }
  })
  child.once('error', () => {
    exit = { code: null }
  })
  const ref = child.pid === undefined ? undefined : refOf(child.pid)
  if (ref === undefined) throw new ExitError(EXIT.rpcError, `cannot start node ${index}`)
  return {
    index,
    ref,
    exit: () =>
      exit === undefined ? undefined : { code: exit.code, said: lastWords(home.logFile, before) },
  }
}

/** Settings of the caller's own daemon must not reach all nodes at once. */
function withoutOwnSettings(env: Environment): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(
    ([name]) => !name.startsWith('HEARSAY_') || name === 'HEARSAY_LOG_LEVEL',
  )
  return Object.fromEntries(kept)
}

/** Fixes the addresses in the node's config.toml; a file that exists keeps its other settings. */
function writeConfig(file: string, { address, announce }: SpawnOptions): void {
  const exists = statSync(file, { throwIfNoEntry: false }) !== undefined
  let text = exists ? readFileSync(file, 'utf8') : exampleConfig()
  text = setInText(text, 'listen', [address])
  if (announce !== undefined) text = setInText(text, 'announce', [announce])
  writeFileSync(file, text, { mode: 0o600 })
}

function lastWords(logFile: string, from: number): string {
  const lines = readFileSync(logFile).subarray(from).subarray(-LAST_WORDS_BYTES).toString('utf8')
  return lines
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('{'))
    .join('; ')
}
