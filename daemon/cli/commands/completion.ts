import type { Command } from 'commander'
import { COMMANDS } from '../catalogue.ts'
import { completionScript } from '../completion-script.ts'
import type { Registry } from '../program.ts'

export function register(program: Command, registry: Registry): void {
  program
    .command('completion')
    .description('print a completion script: source <(hearsay completion bash)')
    .argument('<shell>', 'bash, zsh or fish')
    .action(
      registry.action(async (context, shell: string) => {
        for (const entry of COMMANDS) {
          if (program.commands.some((known) => entry.names.includes(known.name()))) continue
          const { register: registerOther } = await entry.load()
          registerOther(program, registry)
        }
        context.out.raw(completionScript(program, shell))
      }),
    )
}
