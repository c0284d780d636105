import { cpSync, lstatSync, rmSync } from 'node:fs'

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
