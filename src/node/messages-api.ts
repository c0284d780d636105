import { type Clock, HearsayError, toBase64Url, toHex } from '../base/index.ts'
import { type Conversations, hasReached, isFinal, type Message } from '../conversation/index.ts'
import type { Store } from '../store/index.ts'
import type { MessageState, MessageView, NodeApi } from './api.ts'
import type { Idempotency } from './idempotency.ts'
import { cursorText, messageView, parseCursor, parseMessageId, timeText } from './views.ts'

export interface MessagesPorts {
  readonly store: Store
  readonly clock: Clock
  readonly idempotency: Idempotency
  /** @throws HearsayError `network-not-joined`. */
  readonly conversations: () => Conversations
  /** @throws HearsayError `storage-full` when the disk is nearly full. */
  readonly needSpace: () => void
  /** The user overrides the rejoin hold. */
  readonly releaseHold: () => void
}

// A page of long messages is cut before it is more than an answer may be; `nextCursor` goes on behind it.
const PAGE_BYTES = 4 * 1024 * 1024

/** messages.* and outbox.* over the conversations. */
export function messagesApi(ports: MessagesPorts): Pick<NodeApi, 'messages' | 'outbox'> {
  const { store, clock, idempotency } = ports

  async function reached(id: Uint8Array, wanted: MessageState): Promise<Message | undefined> {
    const message = await ports.conversations().message(id)
    return hasReached(message.state, wanted) || isFinal(message.state) ? message : undefined
  }

  return {
    messages: {
      send: (params, ctx) =>
        idempotency.run<Accepted>(
          ctx,
          () => (batch) => {
            ports.needSpace()
            const message = ports.conversations().send(batch, {
              to: params.to,
              text: params.body.text,
              expiresInMs: params.expiresInMs,
            })
            if (params.now === true) ports.releaseHold()
            return (events) => ({
              messageId: toBase64Url(message.id),
              state: 'queued' as const,
              seq: events[0]?.seq ?? 0,
              acceptedAt: timeText(message.sentAt),
            })
          },
          // The record of a commit that a crash followed does not know its event's number: it is looked up.
          async (result, since) =>
            result.seq > 0 ? result : { ...result, seq: await seqOfMessage(store, result, since) },
        ),

      get: async ({ messageId }) =>
        messageView(await ports.conversations().message(parseMessageId(messageId))),

      async list(params) {
        const asOfSeq = store.headSeq()
        const conversations = ports.conversations()
        const contactId =
          params.contact === undefined ? undefined : conversations.contact(params.contact).id
        const found = await conversations.messages({
          ...(contactId === undefined ? {} : { contactId }),
          ...(params.direction === undefined ? {} : { direction: params.direction }),
          ...(params.state === undefined ? {} : { state: params.state }),
          reverse: params.order !== 'asc',
          from: parseCursor(params.cursor),
          limit: params.limit + 1,
        })
        return page(found, params.limit, asOfSeq)
      },

      async wait({ messageId, state, timeoutMs }, signal) {
        const id = parseMessageId(messageId)
        const deadline = clock.monotonic() + timeoutMs
        for (;;) {
          const since = store.headSeq()
          const message = await reached(id, state)
          if (message !== undefined) return { messageId, state: message.state }
          const left = deadline - clock.monotonic()
          if (left <= 0) throw new HearsayError('timeout', 'the message has not got that far yet')
          await appended(store, clock, since, left, signal)
        }
      },

      cancel: ({ messageId }, ctx) =>
        idempotency.run(ctx, async () => {
          const message = await ports.conversations().message(parseMessageId(messageId))
          return (batch) => {
            ports.conversations().cancel(batch, message)
            return () => ({ messageId })
          }
        }),

      markRead: ({ messageIds }, ctx) =>
        idempotency.run(ctx, async () => {
          const ids = messageIds.map(parseMessageId)
          const marked = await ports.conversations().toMarkRead(ids)
          return (batch) => {
            const conversations = ports.conversations()
            // Writing to the message of a contact that was removed meanwhile would bring it back.
            const left = new Set(conversations.contacts().map(({ id }) => toHex(id)))
            conversations.markRead(
              batch,
              marked.filter(({ contactId }) => left.has(toHex(contactId))),
            )
            return () => ({ messageIds })
          }
        }),
    },

    outbox: {
      async list(params) {
        const asOfSeq = store.headSeq()
        const from = parseCursor(params.cursor) ?? 0
        const waiting = ports.conversations().outbox()
        const found = waiting.filter((message) => message.number > from)
        return page(found.slice(0, params.limit + 1), params.limit, asOfSeq)
      },
    },
  }
}

interface Accepted {
  readonly messageId: string
  readonly state: 'queued'
  readonly seq: number
  readonly acceptedAt: string
}

/** Number of the event that says that a message was accepted; `since` when it is kept no longer. */
async function seqOfMessage(store: Store, accepted: Accepted, since: number): Promise<number> {
  let after = Math.max(since, store.journal.oldestSeq() - 1)
  while (after < store.headSeq()) {
    const { events, scannedTo } = await store.journal.events(after, 500, ['message.queued'])
    const found = events.find(({ data }) => data['messageId'] === accepted.messageId)
    if (found !== undefined) return found.seq
    after = scannedTo
  }
  return since
}

function page(found: readonly Message[], limit: number, asOfSeq: number) {
  const items: MessageView[] = []
  let bytes = 0
  for (const message of found.slice(0, limit)) {
    const view = messageView(message)
    bytes += Buffer.byteLength(JSON.stringify(view))
    if (items.length > 0 && bytes > PAGE_BYTES) break
    items.push(view)
  }
  const last = found[items.length - 1]
  const more = found.length > items.length && last !== undefined
  return {
    items,
    nextCursor: more ? cursorText(last.number) : null,
    asOfSeq,
  }
}

/** Resolves when the journal is beyond `since`, after `ms`, or rejects with the signal's reason. */
export async function appended(
  store: Store,
  clock: Clock,
  since: number,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted()
  if (store.headSeq() > since) return
  const done = new AbortController()
  const stop = store.journal.onAppend(() => done.abort())
  try {
    await clock.sleep(ms, AbortSignal.any([done.signal, signal]))
  } catch (error) {
    if (signal.aborted) throw error
  } finally {
    stop()
  }
}
