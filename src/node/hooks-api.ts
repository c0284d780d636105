import { HearsayError } from '../base/index.ts'
import type { Losses, Store } from '../store/index.ts'
import type { HookProgress, HookStatus, NodeApi } from './api.ts'
import type { Idempotency } from './idempotency.ts'
import { timeText } from './views.ts'

interface HooksPorts {
  readonly store: Store
  /** The programs are the daemon's; `head` is the last event of the journal. */
  readonly hooks: (head: number) => readonly HookProgress[]
}

interface HooksApiPorts extends HooksPorts {
  readonly idempotency: Idempotency
}

/** What the daemon says of its hooks, with what the store keeps of the events that they missed. */
export function hookStatuses({ store, hooks }: HooksPorts): readonly HookStatus[] {
  const losses = new Map(store.consumers.list().map((consumer) => [consumer.name, consumer.losses]))
  return hooks(store.headSeq()).map(({ consumer, ...hook }) => ({
    ...hook,
    ...lossesView(losses.get(consumer)),
  }))
}

/** hooks.* over the places of the hooks in the journal. */
export function hooksApi({ store, hooks, idempotency }: HooksApiPorts): NodeApi['hooks'] {
  return {
    ack: ({ hook }, ctx) =>
      idempotency.remember(ctx, async () => {
        const found = hooks(store.headSeq()).find(({ name }) => name === hook)
        if (found === undefined) {
          throw new HearsayError('not-found', 'there is no hook of this name')
        }
        return { hook, ...lossesView(await store.consumers.forgetLosses(found.consumer)) }
      }),
  }
}

function lossesView(losses: Losses | undefined): { missed: number; missedAt: string | null } {
  if (losses === undefined) return { missed: 0, missedAt: null }
  return { missed: losses.events, missedAt: timeText(losses.lastAt) }
}
