import { query } from './define.ts'
import { MESSAGE_VIEW } from './examples.ts'
import { listing, page } from './shapes.ts'
import { messageView } from './views.ts'

export const outboxMethods = [
  query({
    name: 'outbox.list',
    summary: 'Messages that wait to leave or for a receipt, oldest first.',
    params: page,
    result: listing(messageView),
    errors: ['NOT_JOINED', 'NOT_READY'],
    scope: 'receive',
    example: { params: {}, result: { items: [MESSAGE_VIEW], nextCursor: null, asOfSeq: 42 } },
  }),
] as const
