import { cpSync, linkSync, lstatSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** Copies the home of a daemon that does not run; a socket that it left behind is not copied. */
export function copyHome(from: string, to: string): void {
  cpSync(from, to, { recursive: true, filter: (path) => !lstatSync(path).isSocket() })
}

/** Puts a copy in place of the home. The copy is gone afterwards. */
export function putBackHome(copy: string, home: string): void {
  rmSync(home, { recursive: true, force: true })
  copyHome(copy, home)
  rmSync(copy, { recursive: true, force: true })
}

/**
 * As `copyHome`, in place of what was there, but the copy does not know that it is one: its witness is the same file. Only for
 * nodes that nobody hears, because it uses keys and counters again.
 */
export function twinHome(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true })
  copyHome(from, to)
  rmSync(join(to, 'witness'))
  linkSync(join(from, 'witness'), join(to, 'witness'))
}
