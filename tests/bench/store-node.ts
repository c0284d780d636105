/**
 * The process under test of the benches `events` and `send`: a node over the store of a home on a real disk, behind the
 * real RPC server. `store-node.ts HOME`: says `ready`, answers `rss` with `{rss}` in bytes, and stops in good order when its
 * parent lets go of it.
 */
import { join } from 'node:path'
import { RpcServer } from '../../rpc/index.ts'
import { silentLogger, systemClock, systemRng } from '../../src/base/index.ts'
import { createNode } from '../../src/node/index.ts'

const [, , home] = process.argv
if (home === undefined) throw new Error('usage: store-node.ts HOME')

const node = await createNode(
  { clock: systemClock, rng: systemRng, log: silentLogger },
  { home, listen: ['/ip4/127.0.0.1/tcp/0'], version: 'bench' },
)
await node.start()
const server = new RpcServer(
  {
    node: node.api,
    config: {
      get: async () => ({}),
      set: async () => ({ applied: 'live' }),
      reload: async () => ({ restartNeeded: [] }),
    },
    clock: systemClock,
    rng: systemRng,
    log: silentLogger,
    versions: { daemon: 'bench', node: process.versions.node },
  },
  { socketPath: join(home, 'rpc.sock') },
)
await server.start()
process.send?.('ready')

process.on('message', (message) => {
  if (message === 'rss') process.send?.({ rss: process.memoryUsage.rss() })
})
process.on('disconnect', () => {
  const stop = async () => {
    await server.stop()
    await node.stop()
    process.exit(0)
  }
  stop().catch(() => process.exit(1))
})
