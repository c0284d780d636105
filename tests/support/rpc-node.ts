import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Client, connect, RpcFailure } from '../../rpc/client/index.ts'
import { RpcServer } from '../../rpc/index.ts'
import { type Clock, systemClock, systemRng } from '../../src/base/index.ts'
import { createNode, type HearsayNode } from '../../src/node/index.ts'
import { fakeConfig, type LogLine, recordingLogger, type Reply } from './rpc-harness.ts'

export interface RpcNodeOptions {
  readonly home?: string
  readonly listen?: readonly string[]
  readonly clock?: Clock
}

/** A whole node, with a store and a network of its own, behind the real RPC server. */
export class RpcNode implements AsyncDisposable {
  readonly home: string
  readonly log: LogLine[] = []
  readonly node: HearsayNode
  readonly server: RpcServer
  readonly client: Client
  readonly socket: string
  #stopped: Promise<void> | undefined

  private constructor(parts: {
    home: string
    node: HearsayNode
    server: RpcServer
    client: Client
    socket: string
    log: LogLine[]
  }) {
    this.home = parts.home
    this.node = parts.node
    this.server = parts.server
    this.client = parts.client
    this.socket = parts.socket
    this.log = parts.log
  }

  static async start(options: RpcNodeOptions = {}): Promise<RpcNode> {
    const home = options.home ?? mkdtempSync(join(tmpdir(), 'hearsay-node-'))
    const clock = options.clock ?? systemClock
    const log: LogLine[] = []
    const node = await createNode(
      { clock, rng: systemRng, log: recordingLogger(log) },
      { home, listen: options.listen ?? ['/ip4/127.0.0.1/tcp/0'], version: '0.1.0' },
    )
    await node.start()
    const socket = join(home, 'rpc.sock')
    const server = new RpcServer(
      {
        node: node.api,
        config: fakeConfig,
        clock,
        rng: systemRng,
        log: recordingLogger(log),
        versions: { daemon: '0.1.0', node: process.versions.node },
      },
      { socketPath: socket, checkResults: true },
    )
    await server.start()
    const client = await connect({ socket })
    return new RpcNode({ home, node, server, client, socket, log })
  }

  /** The error object of a call that must fail. */
  async fails(method: string, params: object = {}): Promise<NonNullable<Reply['error']>> {
    try {
      await this.client.request(method, params)
    } catch (error) {
      if (error instanceof RpcFailure) {
        return {
          code: error.code,
          message: error.message,
          data: { name: error.kind, ...error.data },
        }
      }
      throw error
    }
    throw new Error(`${method} did not fail`)
  }

  /** Stops node and server; the home stays. */
  stop(): Promise<void> {
    this.#stopped ??= (async () => {
      this.client.close()
      await this.server.stop()
      await this.node.stop()
    })()
    return this.#stopped
  }

  /** The same home in a new node. */
  async restart(options: RpcNodeOptions = {}): Promise<RpcNode> {
    await this.stop()
    return RpcNode.start({ ...options, home: this.home })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    rmSync(this.home, { recursive: true, force: true })
  }
}

export interface Pair extends AsyncDisposable {
  readonly alice: RpcNode
  readonly bob: RpcNode
}

/** Two nodes in one network whose owners are contacts: `bob` at alice's, `alice` at bob's. */
export async function startPair(): Promise<Pair> {
  const alice = await RpcNode.start()
  const bob = await RpcNode.start()
  const { uri } = await alice.client.call('network.create', { name: 'pair', preset: 'swift' })
  await bob.client.call('network.join', { uri })
  await bob.client.call('node.wait', { for: 'linked', timeoutMs: 30_000 })
  await befriend(alice, bob)
  return {
    alice,
    bob,
    async [Symbol.asyncDispose]() {
      await Promise.all([alice[Symbol.asyncDispose](), bob[Symbol.asyncDispose]()])
    },
  }
}

/** Makes both contacts of each other and waits until texts may flow in both directions. */
export async function befriend(
  alice: RpcNode,
  bob: RpcNode,
  names = { bob: 'bob', alice: 'alice' },
): Promise<void> {
  const after = await Promise.all([head(alice), head(bob)])
  const invite = await alice.client.call('contacts.invite', { label: names.bob })
  await bob.client.call('contacts.add', { uri: invite.uri, alias: names.alice })
  await Promise.all([
    untilEvent(alice, 'contact.ready', after[0]),
    untilEvent(bob, 'contact.ready', after[1]),
  ])
}

export async function head(node: RpcNode): Promise<number> {
  return (await node.client.call('db.stats')).headSeq
}

/** The first event of a type after a position. */
export async function untilEvent(node: RpcNode, type: string, after: number, timeoutMs = 60_000) {
  const { items } = await node.client.call('events.wait', { after, types: [type], timeoutMs })
  const [event] = items
  if (event === undefined) throw new Error(`no ${type} in time`)
  return event
}
