import { writeFileSync } from 'node:fs'
import { exampleConfig, setInText } from './config/index.ts'
import { DAEMON_EXIT, ExitError, reasonOf, systemCode } from './exit-codes.ts'
import { freePort } from './free-port.ts'
import { ensureHome, type Home } from './home.ts'

/**
 * Makes the folders of a home and, where there is none, a config.toml that explains every key and fixes
 * one free port: the addresses that others learn stay true after a restart, and two homes on one machine
 * do not collide. @throws ExitError 77, 74.
 */
export async function prepareHome(home: Home): Promise<{ created: boolean }> {
  ensureHome(home)
  const text = setInText(exampleConfig(), 'listen', [`/ip4/0.0.0.0/tcp/${await freePort()}`])
  try {
    writeFileSync(home.configFile, text, { flag: 'wx', mode: 0o600 })
    return { created: true }
  } catch (error) {
    const code = systemCode(error)
    if (code === 'EEXIST') return { created: false }
    throw new ExitError(
      code === 'EACCES' ? DAEMON_EXIT.permission : DAEMON_EXIT.ioError,
      code === 'ENOSPC'
        ? `the disk under ${home.root} is full`
        : `cannot write ${home.configFile}: ${code ?? reasonOf(error)}`,
      code === 'ENOSPC' ? 'free some space and start again' : undefined,
      error,
    )
  }
}
