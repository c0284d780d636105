import { encodeCbor } from '../wire/index.ts'
import type { Message } from './message.ts'
import { type RecordKind, tryDecodeRecord } from './records.ts'
import { decodeStored } from './stored.ts'

/** A record on its way. It exists on disk from acceptance until it is acknowledged or reported as lost. */
export interface OutRecord {
  /** Position in the contact's queue, monotone; the record's key on disk. */
  readonly queued: number
  readonly kind: RecordKind
  readonly bytes: Uint8Array
  /** Number of the message in the history, for texts. */
  readonly message: number | undefined
  /** When it is over, by the clock of waits like all times here. */
  readonly expiresAt: number
  /** Sequence number in the stream; 0 until bound to a box. */
  seq: number
  /** Times of further offers; undefined until the record was sent for the first time. */
  due: number[] | undefined
  /** When the last box that carried all of it left; undefined while in doubt. */
  sentAt: number | undefined
  /** How often it was offered once more for a gap report. */
  gapOffers: number
  /** A box of a stream that is over may carry it, as far as is known here: it cannot be taken back any more. */
  readonly hasLeft: boolean
}

/** A record that waits for its first box in its stream. */
export function newOutRecord(
  queued: number,
  kind: RecordKind,
  bytes: Uint8Array,
  more: {
    readonly message?: number
    readonly expiresAt?: number
    readonly hasLeft?: boolean
  } = {},
): OutRecord {
  return {
    queued,
    kind,
    bytes,
    message: more.message,
    expiresAt: more.expiresAt ?? Number.MAX_SAFE_INTEGER,
    seq: 0,
    due: undefined,
    sentAt: undefined,
    gapOffers: 0,
    hasLeft: more.hasLeft ?? false,
  }
}

export function encodeOut(r: OutRecord): Uint8Array {
  return encodeCbor([
    r.queued,
    r.kind,
    r.bytes,
    r.message ?? null,
    r.expiresAt,
    r.seq,
    r.due ?? null,
    r.sentAt ?? null,
    r.gapOffers,
    r.hasLeft,
  ])
}

/** @throws HearsayError `storage-corrupt`. */
export function decodeOut(bytes: Uint8Array): OutRecord {
  const v = decodeStored(bytes, 10)
  return {
    queued: v[0] as number,
    kind: v[1] as RecordKind,
    bytes: v[2] as Uint8Array,
    message: (v[3] ?? undefined) as number | undefined,
    expiresAt: v[4] as number,
    seq: v[5] as number,
    due: (v[6] ?? undefined) as number[] | undefined,
    sentAt: (v[7] ?? undefined) as number | undefined,
    // Earlier stores have a flag here.
    gapOffers: Number(v[8]),
    hasLeft: v[9] as boolean,
  }
}

/** The message of a text as far as its record tells: what the history had on disk may be damaged. */
export function messageOf(contactId: Uint8Array, record: OutRecord): Message | undefined {
  const body = tryDecodeRecord(record.bytes)
  if (record.message === undefined || body?.kind !== 'text') return undefined
  const history: Message['history'] = [{ state: 'queued', at: body.sentAt }]
  if (record.due !== undefined) history.push({ state: 'sent', at: body.sentAt })
  return {
    number: record.message,
    id: body.messageId,
    contactId,
    direction: 'out',
    text: body.text,
    sentAt: body.sentAt,
    receivedAt: undefined,
    read: true,
    state: history.at(-1)?.state ?? 'queued',
    history,
  }
}
