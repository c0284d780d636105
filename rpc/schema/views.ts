import { z } from 'zod'
import { count, id, jsonObject, milliseconds, seq, time } from './shapes.ts'

/** The objects that results are made of; they mirror the types of NodeApi. */

export const nodeState = z.enum([
  'starting',
  'running',
  'readonly',
  'stopping',
  'stopped',
  'failed',
])
export const linkState = z.enum(['none', 'joining', 'linked'])

const healthCode = z
  .enum([
    'STORAGE_READONLY',
    'SECRETS_DAMAGED',
    'VALUES_DAMAGED',
    'STORAGE_LOW',
    'EVENTS_MISSED',
    'HOOK_FAILING',
    'HOOK_MISSED',
    'NO_NETWORK',
    'NETWORK_NOT_ENTERED',
    'NETWORK_MISMATCH',
    'CLOCK_SKEW',
    'NO_PEERS',
    'NO_ROUTE',
    'UNREACHABLE',
    'REJOIN_HOLD',
    'FEW_REPLIES',
    'REPLIES_LOST',
    'BOXES_NOT_KEPT',
    'KEEPERS_FAILING',
    'NETWORK_SMALL',
  ])
  .describe('a later version may have more of them')

export const nodeStatus = z.object({
  state: nodeState,
  link: linkState,
  since: time,
  peerId: z.string(),
  peers: count,
  version: z.string(),
  addresses: z.array(z.string()),
  network: z
    .object({
      networkId: z.string(),
      name: z.string(),
      words: z.string(),
      preset: z.string(),
      nodes: count,
      epoch: z.int(),
    })
    .nullable(),
  mixing: z.object({
    form: z.literal('routed'),
    layers: count,
    mixes: count.describe('mixes of the running epoch that are here'),
    smallestLayer: count,
    isMix: z.boolean(),
    poolPerMix: z.number().describe('packets that a mix holds on average'),
    replyRate: z.number().nullable().describe('share of the last requests that were answered'),
    cover: z.enum(['off', 'on', 'cover-only']),
    slotMs: milliseconds,
    publishEvery: z.number(),
    copies: count,
    boxesPerSecond: z.number(),
    rejoinHoldLeftMs: milliseconds,
    anonymitySet: z
      .number()
      .nullable()
      .describe(
        'from the simulator, an eighth of the mixes hostile; null where none was simulated',
      ),
    protectedMessages: z
      .number()
      .nullable()
      .describe('linked boxes that 9 of 10 senders may publish before they are named'),
    protectedDays: z.number().nullable(),
    statement: z.string(),
  }),
  catchUp: z.object({
    phase: z.enum(['idle', 'reconciling', 'fetching', 'done']),
    done: count,
    total: count,
  }),
  outbox: z.object({
    queued: count,
    oldestAgeMs: milliseconds.nullable(),
    filled: z
      .number()
      .min(0)
      .describe('share of what may wait for all contacts together; at 1 no text is accepted'),
  }),
  hooks: z.array(
    z.object({
      name: z.string(),
      state: z.enum(['idle', 'running', 'retrying', 'off']),
      cursor: seq.describe('acknowledged up to here'),
      behind: count.describe('events behind the last one that it accepted'),
      failures: count.describe('in a row'),
      nextTryAt: time.nullable(),
      lastError: z.string().nullable(),
      missed: count.describe(
        'events that were deleted or damaged before it accepted them, until hooks.ack',
      ),
      missedAt: time.nullable().describe('when the last of them was found to be missing'),
    }),
  ),
  storage: z.object({
    bytes: count,
    boxes: count,
    freeBytes: count,
    retentionMs: milliseconds
      .nullable()
      .describe(
        'how long a box stays that this node keeps, at the measured rate, about: near ones stay longer, far ones shorter; null before there is a measure',
      ),
    boxLifetimeMs: milliseconds
      .exactOptional()
      .describe('lifetime of a box in this network: nobody keeps it for longer'),
    boxBytes: count.exactOptional().describe('what the boxes take, about'),
    boxQuotaBytes: count.exactOptional().describe('what they may take: mailbox.quota'),
    boxRoomBytes: count
      .exactOptional()
      .describe('what of it the disk has room for now; 0 while none are taken'),
    boxesPerHour: z
      .number()
      .min(0)
      .exactOptional()
      .describe('new ones that gossip brings, measured over the last half hour to hour'),
    eventRetentionMs: milliseconds
      .exactOptional()
      .describe(
        'how long an event stays that not all consumers have acknowledged, at the rate of the last day, about; time that the node runs',
      ),
    sync: z.literal(true),
  }),
  health: z.array(
    z.object({
      code: healthCode,
      severity: z.enum(['info', 'warning', 'error']),
      text: z.string(),
      fix: z.string(),
    }),
  ),
  headSeq: seq,
  epoch: z.string(),
})

const networkViewShape = {
  networkId: z.string(),
  name: z.string(),
  words: z.string(),
  preset: z.string(),
  parameters: jsonObject,
  operatorKey: z.string(),
  bootstraps: z.array(z.string()),
  createdAt: time,
  expiresAt: time.exactOptional(),
  admission: z.enum(['open', 'operator']),
  operator: z.boolean(),
}
export const networkView = z.object(networkViewShape)
export const networkShared = z.object({ ...networkViewShape, file: z.string(), uri: z.string() })

export const peerView = z.object({
  peerId: z.string(),
  addresses: z.array(z.string()),
  connected: z.boolean(),
  banned: z.boolean(),
})

export const contactState = z.enum(['waiting', 'exchanging', 'ready', 'recovering', 'failed'])
export const contactShape = {
  contactId: id,
  alias: z.string(),
  state: contactState,
  progress: z.object({ done: count, total: count }).exactOptional(),
  reason: z.string().exactOptional(),
  safetyNumber: z.string().exactOptional(),
  verified: z.boolean(),
  createdAt: time,
  lastHeardAt: time.exactOptional(),
}
export const contactView = z.object(contactShape)

export const messageState = z.enum([
  'queued',
  'sent',
  'stored',
  'delivered',
  'read',
  'failed',
  'expired',
  'cancelled',
  'received',
])
export const messageView = z.object({
  messageId: id,
  contactId: id,
  direction: z.enum(['in', 'out']),
  body: z.object({ text: z.string() }),
  state: messageState,
  sentAt: time,
  receivedAt: time.exactOptional(),
  read: z.boolean(),
  history: z.array(z.object({ state: messageState, at: time, reason: z.string().exactOptional() })),
})

export const eventView = z.object({
  seq,
  epoch: z.string(),
  id: z.string(),
  type: z.string(),
  time,
  data: jsonObject,
})

export const consumerShape = {
  name: z.string(),
  cursor: seq,
  types: z.array(z.string()).exactOptional(),
  lag: count,
  formerEpoch: z
    .string()
    .exactOptional()
    .describe('that of its last ack: the database was restored since'),
}
