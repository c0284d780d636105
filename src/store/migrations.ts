import { SCHEMA_VERSION } from './constants.ts'
import type { Engine } from './engine.ts'
import { encodeFormat, META_KEYS } from './meta.ts'
import { corrupt } from './storage-error.ts'
import type { Vault } from './vault.ts'

/** One step of the schema, in place. It must be safe to run again after a crash in the middle. */
export interface Migration {
  /** The version it starts from; it leads to the next one. */
  readonly from: number
  run(engine: Engine, vault: Vault): Promise<void>
}

/** What this program reads and writes, and the ways to it. */
export interface Schema {
  readonly version: number
  /** One per older version that is still read. */
  readonly migrations: readonly Migration[]
}

/**
 * 2: what a reader of a stream holds is in rows of its own. The conversations still read the older form and write the
 * newer one, so nothing is to be done here; an older program would take a value of version 2 for damaged.
 * 3: the same of cards of contacts, which say since when boxes may be missing, and of boxes that are not confirmed.
 * 4: the same of readers of streams, which know the digest of the last record.
 */
export const SCHEMA: Schema = {
  version: SCHEMA_VERSION,
  migrations: [
    { from: 1, run: async () => {} },
    { from: 2, run: async () => {} },
    { from: 3, run: async () => {} },
  ],
}

/**
 * Brings a store of version `found` to the schema's. The version is written after each step, so a stop anywhere
 * repeats at most the step under way. @throws HearsayError `storage-corrupt` when a step is missing.
 */
export async function migrate(
  ports: { readonly engine: Engine; readonly vault: Vault },
  schema: Schema,
  found: number,
): Promise<void> {
  const { engine, vault } = ports
  for (let version = found; version < schema.version; version++) {
    const step = schema.migrations.find(({ from }) => from === version)
    if (step === undefined) throw corrupt('no way to migrate from this version', { found })
    await step.run(engine, vault)
    const value = encodeFormat(vault, version + 1)
    await engine.write([{ type: 'put', key: META_KEYS.format, value }])
  }
}
