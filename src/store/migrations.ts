import type { Engine } from './engine.ts'
import type { Vault } from './vault.ts'

/** One step of the schema, in place. It must be safe to run again after a crash in the middle. */
export interface Migration {
  /** The version it starts from; it leads to the next one. */
  readonly from: number
  run(engine: Engine, vault: Vault): Promise<void>
}

export const MIGRATIONS: readonly Migration[] = []
