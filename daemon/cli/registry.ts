import type { Context } from './context.ts'

/** What a command returns: its exit code, or nothing for 0. */
export type Outcome = number | undefined | void

/** Handed to a command's `register`. */
export interface Registry {
  /** Wraps an action, so that failures are told and mapped to exit codes in one place. */
  action<A extends unknown[]>(
    run: (context: Context, ...args: A) => Promise<Outcome> | Outcome,
  ): (...args: unknown[]) => Promise<void>
  /** Registers the commands whose modules are not loaded yet. */
  loadAll(): Promise<void>
}
