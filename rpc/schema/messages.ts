import { z } from 'zod'
import { mutation, query } from './define.ts'
import { AT, CONTACT, MESSAGE, MESSAGE_VIEW } from './examples.ts'
import { contact, duration, id, listing, page, seq, text, time, timeoutMs } from './shapes.ts'
import { messageState, messageView } from './views.ts'

export const messagesMethods = [
  mutation({
    name: 'messages.send',
    summary:
      'Accepts a text: it is on disk when the answer comes. It leaves in a slot of its own time.',
    params: {
      to: contact,
      body: z.strictObject({ text }),
      expiresIn: duration
        .exactOptional()
        .describe('reported as expired when it is not acknowledged by then; it may have arrived'),
      now: z
        .boolean()
        .exactOptional()
        .describe('do not wait for the rejoin hold: costs anonymity after a restart'),
    },
    result: { messageId: id, state: z.literal('queued'), seq, acceptedAt: time },
    errors: ['CONTACT_NOT_FOUND', 'CONTACT_NOT_READY', 'NOT_JOINED', 'TOO_LARGE', 'QUOTA'],
    scope: 'send',
    example: {
      params: { to: 'bob', body: { text: 'hello' }, idempotencyKey: 'mail-1' },
      result: { messageId: MESSAGE, state: 'queued', seq: 42, acceptedAt: AT },
    },
  }),
  query({
    name: 'messages.get',
    summary: 'One message with the history of its states.',
    params: { messageId: id },
    result: messageView,
    errors: ['MESSAGE_NOT_FOUND', 'NOT_JOINED', 'NOT_READY'],
    scope: 'receive',
    example: { params: { messageId: MESSAGE }, result: MESSAGE_VIEW },
  }),
  query({
    name: 'messages.list',
    summary:
      'Messages by time, newest first unless `order` says otherwise. Long ones make a page shorter: go on at `nextCursor`.',
    params: {
      ...page,
      contact: contact.exactOptional(),
      direction: z.enum(['in', 'out']).exactOptional(),
      state: messageState.exactOptional(),
      order: z.enum(['asc', 'desc']).exactOptional(),
    },
    result: listing(messageView),
    errors: ['CONTACT_NOT_FOUND', 'NOT_JOINED', 'NOT_READY'],
    scope: 'receive',
    example: {
      params: { contact: CONTACT, direction: 'out', limit: 1 },
      result: { items: [MESSAGE_VIEW], nextCursor: 'AAAAKg', asOfSeq: 42 },
    },
  }),
  query({
    name: 'messages.wait',
    summary: 'Resolves when the message has reached or passed `state`, or its state is final.',
    params: { messageId: id, state: messageState, timeoutMs },
    result: z.object({ messageId: id, state: messageState }),
    errors: ['MESSAGE_NOT_FOUND', 'NOT_JOINED', 'NOT_READY', 'TIMEOUT', 'SHUTTING_DOWN'],
    scope: 'send',
    example: {
      params: { messageId: MESSAGE, state: 'delivered', timeoutMs: 30_000 },
      result: { messageId: MESSAGE, state: 'delivered' },
    },
  }),
  mutation({
    name: 'messages.cancel',
    summary: 'Takes back a message that is still queued.',
    params: { messageId: id },
    result: { messageId: id },
    errors: ['MESSAGE_NOT_FOUND', 'NOT_JOINED', 'TOO_LATE'],
    scope: 'send',
    example: { params: { messageId: MESSAGE }, result: { messageId: MESSAGE } },
  }),
  mutation({
    name: 'messages.markRead',
    summary: 'Marks received messages as read.',
    params: { messageIds: z.array(id).min(1).max(500) },
    result: { messageIds: z.array(id) },
    errors: ['MESSAGE_NOT_FOUND', 'NOT_JOINED'],
    scope: 'receive',
    example: { params: { messageIds: [MESSAGE] }, result: { messageIds: [MESSAGE] } },
  }),
] as const
