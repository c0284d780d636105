import { fromHex, HearsayError, toHex } from '../base/index.ts'
import { ITEM_BYTES, MAX_REQUEST_BYTES } from '../reconcile/index.ts'
import { Reader, Writer } from '../wire/index.ts'
import { MAILBOX_VERSION, MAX_GET_BOXES, MAX_PUBLICATION_BYTES } from './constants.ts'

/** Which boxes are compared: those heard in a span of time, or those of an expiry day that both nodes keep. */
export type ReconcileScope =
  | { readonly kind: 'hot'; readonly from: number; readonly to: number }
  | { readonly kind: 'shared'; readonly day: number }

export type ReconcileRequest = { readonly scope: ReconcileScope } & (
  | { readonly op: 'ranges'; readonly ranges: Uint8Array }
  | { readonly op: 'get'; readonly items: readonly string[] }
)

/** A box on its way to another node. */
export interface PassedBox {
  /** Minutes since 1970. */
  readonly heardMinute: number
  readonly publication: Uint8Array
}

const OPS = { ranges: 0, get: 1 } as const
const SCOPES = { hot: 0, shared: 1 } as const
const HEADER_BYTES = 1 + 1 + 1 + 8 + 8

/** Largest request this codec writes. */
export const MAX_RECONCILE_REQUEST_BYTES =
  HEADER_BYTES + Math.max(MAX_REQUEST_BYTES, 2 + MAX_GET_BOXES * ITEM_BYTES)

const malformed = (field: string) =>
  new HearsayError('bad-value', 'malformed mailbox frame', { field })

/** version 1 | op 1 | scope 1 | from or day 8 | to 8 | ranges, or count 2 and items. */
export function encodeReconcileRequest(request: ReconcileRequest): Uint8Array {
  const { scope } = request
  const body = request.op === 'ranges' ? request.ranges.length : 2 + request.items.length * 32
  const writer = new Writer(HEADER_BYTES + body)
  writer.u8(MAILBOX_VERSION).u8(OPS[request.op]).u8(SCOPES[scope.kind])
  if (scope.kind === 'hot') writer.u64(scope.from).u64(scope.to)
  else writer.u64(scope.day).u64(0)
  if (request.op === 'ranges') return writer.bytes(request.ranges).finish()
  writer.u16(request.items.length)
  for (const item of request.items) writer.bytes(fromHex(item))
  return writer.finish()
}

/** Strict inverse. @throws HearsayError of the class `peer`. */
export function decodeReconcileRequest(bytes: Uint8Array): ReconcileRequest {
  const reader = new Reader(bytes)
  if (reader.u8('version') !== MAILBOX_VERSION) {
    throw new HearsayError('bad-version', 'unknown mailbox version')
  }
  const op = reader.u8('op')
  const scope = readScope(reader)
  if (op === OPS.ranges) return { op: 'ranges', scope, ranges: reader.rest() }
  if (op !== OPS.get) throw malformed('op')
  const count = reader.u16('count')
  if (count === 0 || count > MAX_GET_BOXES) throw malformed('count')
  const items = Array.from({ length: count }, () => toHex(reader.bytes(ITEM_BYTES, 'item')))
  reader.end()
  return { op: 'get', scope, items }
}

function readScope(reader: Reader): ReconcileScope {
  const kind = reader.u8('scope')
  const first = reader.u64('from')
  const second = reader.u64('to')
  if (kind === SCOPES.hot) return { kind: 'hot', from: first, to: second }
  if (kind !== SCOPES.shared || first > 0xffff_ffff || second !== 0) throw malformed('scope')
  return { kind: 'shared', day: first }
}

/** For each item asked for: 0, or 1 | heard minute 4 | length 2 | publication. */
export function encodeBoxes(boxes: readonly (PassedBox | undefined)[]): Uint8Array {
  const length = boxes.reduce((sum, box) => sum + (box ? 7 + box.publication.length : 1), 0)
  const writer = new Writer(length)
  for (const box of boxes) {
    if (box === undefined) writer.u8(0)
    else writer.u8(1).u32(box.heardMinute).vector16(box.publication)
  }
  return writer.finish()
}

/** Strict inverse for `count` items; publications are copies. @throws HearsayError of the class `peer`. */
export function decodeBoxes(bytes: Uint8Array, count: number): (PassedBox | undefined)[] {
  const reader = new Reader(bytes)
  const boxes = Array.from({ length: count }, (): PassedBox | undefined => {
    const present = reader.u8('present')
    if (present > 1) throw malformed('present')
    if (present === 0) return undefined
    const heardMinute = reader.u32('heardMinute')
    return { heardMinute, publication: reader.vector16(MAX_PUBLICATION_BYTES).slice() }
  })
  reader.end()
  return boxes
}
