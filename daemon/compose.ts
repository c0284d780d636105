import { chmodSync, existsSync } from 'node:fs'
import { RpcServer, type TcpOptions } from '../rpc/index.ts'
import { systemClock, systemRng } from '../src/base/index.ts'
import { createNode, type HearsayNode, type NodePorts } from '../src/node/index.ts'
import { bytesOfSize, type Config, LiveConfig, type LogLevel } from './config/index.ts'
import { refuseTaken } from './free-port.ts'
import { Hooks, hookEnvironment } from './hooks/index.ts'
import type { Environment, Home } from './home.ts'
import type { DaemonLog } from './logging.ts'
import { packageVersion } from './version.ts'

/** Ports that only a test gives. */
export type Taps = Pick<NodePorts, 'net' | 'onEmission'>

export interface ComposeOptions {
  readonly home: Home
  readonly config: Config
  /** Reads the settings again, by the same rule as `config`. @throws ExitError. */
  readonly reload: () => Config
  readonly env: Environment
}

/** A daemon whose RPC answers. */
export interface Daemon {
  readonly peerId: string
  /** Port of the RPC over HTTP, where one was configured. */
  readonly httpPort: number | undefined
  /** Resolves when a client asked the node to stop. */
  readonly stopRequested: Promise<void>
  /** Resolves with the reason when the node cannot go on. */
  readonly failed: Promise<Error>
  /** Hooks first, whose programs may call; then the RPC, so that no call meets a node that is half gone. */
  stop(): Promise<void>
}

/**
 * Plugs node, RPC and settings together and starts them: the node first, which takes the lock of the
 * database, so that the socket of another living daemon is never touched. A failed start leaves nothing open.
 */
export async function compose(
  log: DaemonLog,
  options: ComposeOptions,
  taps: Taps = {},
): Promise<Daemon> {
  const { home, config } = options
  const version = packageVersion()
  const announce = config.get('announce')
  const node = await createNode(
    {
      clock: systemClock,
      rng: systemRng,
      log,
      hooks: (head) => hooks.status(head),
      ...taps,
    },
    {
      home: home.root,
      listen: [...config.get('listen')],
      ...(announce.length === 0 ? {} : { announce: [...announce] }),
      reachable: config.get('reachable'),
      mailboxQuotaBytes: bytesOfSize(config.get('mailbox.quota')),
      version,
    },
  )
  const hooks: Hooks = new Hooks(
    { clock: systemClock, log: log.child('hooks'), events: node.api.events },
    { env: hookEnvironment(options.env, home), cwd: home.root },
  )
  const stopRequested = new Promise<void>((resolve) => node.onStopRequested(() => resolve()))
  try {
    // After the database: a second daemon on this home should hear of the first one, not of its port.
    await refuseTaken(config.get('listen'))
    await node.start()
  } catch (error) {
    await node.stop()
    throw error
  }
  const rpc = new RpcServer(
    {
      node: node.api,
      config: liveConfig({ log, hooks, node }, options),
      clock: systemClock,
      rng: systemRng,
      log: log.child('rpc'),
      versions: { daemon: version, node: process.versions.node },
    },
    { socketPath: home.socket, ...tcpOptions(options) },
  )
  try {
    await rpc.start()
    if (existsSync(home.cookieFile)) {
      chmodSync(home.cookieFile, Number.parseInt(config.get('rpc.cookie_mode'), 8))
    }
    // Last: a program may call at once.
    await hooks.apply(config.hooks)
  } catch (error) {
    await hooks.stop()
    await rpc.stop()
    await node.stop()
    throw error
  }
  return {
    peerId: (await node.api.identity.get()).peerId,
    httpPort: rpc.tcpPort,
    stopRequested,
    failed: node.failed,
    async stop() {
      await hooks.stop()
      await rpc.stop()
      await node.stop()
    },
  }
}

function liveConfig(
  { log, hooks, node }: { log: DaemonLog; hooks: Hooks; node: HearsayNode },
  { home, config, reload }: ComposeOptions,
): LiveConfig {
  return new LiveConfig(
    {
      apply(key, value) {
        if (key === 'log.level') log.setLevel(value as LogLevel)
        if (key === 'mailbox.quota') node.setMailboxQuota(bytesOfSize(value as string))
      },
      applyHooks: (configs) => hooks.apply(configs),
      load: reload,
    },
    { file: home.configFile, started: config },
  )
}

function tcpOptions({ home, config }: ComposeOptions): { tcp?: TcpOptions } {
  const address = config.get('rpc.http')
  if (address === '') return {}
  const at = address.lastIndexOf(':')
  return {
    tcp: {
      host: address.slice(0, at).replace(/^\[|\]$/g, ''),
      port: Number(address.slice(at + 1)),
      cookiePath: home.cookieFile,
      allowedOrigins: config.get('rpc.allowed_origins'),
    },
  }
}
