import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { rpcDuration } from '../duration.ts'
import { listAll } from '../listing.ts'
import type { Registry } from '../registry.ts'
import { table } from '../table.ts'

export function register(program: Command, registry: Registry): void {
  const peers = program.command('peers').description('nodes that this one knows')
  peers.command('list').description('every known node').action(registry.action(list))
  peers
    .command('ban')
    .description('refuse a node')
    .argument('<peerId>')
    .option('--ttl <duration>', 'for how long; without it, for good')
    .action(registry.action(ban))
}

async function list(context: Context): Promise<void> {
  const items = await context.withRpc((rpc) => listAll(rpc, 'peers.list', {}))
  const rows = items.map((peer) => [
    peer.peerId,
    peer.banned ? 'banned' : peer.connected ? 'connected' : 'known',
    peer.addresses[0] ?? '-',
  ])
  context.out.data({ items }, table(['peer', 'state', 'address'], rows))
}

async function ban(context: Context, peerId: string, options: { ttl?: string }): Promise<void> {
  const ttl = options.ttl === undefined ? {} : { ttl: rpcDuration(options.ttl) }
  const result = await context.call('peers.ban', context.keyed({ peerId, ...ttl }))
  context.out.data(result, '')
  context.out.note(`${context.out.ok} banned`)
}
