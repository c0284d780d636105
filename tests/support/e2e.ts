import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '../../daemon/connect.ts'
import type { Rpc } from '../../daemon/rpc-port.ts'

export const ROOT = join(import.meta.dirname, '..', '..')
/** The command as a user starts it; it runs what is in dist/. */
export const LAUNCHER = join(ROOT, 'hearsay')

const DEFAULT_TIMEOUT_MS = 120_000
const POLL_MS = 50

export interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  readonly cwd?: string
  readonly timeoutMs?: number
}

/** A program that runs, with what it has written. */
export class Running {
  readonly child: ChildProcess
  readonly result: Promise<CommandResult>
  stdout = ''
  stderr = ''

  constructor(file: string, args: readonly string[], options: CommandOptions = {}) {
    this.child = spawn(file, args, {
      cwd: options.cwd ?? ROOT,
      env: { ...cleanEnvironment(), ...options.env },
      stdio: 'pipe',
      timeout: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.child.stdin?.on('error', () => {})
    this.child.stdin?.end(options.input ?? '')
    this.result = new Promise((resolve, reject) => {
      this.child.once('error', reject)
      this.child.once('close', (code) => {
        resolve({ code, stdout: this.stdout, stderr: this.stderr })
      })
    })
  }

  /** Resolves when stdout or stderr holds `text`. Rejects when the program ends before. */
  async says(text: string, timeoutMs = 30_000): Promise<void> {
    const said = () => this.stdout + this.stderr
    const deadline = performance.now() + timeoutMs
    while (!said().includes(text)) {
      const { exitCode } = this.child
      if (exitCode !== null) throw new Error(`ended with ${exitCode} before "${text}": ${said()}`)
      if (performance.now() > deadline) {
        this.child.kill('SIGKILL')
        throw new Error(`did not say "${text}" within ${timeoutMs} ms: ${said()}`)
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }
}

/** Runs `hearsay` to its end. */
export function hearsay(args: readonly string[], options?: CommandOptions): Promise<CommandResult> {
  return new Running(LAUNCHER, args, options).result
}

/** Runs `hearsay --json` and parses what it printed. @throws Error with stderr for another exit code than 0. */
export async function hearsayJson<T>(
  args: readonly string[],
  options?: CommandOptions,
): Promise<T> {
  const { code, stdout, stderr } = await hearsay(['--json', ...args], options)
  if (code !== 0) throw new Error(`hearsay ${args.join(' ')} ended with ${code}: ${stderr}`)
  return JSON.parse(stdout) as T
}

function cleanEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !/^(HEARSAY_|npm_|VITEST|NODE_OPTIONS)/.test(entry[0]),
  )
  return Object.fromEntries(kept)
}

/** Asks `probe` until it gives something. The deadline is the only limit; there is no fixed wait. */
export async function eventually<T>(
  what: string,
  timeoutMs: number,
  probe: () => Promise<T | undefined | false>,
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const found = await probe()
    if (found !== undefined && found !== false) return found
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

/** A folder with a short name, removed at the end. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'hs-'))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

export interface TestnetNode {
  readonly index: number
  readonly home: string
  readonly rpc: string
  readonly pid: number | null
  readonly peerId: string
  readonly state: string
}

export interface Testnet {
  readonly dir: string
  readonly nodes: readonly TestnetNode[]
  /** `hearsay testnet <words> --dir <dir>` */
  run(...words: string[]): Promise<CommandResult>
  rpc(index: number): Promise<Rpc>
  home(index: number): string
}

/** A testnet of `count` daemons that is stopped and deleted at the end, whatever happens; `flags` of `testnet up`. */
export async function withTestnet<T>(
  count: number,
  use: (net: Testnet) => Promise<T>,
  ...flags: string[]
): Promise<T> {
  return withFolder(async (folder) => {
    const dir = join(folder, 'net')
    const run = async (...words: string[]) => hearsay(['testnet', ...words, '--dir', dir])
    try {
      const up = await hearsayJson<{ nodes: readonly TestnetNode[] }>([
        'testnet',
        'up',
        '--dir',
        dir,
        '--nodes',
        String(count),
        ...flags,
      ])
      const at = (index: number) => {
        const node = up.nodes[index]
        if (node === undefined) throw new Error(`no node ${index}`)
        return node
      }
      return await use({
        dir,
        nodes: up.nodes,
        run,
        rpc: (index) => connect({ socket: at(index).rpc }),
        home: (index) => at(index).home,
      })
    } finally {
      await run('down', '--wipe')
    }
  })
}

/** Makes two nodes of a testnet contacts of each other, called `node-<i>`, and waits until both are ready. */
export async function befriend(net: Testnet, a: number, b: number): Promise<void> {
  const [first, second] = [await net.rpc(a), await net.rpc(b)]
  try {
    const { uri } = await first.call('contacts.invite', { label: `node-${b}` })
    await second.call('contacts.add', { uri, alias: `node-${a}` })
    await eventually(`contact between ${a} and ${b}`, 60_000, async () => {
      const views = await Promise.all([
        first.call('contacts.get', { contact: `node-${b}` }),
        second.call('contacts.get', { contact: `node-${a}` }),
      ])
      return views.every(({ state }) => state === 'ready')
    })
  } finally {
    first.close()
    second.close()
  }
}
