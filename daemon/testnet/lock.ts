import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { EXIT, ExitError, systemCode } from '../exit-codes.ts'

/** Held while a command changes a testnet. */
export interface TestnetLock extends AsyncDisposable {
  release(): Promise<void>
}

/**
 * Takes the exclusive lock of `dir`. The operating system holds it (through the lock of a LevelDB), so it
 * ends with the process however that ends; a lock file that is merely there would outlive a crash.
 * @throws ExitError 8 when another process has it.
 */
export async function lockTestnet(dir: string): Promise<TestnetLock> {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const { Level } = await import('level')
  const level = new Level(join(dir, 'lock'))
  try {
    await level.open()
  } catch (error) {
    const cause = (error as { cause?: unknown }).cause
    if (systemCode(cause) !== 'LEVEL_LOCKED') throw error
    throw new ExitError(
      EXIT.conflict,
      `another hearsay command is using the testnet in ${dir}`,
      'wait for it or stop it (Ctrl-C), or use another --dir',
    )
  }
  const release = () => level.close()
  return { release, [Symbol.asyncDispose]: release }
}
