import type { Command } from 'commander'
import { packageVersion } from '../../version.ts'
import type { Registry } from '../registry.ts'

export function register(program: Command, registry: Registry): void {
  program
    .command('version')
    .description('print the version; asks no daemon')
    .action(
      registry.action((context) => {
        const version = packageVersion()
        const node = process.versions.node
        context.out.data({ version, node }, `hearsay ${version} (Node ${node})`)
      }),
    )
}
