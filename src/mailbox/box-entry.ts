import { type Address, asAddress, readU64be } from '../base/index.ts'
import { hashHex, LABELS } from '../crypto/index.ts'
import { Reader, Writer } from '../wire/index.ts'

/** What the mailbox knows of a box without the box. */
export interface BoxEntry {
  readonly address: Address
  /** 32 bytes. */
  readonly boxHash: Uint8Array
  readonly expiryDay: number
  /** 0, or 1 for the second box under the address. */
  readonly slot: number
  /** ms: when the network, as far as we know, first had it. */
  readonly heardAt: number
  /** False while only one peer is known to have it. */
  readonly confirmed: boolean
  /** Kept until it expires, not only while it is hot. */
  readonly kept: boolean
}

const FLAG_CONFIRMED = 1
const FLAG_KEPT = 2
const HEARD_OFFSET = 32 + 32 + 4 + 1
export const ENTRY_BYTES = HEARD_OFFSET + 8 + 1

/** H(address, box hash) in hex: what reconciliation compares. It does not let a peer compute the address. */
export function itemOf(entry: Pick<BoxEntry, 'address' | 'boxHash'>): string {
  return hashHex(LABELS.reconcileItem, entry.address, entry.boxHash)
}

/** address 32 | box hash 32 | expiryDay 4 | slot 1 | heardAt 8 | flags 1. */
export function encodeEntry(entry: BoxEntry): Uint8Array {
  return new Writer(ENTRY_BYTES)
    .bytes(entry.address)
    .bytes(entry.boxHash)
    .u32(entry.expiryDay)
    .u8(entry.slot)
    .u64(entry.heardAt)
    .u8((entry.confirmed ? FLAG_CONFIRMED : 0) | (entry.kept ? FLAG_KEPT : 0))
    .finish()
}

/** Inverse of `encodeEntry`; address and hash are views of the bytes. @throws HearsayError for damaged rows. */
export function decodeEntry(bytes: Uint8Array): BoxEntry {
  const reader = new Reader(bytes)
  const entry = readEntry(reader)
  reader.end()
  return entry
}

/** `heardAt` of the encoded entry at `offset` of `bytes`. */
export function heardAtIn(bytes: Uint8Array, offset: number): number {
  return readU64be(bytes, offset + HEARD_OFFSET)
}

/** A stored box: the entry, then the publication it came in. */
export interface BoxRecord {
  readonly entry: BoxEntry
  readonly publication: Uint8Array
}

export function encodeRecord({ entry, publication }: BoxRecord): Uint8Array {
  return new Writer(ENTRY_BYTES + publication.length)
    .bytes(encodeEntry(entry))
    .bytes(publication)
    .finish()
}

/** Inverse of `encodeRecord`; the publication is a view of the bytes. @throws HearsayError for damaged rows. */
export function decodeRecord(bytes: Uint8Array): BoxRecord {
  const reader = new Reader(bytes)
  // A copy: an entry is held for longer than the publication.
  const entry = readEntry(new Reader(reader.bytes(ENTRY_BYTES, 'entry').slice()))
  return { entry, publication: reader.rest() }
}

function readEntry(reader: Reader): BoxEntry {
  const address = asAddress(reader.bytes(32, 'address'))
  const boxHash = reader.bytes(32, 'boxHash')
  const expiryDay = reader.u32('expiryDay')
  const slot = reader.u8('slot')
  const heardAt = reader.u64('heardAt')
  const flags = reader.u8('flags')
  return {
    address,
    boxHash,
    expiryDay,
    slot,
    heardAt,
    confirmed: (flags & FLAG_CONFIRMED) !== 0,
    kept: (flags & FLAG_KEPT) !== 0,
  }
}
