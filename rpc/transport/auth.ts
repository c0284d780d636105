import { hash, timingSafeEqual } from 'node:crypto'
import { closeSync, fchmodSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { type Clock, HearsayError, type Rng, toBase64Url } from '../../src/base/index.ts'
import { AUTH_FAILURES, AUTH_WINDOW_MS, COOKIE_BYTES } from '../constants.ts'
import { OWNER, type Principal } from '../server/principal.ts'

/** Tells whose a token is. */
export interface TokenVerifier {
  verify(token: string): Principal | undefined
}

/**
 * The token of this run of the daemon: 32 random bytes in a file of mode 0600. Only its SHA-256 is kept in
 * memory, and hashes are compared in constant time.
 */
export class Cookie implements TokenVerifier {
  readonly #path: string
  readonly #hash: Buffer

  private constructor(path: string, digest: Buffer) {
    this.#path = path
    this.#hash = digest
  }

  /** Writes a fresh cookie over an old one, never readable by others. @throws HearsayError `storage-failed`. */
  static create(path: string, rng: Rng): Cookie {
    const token = toBase64Url(rng.bytes(COOKIE_BYTES))
    const temporary = `${path}.new`
    try {
      rmSync(temporary, { force: true })
      // 'wx' refuses a link that somebody put there.
      const file = openSync(temporary, 'wx', 0o600)
      try {
        fchmodSync(file, 0o600)
        writeSync(file, token)
        fsyncSync(file)
      } finally {
        closeSync(file)
      }
      renameSync(temporary, path)
    } catch (cause) {
      throw new HearsayError('storage-failed', 'the cookie file cannot be written', {}, cause)
    }
    return new Cookie(path, sha256(token))
  }

  verify(token: string): Principal | undefined {
    return timingSafeEqual(sha256(token), this.#hash) ? OWNER : undefined
  }

  /** Removes the file; the token is worthless from then on. */
  remove(): void {
    rmSync(this.#path, { force: true })
  }
}

/** Counts failed attempts in windows. A valid token is never refused because others guess. */
export class FailureLimit {
  readonly #clock: Clock
  #since = Number.NEGATIVE_INFINITY
  #count = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** How many failures over the limit the window has, 0 for none. Records one. */
  failed(): number {
    const now = this.#clock.monotonic()
    if (now - this.#since >= AUTH_WINDOW_MS) {
      this.#since = now
      this.#count = 0
    }
    this.#count += 1
    return Math.max(0, this.#count - AUTH_FAILURES)
  }
}

/** The token of an Authorization header, or undefined. */
export function bearerToken(header: string | undefined): string | undefined {
  return /^Bearer ([A-Za-z0-9._~+/=-]{1,512})$/i.exec(header ?? '')?.[1]
}

function sha256(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}
