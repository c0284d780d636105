import type { Environment, Home } from '../home.ts'

/** What programs need to run at all and to find their user's files; secrets in variables are not among it. */
const PASSED = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'LANG',
  'LC_ALL',
  'LC_CTYPE',
  'TZ',
  'TMPDIR',
  'XDG_DATA_HOME',
  'XDG_CONFIG_HOME',
  'XDG_STATE_HOME',
  'XDG_RUNTIME_DIR',
]

/** The environment of a hook's program: enough to call `hearsay`, or the socket, of this daemon. */
export function hookEnvironment(env: Environment, home: Home): Record<string, string> {
  const passed = PASSED.flatMap((name): [string, string][] => {
    const value = env[name]
    return value === undefined ? [] : [[name, value]]
  })
  return {
    ...Object.fromEntries(passed),
    ...(home.single ? { HEARSAY_HOME: home.root } : {}),
    HEARSAY_SOCKET: home.socket,
  }
}
