import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { formatBytes } from '../duration.ts'
import type { Registry } from '../registry.ts'

export function register(program: Command, registry: Registry): void {
  const db = program.command('db').description('the database')
  db.command('stats').description('how much is stored').action(registry.action(stats))
}

async function stats(context: Context): Promise<void> {
  const result = await context.call('db.stats')
  context.out.data(
    result,
    `size      ${formatBytes(result.bytes)}\n` +
      `boxes     ${result.boxes}\n` +
      `messages  ${result.messages}\n` +
      `events    ${result.oldestSeq} to ${result.headSeq}, epoch ${result.epoch}\n`,
  )
}
