import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Why there may be no sandbox, or not the devices or mounts in it; any other reason is a fault of the test. */
export const UNABLE = /may have no namespaces|ENOENT|not permitted|[Pp]ermission denied/

const START_MS = 5_000
const POLL_MS = 5

/**
 * A place where this process may mount file systems and make network devices: the computer itself for root, else
 * namespaces that Linux lets an ordinary user have. There nothing of it is seen outside, and it ends with this process.
 */
export class Sandbox {
  readonly #holder: ChildProcess | undefined

  /** @throws Error when the user may have no namespaces. */
  constructor() {
    if (process.getuid?.() === 0) return
    const holder = spawn('unshare', ['--user', '--map-root-user', '--mount', '--net', 'cat'], {
      // Its end is the end of our pipe.
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    holder.on('error', () => {})
    const deadline = performance.now() + START_MS
    while (nameOf(holder.pid) !== 'cat') {
      if (nameOf(holder.pid) === undefined || performance.now() > deadline) {
        holder.kill()
        throw new Error('this user may have no namespaces')
      }
      pause(POLL_MS)
    }
    this.#holder = holder
    try {
      // Where the names of network namespaces are kept.
      this.run('mount', '-t', 'tmpfs', 'tmpfs', '/run')
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** The words in front of a command that runs in it; the command keeps the pid that the start returns. */
  get words(): readonly string[] {
    const pid = this.#holder?.pid
    if (pid === undefined) return []
    return ['nsenter', `--target=${pid}`, '--user', '--mount', '--net', '--preserve-credentials']
  }

  /** @throws Error with what the command said when it does not succeed. */
  run(...command: readonly string[]): void {
    const [file = '', ...args] = [...this.words, ...command]
    const { status, error, stderr } = spawnSync(file, args, { encoding: 'utf8' })
    if (status === 0) return
    const reason = error?.message ?? stderr.trim().split('\n')[0] ?? ''
    throw new Error(`"${command.join(' ')}" failed: ${reason}`)
  }

  /** After everything that ran in it has ended. */
  close(): void {
    this.#holder?.kill()
  }
}

/** Undefined for a process that is not there, or has ended. */
function nameOf(pid: number | undefined): string | undefined {
  try {
    const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')) ? undefined : name
  } catch {
    return undefined
  }
}

/** Without a turn of the event loop: whoever makes a sandbox may be choosing which tests there are. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
