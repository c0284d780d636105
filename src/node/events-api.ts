import { type Clock, isHearsayError } from '../base/index.ts'
import type { Consumer, ConsumerFeed, JournalEvent, Store } from '../store/index.ts'
import type { ConsumerView, EventFeed, EventView, NodeApi } from './api.ts'
import type { Idempotency } from './idempotency.ts'
import { appended } from './messages-api.ts'
import { eventView } from './views.ts'

export interface EventsPorts {
  readonly store: Store
  readonly clock: Clock
  readonly idempotency: Idempotency
}

// One answer stays far below what a client accepts, whatever the messages are.
const PAGE_BYTES = 4 * 1024 * 1024
const WAIT_EVENTS = 500

/** events.* over the journal: pull feeds, so that a slow reader costs nothing. */
export function eventsApi(ports: EventsPorts): NodeApi['events'] {
  const { store, clock, idempotency } = ports

  /**
   * Up to `limit` events of `epoch`, fewer if they are large; nothing of interest lies between them and `scannedTo`.
   * @throws HearsayError `cursor-ahead` when that is not the epoch, or not any more.
   */
  async function page(
    after: number,
    limit: number,
    types: readonly string[] | undefined,
    epoch: string,
  ) {
    store.journal.checkEpoch(epoch)
    const items: EventView[] = []
    let bytes = 0
    let scannedTo = after
    let head = store.headSeq()
    do {
      const read = await store.journal.events(scannedTo, limit - items.length, types)
      store.journal.checkEpoch(epoch)
      head = read.head
      for (const event of read.events) {
        bytes += weight(event)
        if (items.length > 0 && bytes > PAGE_BYTES) return { items, head, scannedTo }
        items.push(eventView(event))
        scannedTo = event.seq
      }
      scannedTo = read.scannedTo
    } while (items.length < limit && scannedTo < head)
    return { items, head, scannedTo }
  }

  /** A consumer that is there already with the same types is the one that was asked for. */
  async function create(name: string, from: 'now' | 'start' | number, types?: readonly string[]) {
    try {
      return await store.consumers.create(name, types === undefined ? { from } : { from, types })
    } catch (error) {
      if (!isHearsayError(error, 'consumer-exists')) throw error
      const found = store.consumers.get(name)
      const same = JSON.stringify(found.types?.toSorted()) === JSON.stringify(types?.toSorted())
      if (!same) throw error
      return found
    }
  }

  function view(consumer: Consumer): ConsumerView {
    return {
      name: consumer.name,
      cursor: consumer.cursor,
      ...(consumer.types === undefined ? {} : { types: consumer.types }),
      lag: Math.max(0, store.headSeq() - consumer.cursor),
      ...(consumer.epoch === undefined || consumer.epoch === store.epoch
        ? {}
        : { formerEpoch: consumer.epoch }),
    }
  }

  return {
    async open({ consumer, after, epoch, types }) {
      store.journal.checkEpoch(epoch)
      const feed = await store.feed(
        consumer === undefined
          ? {
              ...(after === undefined ? {} : { after }),
              ...(types === undefined ? {} : { types }),
            }
          : // The transport counts what is unacknowledged; the feed must not wait for it a second time.
            { consumer, maxInFlight: Number.MAX_SAFE_INTEGER },
      )
      return feedView(feed, store.epoch)
    },

    async list({ after, epoch = store.epoch, limit, types }) {
      const { items, head } = await page(after, limit, types, epoch)
      return { items, head }
    },

    async wait({ after, epoch = store.epoch, types, timeoutMs }, signal) {
      const deadline = clock.monotonic() + timeoutMs
      // What was looked at once is not looked at again: a rare type would cost the whole journal per event.
      let from = after
      for (;;) {
        const { items, head, scannedTo } = await page(from, WAIT_EVENTS, types, epoch)
        const left = deadline - clock.monotonic()
        if (items.length > 0 || left <= 0) return { items, head }
        from = scannedTo
        await appended(store, clock, head, left, signal)
      }
    },

    async ack({ consumer, seq, epoch, lost }) {
      store.journal.checkEpoch(epoch)
      return { cursor: await store.consumers.ack(consumer, seq, lost) }
    },

    consumers: {
      list: async () => ({ items: store.consumers.list().map(view), epoch: store.epoch }),
      create: ({ name, from, epoch, types }, ctx) =>
        idempotency.remember(ctx, async () => {
          store.journal.checkEpoch(epoch)
          return { ...view(await create(name, from, types)) }
        }),
      delete: ({ name }, ctx) =>
        idempotency.remember(ctx, async () => {
          await store.consumers.delete(name)
          return { name }
        }),
    },
  }
}

/** Roughly the bytes of an event in an answer. */
function weight({ data }: JournalEvent): number {
  return 256 + Buffer.byteLength(JSON.stringify(data))
}

function feedView(feed: ConsumerFeed, epoch: string): EventFeed {
  return {
    next: async (limit, signal) => (await feed.next(limit, signal)).map(eventView),
    get head() {
      return feed.head
    },
    get oldest() {
      return feed.oldest
    },
    resumedFrom: feed.resumedFrom,
    epoch,
  }
}
