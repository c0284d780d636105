import { type Address, asAddress, type BoxBytes, HearsayError, type Rng } from '../base/index.ts'
import { asBox, BOX_BYTES } from '../stream/index.ts'
import { Reader, Writer } from '../wire/index.ts'
import {
  BOXES_PER_ADDRESS,
  FETCH_ANSWER_BYTES,
  FETCH_REQUEST_BYTES,
  MAILBOX_VERSION,
} from './constants.ts'

export interface FetchRequest {
  readonly address: Address
  /** 0, or 1 for the second box of a conflict. */
  readonly which: number
}

export interface FetchAnswer {
  /** Boxes that the keeper has under the address, 0 to 2. */
  readonly count: number
  /** Undefined when `which` was not below `count`. */
  readonly box: BoxBytes | undefined
}

function checkVersion(reader: Reader): void {
  if (reader.u8('version') !== MAILBOX_VERSION) {
    throw new HearsayError('bad-version', 'unknown mailbox version')
  }
}

/** version 1 | address 32 | which 1. */
export function encodeFetch({ address, which }: FetchRequest): Uint8Array {
  return new Writer(FETCH_REQUEST_BYTES).u8(MAILBOX_VERSION).bytes(address).u8(which).finish()
}

/** Strict inverse. @throws HearsayError of the class `peer`. */
export function decodeFetch(bytes: Uint8Array): FetchRequest {
  const reader = new Reader(bytes)
  checkVersion(reader)
  const address = asAddress(reader.bytes(32, 'address').slice())
  const which = reader.u8('which')
  reader.end()
  if (which >= BOXES_PER_ADDRESS) throw new HearsayError('bad-value', 'no such box', { which })
  return { address, which }
}

/** version 1 | count 1 | box 2048, random bytes where there is none: one size, whatever was found. */
export function encodeFetchAnswer({ count, box }: FetchAnswer, rng: Rng): Uint8Array {
  return new Writer(FETCH_ANSWER_BYTES)
    .u8(MAILBOX_VERSION)
    .u8(count)
    .bytes(box ?? rng.bytes(BOX_BYTES))
    .finish()
}

/** Strict inverse; the box is not verified yet. @throws HearsayError of the class `peer`. */
export function decodeFetchAnswer(bytes: Uint8Array, which: number): FetchAnswer {
  const reader = new Reader(bytes)
  checkVersion(reader)
  const count = reader.u8('count')
  if (count > BOXES_PER_ADDRESS) throw new HearsayError('bad-value', 'too many boxes', { count })
  const box = reader.bytes(BOX_BYTES, 'box').slice()
  reader.end()
  return { count, box: which < count ? asBox(box) : undefined }
}
