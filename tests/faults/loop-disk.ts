import { execFile, spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { systemCode } from '../../daemon/exit-codes.ts'
import { systemClock } from '../../src/base/index.ts'

const run = promisify(execFile)
const BUSY_MS = 10_000
const BUSY_POLL_MS = 20
const BLOCK = Buffer.alloc(65_536, 'x')

/**
 * An ext4 file system of its own in a file, mounted over a folder. What the kernel has not written to the file yet is
 * lost with the power; a copy of the file is what a machine finds after that. Needs root and loop devices.
 */
export class LoopDisk {
  readonly folder: string
  readonly #image: string
  #mounted = false

  constructor(options: { folder: string; image: string }) {
    this.folder = options.folder
    this.#image = options.image
  }

  /** Why this machine cannot mount one in `scratch`; undefined where it can. */
  static async missing(scratch: string): Promise<string | undefined> {
    const probe = new LoopDisk({
      folder: join(scratch, 'probe'),
      image: join(scratch, 'probe.img'),
    })
    try {
      await probe.create(16)
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message.split('\n').slice(0, 2).join(': ') : 'unknown'
    } finally {
      await probe.remove()
    }
  }

  async create(megabytes: number): Promise<void> {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 })
    await run('truncate', ['-s', `${megabytes}M`, this.#image])
    // No blocks for root: the disk is full for the daemon when it is full.
    await run('mkfs.ext4', ['-q', '-F', '-m', '0', this.#image])
    await this.mount()
  }

  async mount(): Promise<void> {
    await run('mount', ['-o', 'loop', this.#image, this.folder])
    this.#mounted = true
  }

  /**
   * What is mounted becomes what was on the disk when this was called. Whoever writes to it must be frozen by then;
   * `ended` ends it, so that nothing is open any more.
   */
  async cutPower(ended: () => Promise<void>): Promise<void> {
    const copy = `${this.#image}.after`
    await run('cp', ['--sparse=always', this.#image, copy])
    await ended()
    await this.unmount()
    await run('mv', [copy, this.#image])
    await this.mount()
  }

  /** Writes a file without syncing it, as a program would that forgets to. The answer says whether all of it is there. */
  writeUnsynced(name: string): () => boolean {
    const file = join(this.folder, name)
    writeFileSync(file, BLOCK)
    return () => existsSync(file) && readFileSync(file).equals(BLOCK)
  }

  async unmount(): Promise<void> {
    if (!this.#mounted) return
    // A process counts as gone when its first thread is; the others may still be closing its files.
    const deadline = performance.now() + BUSY_MS
    for (;;) {
      try {
        await run('umount', [this.folder])
        break
      } catch (error) {
        if (performance.now() > deadline) throw error
        await systemClock.sleep(BUSY_POLL_MS)
      }
    }
    this.#mounted = false
  }

  /** Takes all the room there is: at first what is free, at once, then what is left, byte by byte. */
  fill(): void {
    const ballast = join(this.folder, 'ballast')
    const { bavail, bsize } = statfsSync(this.folder)
    if (bavail > 0) spawnSync('fallocate', ['-l', String(bavail * bsize), ballast])
    const file = openSync(join(this.folder, 'rest'), 'a')
    try {
      for (let bytes = BLOCK.length; bytes > 0; ) {
        try {
          writeSync(file, BLOCK, 0, bytes)
        } catch (error) {
          if (systemCode(error) !== 'ENOSPC') throw error
          bytes = Math.floor(bytes / 2)
        }
      }
    } finally {
      closeSync(file)
    }
  }

  /** Takes away what `fill` wrote. */
  free(): void {
    for (const name of ['ballast', 'rest']) rmSync(join(this.folder, name), { force: true })
  }

  async remove(): Promise<void> {
    await this.unmount()
    rmSync(this.#image, { force: true })
    rmSync(`${this.#image}.after`, { force: true })
  }
}
