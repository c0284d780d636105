import { z } from 'zod'
import type { WaitTarget } from '../node-api.ts'
import type { JsonObject } from '../../src/store/index.ts'
import { DEFAULT_PAGE, MAX_PAGE, MAX_TEXT_CHARS, MAX_WAIT_MS } from '../constants.ts'

/** Params and results that several methods share. Lengths are UTF-16 code units. */

// Control characters and bidirectional overrides in a name would let it forge terminal output.
const PLAIN = /^[^\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]+$/u

export const idempotencyKey = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[\x21-\x7e]+$/)
  .exactOptional()
  .describe('same key and params: same result, no second effect; printable ASCII')

export const id = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[A-Za-z0-9_-]+$/)
export const alias = z
  .string()
  .min(1)
  .max(64)
  .regex(PLAIN)
  .describe('name of a contact, for you only')
export const contact = z.string().min(1).max(128).regex(PLAIN).describe('contact id or alias')
export const label = z.string().min(1).max(128).regex(PLAIN)
export const peerId = z
  .string()
  .min(32)
  .max(128)
  .regex(/^[1-9A-HJ-NP-Za-km-z]+$/)
export const uri = z
  .string()
  .min(8)
  .max(8_192)
  .regex(/^[\x21-\x7e]+$/)
export const fileText = z.string().min(1).max(65_536).describe('text of the network file')
export const words = z.string().min(1).max(256).regex(PLAIN)
export const text = z.string().min(1).max(MAX_TEXT_CHARS)
export const multiaddr = z
  .string()
  .min(2)
  .max(512)
  .regex(/^\/[\x21-\x7e]+$/)
export const time = z.iso.datetime().describe('RFC 3339, UTC')
export const seq = z.int().min(0).describe('position in the journal')
export const epoch = id
  .exactOptional()
  .describe('of the events you know, as they have it: CURSOR_AHEAD once the database was restored')
export const count = z.int().min(0)
export const milliseconds = z.number().min(0)

const DURATION = /^[1-9]\d{0,8}(ms|s|m|h|d)$/
export const duration = z
  .union([z.string().regex(DURATION), z.int().min(1).max(315_360_000)])
  .describe('"90s", "15m", "24h", "7d", or a number of seconds')

export const page = {
  limit: z.int().min(1).max(MAX_PAGE).default(DEFAULT_PAGE),
  cursor: z.string().min(1).max(512).exactOptional().describe('nextCursor of the page before'),
}

/** `{items, nextCursor, asOfSeq}`. */
export function listing<Item extends z.ZodType>(item: Item) {
  return z.object({
    items: z.array(item),
    nextCursor: z.string().nullable(),
    asOfSeq: seq.describe('subscribe after it and nothing is missed'),
  })
}

export const timeoutMs = z.int().min(0).max(MAX_WAIT_MS).default(30_000)

export const eventType = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[a-zA-Z]+(\.[a-zA-Z]+)*$/)
export const eventTypes = z.array(eventType).min(1).max(32).exactOptional()
export const consumerName = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/)

export const waitTarget = z
  .string()
  .regex(/^(ready|linked|caught-up|peers=[1-9]\d{0,3})$/) as unknown as z.ZodType<
  WaitTarget,
  WaitTarget
>

export const jsonObject = z.record(z.string(), z.unknown()) as unknown as z.ZodType<
  JsonObject,
  JsonObject
>
