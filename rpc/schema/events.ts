import { z } from 'zod'
import { DEFAULT_PAGE, DEFAULT_UNACKED, MAX_PAGE, MAX_UNACKED } from '../constants.ts'
import { mutation, query } from './define.ts'
import { EPOCH, EVENT } from './examples.ts'
import { consumerName, epoch, eventTypes, id, seq, timeoutMs } from './shapes.ts'
import { consumerShape, eventView } from './views.ts'

const found = z.object({ items: z.array(eventView), head: seq })
const SUBSCRIPTION = 's-1'
const CONSUMER = { name: 'bot', cursor: 42, lag: 0 }

export const eventsMethods = [
  query({
    name: 'events.subscribe',
    summary:
      'Pushes events on this connection: of a durable `consumer` from its last ack, or from `after` on (default: the head).',
    params: {
      consumer: consumerName.exactOptional(),
      after: seq.exactOptional().describe('not with consumer'),
      epoch,
      types: eventTypes.describe('not with consumer: it has its own'),
      maxInFlight: z
        .int()
        .min(1)
        .max(MAX_UNACKED)
        .default(DEFAULT_UNACKED)
        .describe('unacknowledged events after which a consumer is paused'),
    },
    result: z.object({
      subscription: id,
      epoch: z.string(),
      head: seq,
      oldest: seq,
      resumedFrom: seq,
    }),
    errors: [
      'CURSOR_TOO_OLD',
      'CURSOR_AHEAD',
      'CONSUMER_BUSY',
      'CONSUMER_NOT_FOUND',
      'OVERLOADED',
      'SHUTTING_DOWN',
    ],
    scope: 'receive',
    example: {
      params: { consumer: 'bot', maxInFlight: 64 },
      result: { subscription: SUBSCRIPTION, epoch: EPOCH, head: 42, oldest: 1, resumedFrom: 40 },
    },
  }),
  query({
    name: 'events.ack',
    summary: 'All events of the consumer up to `seq` are done with. From any connection.',
    params: { consumer: consumerName, seq, epoch },
    result: z.object({ cursor: seq }),
    errors: ['CONSUMER_NOT_FOUND', 'CURSOR_AHEAD', 'STORAGE_FULL', 'STORAGE_READONLY'],
    scope: 'receive',
    example: { params: { consumer: 'bot', seq: 42, epoch: EPOCH }, result: { cursor: 42 } },
  }),
  query({
    name: 'events.unsubscribe',
    summary: 'Ends a subscription of this connection.',
    params: { subscription: id },
    result: z.object({}),
    errors: ['NOT_FOUND'],
    scope: 'receive',
    example: { params: { subscription: SUBSCRIPTION }, result: {} },
  }),
  query({
    name: 'events.list',
    summary:
      'Events after a position; fewer than `limit` when they are large: go on while `head` is ahead.',
    params: {
      after: seq,
      epoch,
      limit: z.int().min(1).max(MAX_PAGE).default(DEFAULT_PAGE),
      types: eventTypes,
    },
    result: found,
    errors: ['CURSOR_TOO_OLD', 'CURSOR_AHEAD'],
    scope: 'receive',
    example: {
      params: { after: 41, epoch: EPOCH, limit: 10 },
      result: { items: [EVENT], head: 42 },
    },
  }),
  query({
    name: 'events.wait',
    summary: 'Resolves with at least one event after a position, or with none after `timeoutMs`.',
    params: { after: seq, epoch, types: eventTypes, timeoutMs },
    result: found,
    errors: ['CURSOR_TOO_OLD', 'CURSOR_AHEAD', 'SHUTTING_DOWN'],
    scope: 'receive',
    example: {
      params: { after: 41, epoch: EPOCH, types: ['message.received'], timeoutMs: 10_000 },
      result: { items: [EVENT], head: 42 },
    },
  }),
  query({
    name: 'events.consumers.list',
    summary: 'Durable consumers, their cursors and how far behind they are.',
    params: {},
    result: z.object({
      items: z.array(z.object(consumerShape)),
      epoch: z.string().describe('that of the cursors'),
    }),
    scope: 'receive',
    example: { params: {}, result: { items: [CONSUMER], epoch: EPOCH } },
  }),
  mutation({
    name: 'events.consumers.create',
    summary:
      'A named cursor that survives restarts. Events that it has not acknowledged are kept, for 30 days of running at most. One that exists with the same types is answered as it is.',
    params: {
      name: consumerName,
      from: z.union([z.enum(['now', 'start']), seq]).default('now'),
      epoch,
      types: eventTypes,
    },
    result: consumerShape,
    errors: ['CONSUMER_EXISTS', 'CURSOR_TOO_OLD', 'CURSOR_AHEAD'],
    scope: 'receive',
    example: { params: { name: 'bot', from: 'now' }, result: CONSUMER },
  }),
  mutation({
    name: 'events.consumers.delete',
    summary: 'Deletes a consumer and ends its subscription.',
    params: { name: consumerName },
    result: { name: consumerName },
    errors: ['CONSUMER_NOT_FOUND'],
    scope: 'receive',
    example: { params: { name: 'bot' }, result: { name: 'bot' } },
  }),
] as const
