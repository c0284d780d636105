import type { Scope } from '../../rpc/index.ts'
import { Consumers } from '../../rpc/server/consumers.ts'
import { Dispatcher } from '../../rpc/server/dispatcher.ts'
import type { SubscriptionHost } from '../../rpc/server/method.ts'
import { RpcMetrics } from '../../rpc/server/metrics.ts'
import { FakeNodeApi } from './fake-node-api.ts'
import { fakeConfig, type LogLine, recordingLogger, type Reply } from './rpc-harness.ts'
import { seededRng } from './seeded-rng.ts'
import { VirtualClock } from './virtual-clock.ts'

const SUBSCRIBED = {
  subscription: 's-1',
  epoch: 'epoch-of-the-fake',
  head: 0,
  oldest: 1,
  resumedFrom: 0,
}

/** A dispatcher without a transport: values in, parsed answers out. */
export class DispatchHarness {
  readonly node = new FakeNodeApi()
  readonly log: LogLine[] = []
  readonly logger = recordingLogger(this.log)
  readonly clock = new VirtualClock()
  readonly metrics = new RpcMetrics()
  readonly consumers = new Consumers()
  readonly gone = new AbortController()
  readonly dispatcher = new Dispatcher(
    {
      node: this.node,
      config: fakeConfig,
      clock: this.clock,
      rng: seededRng(1),
      log: this.logger,
      versions: { daemon: '0.1.0', node: '24.21.0' },
      consumers: this.consumers,
      metrics: this.metrics,
    },
    { checkResults: true },
  )
  readonly subscriptions: SubscriptionHost = {
    open: async () => ({ result: SUBSCRIBED, started: () => {} }),
    close: () => {},
  }

  /** The answer to one JSON value; undefined when there is none. */
  async answer(value: unknown, scopes: readonly Scope[] = ['admin']): Promise<unknown> {
    const answer = await this.dispatcher.answer(value, {
      principal: { id: 'tester', scopes: new Set(scopes) },
      signal: this.gone.signal,
      subscriptions: this.subscriptions,
    })
    answer?.after?.()
    return answer === undefined ? undefined : JSON.parse(answer.text)
  }

  async call(method: string, params: unknown = {}, scopes?: readonly Scope[]): Promise<Reply> {
    return (await this.answer({ jsonrpc: '2.0', id: 1, method, params }, scopes)) as Reply
  }
}
