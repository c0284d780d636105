import type { Command } from 'commander'
import { completionScript } from '../completion-script.ts'
import type { Registry } from '../registry.ts'

export function register(program: Command, registry: Registry): void {
  program
    .command('completion')
    .description('print a completion script: source <(hearsay completion bash)')
    .argument('<shell>', 'bash, zsh or fish')
    .action(
      registry.action(async (context, shell: string) => {
        await registry.loadAll()
        context.out.raw(completionScript(program, shell))
      }),
    )
}
