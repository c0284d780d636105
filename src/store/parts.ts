import type { Clock, Failpoints, Logger, Rng } from '../base/index.ts'
import type { Committer } from './committer.ts'
import type { Engine } from './engine.ts'
import type { FilePort } from './files.ts'
import type { ValueReader } from './reader.ts'
import type { Reserve } from './reserve.ts'
import type { Secrets } from './secrets.ts'
import type { Shelf } from './shelf.ts'
import type { Vault } from './vault.ts'
import type { Witness } from './witness.ts'

export interface StorePorts {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  /** Default: the operating system's files. */
  readonly files?: FilePort
  readonly failpoints?: Failpoints
}

/** Paths of a home; `database` is LevelDB's directory, the rest are single files. */
export interface HomePaths {
  readonly directory: string
  readonly database: string
  readonly shelf: string
  readonly watermark: string
  readonly reserve: string
  readonly clean: string
  /** The file that tells this home from its copy. */
  readonly witness: string
  /** Written and removed to see whether the disk takes writes again. */
  readonly probe: string
}

export function homePaths(directory: string): HomePaths {
  return {
    directory,
    database: `${directory}/db`,
    shelf: `${directory}/secrets.shelf`,
    watermark: `${directory}/watermark`,
    reserve: `${directory}/reserve.bin`,
    clean: `${directory}/clean`,
    witness: `${directory}/witness`,
    probe: `${directory}/probe`,
  }
}

/** Everything an open store is made of. A store that heals gets new ones. */
export interface Parts {
  readonly files: FilePort
  readonly paths: HomePaths
  readonly engine: Engine
  readonly vault: Vault
  readonly shelf: Shelf
  readonly secrets: Secrets
  readonly committer: Committer
  readonly reader: ValueReader
  readonly reserve: Reserve
  readonly witness: Witness
  readonly epoch: string
  /** This opening began a new generation. */
  readonly restored: boolean
  /** Closes database, shelf and watermark, in this order; all of them even when one fails. */
  readonly closeFiles: () => Promise<void>
}

/** The parts of a store at this moment. */
export interface Live {
  readonly parts: Parts
  /** The parts for reading, once no others are taking their place. */
  ready(): Promise<Parts>
}
