import type { Clock } from '../base/index.ts'
import type { Consumer, ConsumerFeed, Store } from '../store/index.ts'
import type { ConsumerView, EventFeed, NodeApi } from './api.ts'
import type { Idempotency } from './idempotency.ts'
import { appended } from './messages-api.ts'
import { eventView } from './views.ts'

export interface EventsPorts {
  readonly store: Store
  readonly clock: Clock
  readonly idempotency: Idempotency
}

/** events.* over the journal: pull feeds, so that a slow reader costs nothing. */
export function eventsApi(ports: EventsPorts): NodeApi['events'] {
  const { store, clock, idempotency } = ports

  async function page(after: number, limit: number, types: readonly string[] | undefined) {
    const items = []
    let at = after
    let head = store.headSeq()
    do {
      const read = await store.journal.events(at, limit - items.length, types)
      items.push(...read.events.map(eventView))
      at = read.scannedTo
      head = read.head
    } while (items.length < limit && at < head)
    return { items, head }
  }

  function view(consumer: Consumer): ConsumerView {
    return {
      name: consumer.name,
      cursor: consumer.cursor,
      ...(consumer.types === undefined ? {} : { types: consumer.types }),
      lag: Math.max(0, store.headSeq() - consumer.cursor),
    }
  }

  return {
    async open({ consumer, after, types }) {
      const feed = await store.feed(
        consumer === undefined
          ? {
              ...(after === undefined ? {} : { after }),
              ...(types === undefined ? {} : { types }),
            }
          : // The transport counts what is unacknowledged; the feed must not wait for it a second time.
            { consumer, maxInFlight: Number.MAX_SAFE_INTEGER },
      )
      return feedView(feed)
    },

    list: ({ after, limit, types }) => page(after, limit, types),

    async wait({ after, types, timeoutMs }, signal) {
      const deadline = clock.monotonic() + timeoutMs
      for (;;) {
        const found = await page(after, 500, types)
        const left = deadline - clock.monotonic()
        if (found.items.length > 0 || left <= 0) return found
        await appended(store, clock, found.head, left, signal)
      }
    },

    ack: async ({ consumer, seq }) => ({ cursor: await store.consumers.ack(consumer, seq) }),

    consumers: {
      list: async () => ({ items: store.consumers.list().map(view) }),
      create: ({ name, from, types }, ctx) =>
        idempotency.remember(ctx, async () => {
          const options = types === undefined ? { from } : { from, types }
          return { ...view(await store.consumers.create(name, options)) }
        }),
      delete: ({ name }, ctx) =>
        idempotency.remember(ctx, async () => {
          await store.consumers.delete(name)
          return { name }
        }),
    },
  }
}

function feedView(feed: ConsumerFeed): EventFeed {
  return {
    next: async (limit, signal) => (await feed.next(limit, signal)).map(eventView),
    get head() {
      return feed.head
    },
    get oldest() {
      return feed.oldest
    },
    resumedFrom: feed.resumedFrom,
  }
}
