import type { Command } from 'commander'
import type { Registry } from './registry.ts'

export interface CommandModule {
  readonly register: (program: Command, registry: Registry) => void
}

export interface CatalogueEntry {
  /** The first words that this module answers to. */
  readonly names: readonly string[]
  load(): Promise<CommandModule>
}

/** Every command, in the order of `hearsay --help`. A module is loaded when its word is used. */
export const COMMANDS: readonly CatalogueEntry[] = [
  { names: ['init', 'up', 'down', 'run'], load: () => import('./commands/lifecycle.ts') },
  { names: ['status', 'wait', 'doctor'], load: () => import('./commands/status.ts') },
  { names: ['version'], load: () => import('./commands/version.ts') },
  { names: ['network'], load: () => import('./commands/network.ts') },
  { names: ['peers'], load: () => import('./commands/peers.ts') },
  { names: ['contact'], load: () => import('./commands/contact.ts') },
  { names: ['send'], load: () => import('./commands/send.ts') },
  { names: ['listen', 'events'], load: () => import('./commands/events.ts') },
  { names: ['hooks'], load: () => import('./commands/hooks.ts') },
  { names: ['history', 'show', 'outbox', 'cancel'], load: () => import('./commands/history.ts') },
  { names: ['rpc'], load: () => import('./commands/rpc.ts') },
  { names: ['config'], load: () => import('./commands/config.ts') },
  { names: ['db'], load: () => import('./commands/db.ts') },
  { names: ['testnet'], load: () => import('./commands/testnet.ts') },
  { names: ['completion'], load: () => import('./commands/completion.ts') },
  { names: ['systemd'], load: () => import('./commands/systemd.ts') },
]
