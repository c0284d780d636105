/** The server's process of the rpc bench: a real RpcServer over a fake node, on the socket in argv. */
import { systemClock, systemRng, silentLogger } from '../../src/base/index.ts'
import { RpcServer } from '../../rpc/index.ts'
import { FakeNodeApi } from '../support/fake-node-api.ts'

const socketPath = process.argv[2]
if (socketPath === undefined) throw new Error('usage: rpc-server.ts SOCKET')
const server = new RpcServer(
  {
    node: new FakeNodeApi(),
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
  { socketPath },
)
await server.start()
const before = process.cpuUsage()
process.send?.({ ready: true })
process.on('message', () => {
  const { user, system } = process.cpuUsage(before)
  process.send?.({ cpuMs: (user + system) / 1_000 })
})
process.on('disconnect', () => process.exit(0))
