import {
  asNetworkId,
  asNodeId,
  type BoxBytes,
  concat,
  HearsayError,
  NETWORK_ID_BYTES,
  NODE_ID_BYTES,
  type NetworkId,
  type NodeId,
  readU64be,
  u32be,
  u64be,
} from '../base/index.ts'
import { hash, LABELS, SIGNATURE_BYTES } from '../crypto/index.ts'
import {
  EPOCH_BYTES,
  PUBLICATION_BYTES,
  PUBLICATION_HEADER_BYTES,
  PUBLICATION_VERSION,
} from './constants.ts'

const NETWORK_AT = 1
const EPOCH_AT = NETWORK_AT + NETWORK_ID_BYTES
const COURIER_AT = EPOCH_AT + EPOCH_BYTES
const COUNTER_AT = COURIER_AT + NODE_ID_BYTES
const SIGNATURE_AT = PUBLICATION_BYTES - SIGNATURE_BYTES

export interface PublicationHeader {
  networkId: NetworkId
  epoch: number
  courier: NodeId
  /** 0 to 2^53 - 1, never used twice by one courier in one epoch. */
  counter: number
}

export interface Publication extends PublicationHeader {
  box: BoxBytes
  signature: Uint8Array
}

/** version 1 | networkId 32 | epoch 4 | courier 32 | counter 8. */
export function encodeHeader(header: PublicationHeader): Uint8Array {
  return concat(
    Uint8Array.of(PUBLICATION_VERSION),
    header.networkId,
    u32be(header.epoch),
    header.courier,
    u64be(header.counter),
  )
}

/**
 * Views into `bytes`, which has at least the header's length; nothing is copied.
 * @throws HearsayError `bad-version`, or `bad-value` for a counter above 2^53 - 1.
 */
export function decodeHeader(bytes: Uint8Array): PublicationHeader {
  if (bytes[0] !== PUBLICATION_VERSION) {
    throw new HearsayError('bad-version', 'unknown publication version', { offset: 0 })
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    networkId: asNetworkId(bytes.subarray(NETWORK_AT, EPOCH_AT)),
    epoch: view.getUint32(EPOCH_AT),
    courier: asNodeId(bytes.subarray(COURIER_AT, COUNTER_AT)),
    counter: readU64be(bytes, COUNTER_AT),
  }
}

/** header | box 2048 | signature 64: PUBLICATION_BYTES. */
export function encodePublication(publication: Publication): Uint8Array {
  return concat(encodeHeader(publication), publication.box, publication.signature)
}

/**
 * Strict and total; the parts are views into `bytes`.
 * @throws HearsayError `bad-length`, `bad-version`, `bad-value`.
 */
export function decodePublication(bytes: Uint8Array): Publication {
  if (bytes.length !== PUBLICATION_BYTES) {
    throw new HearsayError('bad-length', 'publication has the wrong length', {
      length: bytes.length,
    })
  }
  const header = decodeHeader(bytes)
  return {
    ...header,
    box: bytes.subarray(PUBLICATION_HEADER_BYTES, SIGNATURE_AT) as BoxBytes,
    signature: bytes.subarray(SIGNATURE_AT),
  }
}

/**
 * What a courier signs: header and box hash, so that a proof of misbehaviour needs two hashes and not two
 * boxes. 32 bytes.
 */
export function publicationDigest(header: Uint8Array, boxHash: Uint8Array): Uint8Array {
  return hash(LABELS.publication, header, boxHash)
}

/**
 * BLAKE2b-256 over every byte. An id over the address alone would let garbage under a known address fill
 * the seen-caches and silence a stream before anything is validated.
 */
export function publicationId(bytes: Uint8Array): Uint8Array {
  return hash(LABELS.messageId, bytes)
}
