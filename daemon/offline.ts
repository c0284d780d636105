import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, isHearsayError, type Rng, silentLogger } from '../src/base/index.ts'
import { type CheckResult, openStore, renewHome } from '../src/store/index.ts'
import { EXIT, ExitError } from './exit-codes.ts'
import type { Home } from './home.ts'
import { explainStart } from './startup-errors.ts'

/**
 * Opens the store of a home whose daemon is not running and reads all of it.
 * @throws ExitError 7 when there is none, 5 while a daemon has it, 10 when it does not even open.
 */
export async function checkOffline(
  ports: { readonly clock: Clock; readonly rng: Rng },
  home: Home,
): Promise<CheckResult> {
  return withDatabase(home, async () => {
    const store = await openStore(
      { ...ports, log: silentLogger },
      { dir: home.root, keyFile: home.keyFile, verify: true },
    )
    try {
      return await store.check()
    } finally {
      await store.close()
    }
  })
}

/** Lets the next start of a home begin as a new device. @throws as `checkOffline`. */
export function renewOffline(home: Home): Promise<void> {
  return withDatabase(home, () => renewHome({ dir: home.root }))
}

async function withDatabase<T>(home: Home, use: () => Promise<T>): Promise<T> {
  if (!existsSync(join(home.root, 'db', 'CURRENT'))) {
    throw new ExitError(EXIT.notFound, `there is no database in ${home.root}`)
  }
  try {
    return await use()
  } catch (error) {
    const code = isHearsayError(error, 'storage-locked') ? EXIT.notReady : EXIT.storage
    const { message, fix } = explainStart(error, home, [])
    throw new ExitError(code, message, fix, error)
  }
}
