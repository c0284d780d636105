import { HearsayError } from '../base/index.ts'
import { Reader, Writer } from '../wire/index.ts'
import {
  MAX_DESCRIPTOR_BYTES,
  MAX_DIRECTORY_MESSAGE_BYTES,
  MAX_GET_DESCRIPTORS,
  MAX_NOTICE_CONFLICTS,
} from './constants.ts'

/** Which set is meant: the table as it stands, or the frozen set of an epoch. */
export type SyncScope =
  | { readonly set: 'live' }
  | { readonly set: 'frozen'; readonly epoch: number }

export type SyncRequest =
  | { readonly kind: 'ranges'; readonly scope: SyncScope; readonly ranges: Uint8Array }
  | { readonly kind: 'get'; readonly scope: SyncScope; readonly hashes: readonly Uint8Array[] }
  | { readonly kind: 'farewells' }
  | {
      readonly kind: 'notices'
      /** Date of the newest revocation list known, 0 for none. */
      readonly revokedAt: number
      /** Nodes known to be excluded, some of them. */
      readonly excluded: readonly Uint8Array[]
    }

export interface SyncNotices {
  /** A later list than the one asked with; empty for none. */
  readonly revocation: Uint8Array
  readonly conflicts: readonly Uint8Array[]
}

const KINDS = { ranges: 0, get: 1, notices: 2, farewells: 3 } as const
const SETS = { live: 0, frozen: 1 } as const

const malformed = (field: string) =>
  new HearsayError('bad-value', 'malformed directory request', { field })

/** kind 1 | (set 1 | epoch 4 | …), (revokedAt 8 | count 1 | ids) or nothing. */
export function encodeSyncRequest(request: SyncRequest): Uint8Array {
  if (request.kind === 'farewells') return Uint8Array.of(KINDS.farewells)
  if (request.kind === 'notices') {
    const writer = new Writer(1 + 8 + 1 + request.excluded.length * 32)
    writer.u8(KINDS.notices).u64(request.revokedAt).u8(request.excluded.length)
    for (const id of request.excluded) writer.bytes(id)
    return writer.finish()
  }
  const { scope } = request
  const body = request.kind === 'ranges' ? request.ranges.length : 2 + request.hashes.length * 32
  const writer = new Writer(1 + 1 + 4 + body)
  writer
    .u8(KINDS[request.kind])
    .u8(SETS[scope.set])
    .u32(scope.set === 'live' ? 0 : scope.epoch)
  if (request.kind === 'ranges') return writer.bytes(request.ranges).finish()
  writer.u16(request.hashes.length)
  for (const hash of request.hashes) writer.bytes(hash)
  return writer.finish()
}

/** Strict inverse. @throws HearsayError of the class `peer`. */
export function decodeSyncRequest(bytes: Uint8Array): SyncRequest {
  const reader = new Reader(bytes)
  const kind = reader.u8('kind')
  if (kind === KINDS.notices) {
    const revokedAt = reader.u64('revokedAt')
    const excluded = readHashes(reader, reader.u8('count'), MAX_NOTICE_CONFLICTS)
    reader.end()
    return { kind: 'notices', revokedAt, excluded }
  }
  if (kind === KINDS.farewells) {
    reader.end()
    return { kind: 'farewells' }
  }
  const set = reader.u8('set')
  const epoch = reader.u32('epoch')
  if (set > SETS.frozen || (set === SETS.live && epoch !== 0)) throw malformed('set')
  const scope: SyncScope = set === SETS.live ? { set: 'live' } : { set: 'frozen', epoch }
  if (kind === KINDS.ranges) return { kind: 'ranges', scope, ranges: reader.rest() }
  if (kind !== KINDS.get) throw malformed('kind')
  const hashes = readHashes(reader, reader.u16('count'), MAX_GET_DESCRIPTORS)
  reader.end()
  return { kind: 'get', scope, hashes }
}

function readHashes(reader: Reader, count: number, max: number): Uint8Array[] {
  if (count > max) throw malformed('count')
  return Array.from({ length: count }, () => reader.bytes(32, 'hash'))
}

/** (length 2 | bytes) for each. */
export function encodeItems(items: readonly Uint8Array[]): Uint8Array {
  const writer = new Writer(items.reduce((sum, item) => sum + 2 + item.length, 0))
  for (const item of items) writer.vector16(item)
  return writer.finish()
}

/** Strict inverse; the items are copies. @throws HearsayError of the class `peer`. */
export function decodeItems(bytes: Uint8Array, maxItems: number, maxBytes: number): Uint8Array[] {
  const reader = new Reader(bytes)
  const items: Uint8Array[] = []
  while (reader.remaining > 0) {
    if (items.length === maxItems) throw malformed('count')
    items.push(reader.vector16(maxBytes, 'item').slice())
  }
  return items
}

/** length 2 | revocation list | conflicts as items. */
export function encodeNotices({ revocation, conflicts }: SyncNotices): Uint8Array {
  return encodeItems([revocation, ...conflicts])
}

/** Strict inverse. @throws HearsayError of the class `peer`. */
export function decodeNotices(bytes: Uint8Array): SyncNotices {
  const [revocation, ...conflicts] = decodeItems(
    bytes,
    1 + MAX_NOTICE_CONFLICTS,
    Math.max(MAX_DIRECTORY_MESSAGE_BYTES, 4 + 2 * MAX_DESCRIPTOR_BYTES),
  )
  if (revocation === undefined) throw malformed('revocation')
  return { revocation, conflicts }
}
