/** Exit codes of the command line. A script may rely on them; they are listed in `hearsay --help`. */
export const EXIT = {
  ok: 0,
  rpcError: 1,
  usage: 2,
  unreachable: 3,
  auth: 4,
  notReady: 5,
  /** The daemon has accepted the message and will deliver it; it was not confirmed in time. */
  unconfirmed: 6,
  notFound: 7,
  conflict: 8,
  quota: 9,
  storage: 10,
  network: 11,
  trust: 12,
} as const

/** Exit codes of the daemon itself, from sysexits.h. The unit of `systemd install` restarts on all but 0, 64, 65, 77, 78. */
export const DAEMON_EXIT = {
  ok: 0,
  usage: 64,
  dataCorrupt: 65,
  unavailable: 69,
  bug: 70,
  ioError: 74,
  temporary: 75,
  permission: 77,
  config: 78,
} as const

/**
 * A failure that a person can do something about: `message` names the cause, `fix` what to do, and
 * `exitCode` is what a script sees. Neither holds a secret.
 */
export class ExitError extends Error {
  readonly exitCode: number
  readonly fix: string | undefined

  constructor(exitCode: number, message: string, fix?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'ExitError'
    this.exitCode = exitCode
    this.fix = fix
  }
}

/** The message of anything thrown, without its stack. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The `code` of a system error such as ENOENT; undefined for everything else. */
export function systemCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : undefined
}
