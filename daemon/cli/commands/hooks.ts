import type { Command } from 'commander'
import { RpcFailure } from '../../../rpc/client/index.ts'
import { EXIT, ExitError } from '../../exit-codes.ts'
import type { Context } from '../context.ts'
import type { Registry } from '../registry.ts'

export function register(program: Command, registry: Registry): void {
  const hooks = program.command('hooks').description('programs of config.toml that get events')
  hooks
    .command('ack')
    .description('say that you have seen what a hook has missed: the status counts anew')
    .argument('<name>')
    .action(registry.action(ack))
}

async function ack(context: Context, hook: string): Promise<void> {
  const { out } = context
  try {
    const result = await context.call('hooks.ack', context.keyed({ hook }))
    const { missed, missedAt } = result
    out.note(
      missedAt === null
        ? `${out.ok} nothing was missed`
        : `${out.ok} ${missed} missed, the last found at ${missedAt}: no longer in the status`,
    )
    out.data(result, '')
  } catch (error) {
    if (!(error instanceof RpcFailure) || error.kind !== 'NOT_FOUND') throw error
    throw new ExitError(EXIT.notFound, `no hook "${hook}"`, 'hearsay status lists them')
  }
}
