import {
  type Address,
  ADDRESS_BYTES,
  type BoxBytes,
  HearsayError,
  NETWORK_ID_BYTES,
  type NetworkId,
  type Rng,
} from '../base/index.ts'
import {
  AEAD_NONCE_BYTES,
  aeadOpen,
  aeadSealInto,
  hash,
  kdf,
  KEY_BYTES,
  LABELS,
  SEED_BYTES,
  signBlindedWith,
  verify,
  wipe,
} from '../crypto/index.ts'
import { advanceChain, type BoxKeys, firstChain, wipeBoxKeys } from './chain.ts'
import {
  BOX_BYTES,
  BOX_HEADER_BYTES,
  BOX_PAYLOAD_BYTES,
  BOX_SALT_BYTES,
  BOX_SIGNED_BYTES,
  BOX_VERSION,
  SALTED_PAYLOAD_BYTES,
} from './constants.ts'

export interface SealOptions {
  readonly networkId: NetworkId
  /** UTC day of publishing + the network's TTL, in days since 1970: the same rule for every box. */
  readonly expiryDay: number
  /** Seed of the writer's mailbox root key, 32 bytes. */
  readonly rootSeed: Uint8Array
  readonly keys: BoxKeys
  /** Exactly `BOX_PAYLOAD_BYTES`, or `SALTED_PAYLOAD_BYTES` for a salted box. */
  readonly payload: Uint8Array
}

export interface Box {
  readonly version: number
  readonly expiryDay: number
  readonly address: Address
  readonly sealed: Uint8Array
  readonly signature: Uint8Array
}

// The key is used for one box (or is derived from a fresh salt), so the nonce may be constant.
const ZERO_NONCE = new Uint8Array(AEAD_NONCE_BYTES)
const AD_BYTES = NETWORK_ID_BYTES + BOX_HEADER_BYTES

/**
 * The one box of these keys: sealed to whoever has the keys, signed by the address `keys.blind · root`. The
 * caller reserved `keys.index` durably before, and erases the keys after.
 * @throws HearsayError `bad-length` for a payload, seed or network id of another length; `bad-value` for a
 * day that is not a 32-bit integer.
 */
export function sealBox(options: SealOptions): BoxBytes {
  checkLength('payload', options.payload, BOX_PAYLOAD_BYTES)
  return seal(options, options.keys.key)
}

/**
 * `sealBox` for an address whose keys several writers know (the claim of an invitation): the payload is
 * sealed under a key derived from the box key and a fresh 32-byte salt, sent in clear before the ciphertext,
 * so two writers never use one key for two texts.
 * @throws as `sealBox`.
 */
export function sealSaltedBox(options: SealOptions & { readonly salt: Uint8Array }): BoxBytes {
  checkLength('payload', options.payload, SALTED_PAYLOAD_BYTES)
  checkLength('salt', options.salt, BOX_SALT_BYTES)
  const key = saltedKey(options.keys, options.salt)
  const box = seal(options, key, options.salt)
  wipe(key)
  return box
}

// The buffer is network id | box: its beginning is the associated data and, up to the signature, the signed
// message, so nothing is copied before the end.
function seal(options: SealOptions, key: Uint8Array, salt?: Uint8Array): BoxBytes {
  const { networkId, expiryDay, rootSeed, keys, payload } = options
  checkLength('network id', networkId, NETWORK_ID_BYTES)
  if (!Number.isInteger(expiryDay) || expiryDay < 0 || expiryDay > 0xffff_ffff) {
    throw new HearsayError('bad-value', 'expiryDay is a 32-bit integer')
  }
  const buffer = new Uint8Array(NETWORK_ID_BYTES + BOX_BYTES)
  buffer.set(networkId)
  buffer[NETWORK_ID_BYTES] = BOX_VERSION
  new DataView(buffer.buffer).setUint32(NETWORK_ID_BYTES + 1, expiryDay)
  const end = NETWORK_ID_BYTES + BOX_SIGNED_BYTES
  const { signature } = signBlindedWith(rootSeed, keys.blind, (address) => {
    buffer.set(address, AD_BYTES - ADDRESS_BYTES)
    if (salt !== undefined) buffer.set(salt, AD_BYTES)
    const start = AD_BYTES + (salt?.length ?? 0)
    aeadSealInto(
      buffer.subarray(start, end),
      key,
      ZERO_NONCE,
      payload,
      buffer.subarray(0, AD_BYTES),
    )
    return buffer.subarray(0, end)
  })
  buffer.set(signature, end)
  return buffer.slice(NETWORK_ID_BYTES) as BoxBytes
}

function saltedKey(keys: BoxKeys, salt: Uint8Array): Uint8Array {
  return kdf(LABELS.streamSalted, keys.key, salt, KEY_BYTES)
}

/**
 * A box that says nothing: fresh random keys, sealed and signed by the same code as a real one, so neither
 * its bytes nor the time it takes tell them apart. Nobody can open it; its keys are gone.
 */
export function coverBox(options: {
  readonly networkId: NetworkId
  readonly expiryDay: number
  readonly rng: Rng
}): BoxBytes {
  const rootSeed = options.rng.bytes(SEED_BYTES)
  const { next, keys } = advanceChain(firstChain(options.rng.bytes(KEY_BYTES)))
  const payload = new Uint8Array(BOX_PAYLOAD_BYTES)
  const { networkId, expiryDay } = options
  const box = sealBox({ networkId, expiryDay, rootSeed, keys, payload })
  wipe(rootSeed, next.chainKey)
  wipeBoxKeys(keys)
  return box
}

/**
 * The fields of a box, as views. Says nothing about its validity: see `verifyBox`.
 * @throws HearsayError `bad-length` unless exactly 2048 bytes, `bad-version`.
 */
export function parseBox(bytes: Uint8Array): Box {
  checkLength('box', bytes, BOX_BYTES)
  const version = bytes[0] as number
  if (version !== BOX_VERSION) {
    throw new HearsayError('bad-version', 'unknown box version', { version })
  }
  return {
    version,
    expiryDay: new DataView(bytes.buffer, bytes.byteOffset, BOX_HEADER_BYTES).getUint32(1),
    address: bytes.subarray(BOX_HEADER_BYTES - ADDRESS_BYTES, BOX_HEADER_BYTES) as Address,
    sealed: bytes.subarray(BOX_HEADER_BYTES, BOX_SIGNED_BYTES),
    signature: bytes.subarray(BOX_SIGNED_BYTES),
  }
}

/** Inverse of `parseBox`. @throws HearsayError `bad-length`, `bad-version`. */
export function assembleBox(box: Box): BoxBytes {
  const bytes = new Uint8Array(BOX_BYTES)
  bytes[0] = box.version
  new DataView(bytes.buffer).setUint32(1, box.expiryDay)
  bytes.set(box.address, BOX_HEADER_BYTES - ADDRESS_BYTES)
  bytes.set(box.sealed, BOX_HEADER_BYTES)
  bytes.set(box.signature, BOX_SIGNED_BYTES)
  return asBox(bytes)
}

/** Checks length and version and brands; shares the bytes. @throws as `parseBox`. */
export function asBox(bytes: Uint8Array): BoxBytes {
  parseBox(bytes)
  return bytes as BoxBytes
}

/**
 * The one verifier of boxes, everywhere: exact length, known version, an address that is the canonical
 * encoding of a point of prime order, and a strict Ed25519 signature over network id and all that precedes
 * it. Nodes never disagree about it, or gossip would split. Never throws; not about days or duplicates.
 */
export function verifyBox(networkId: NetworkId, box: Uint8Array): boolean {
  if (box.length !== BOX_BYTES || box[0] !== BOX_VERSION) return false
  const message = new Uint8Array(NETWORK_ID_BYTES + BOX_SIGNED_BYTES)
  message.set(networkId)
  message.set(box.subarray(0, BOX_SIGNED_BYTES), NETWORK_ID_BYTES)
  return verify(
    box.subarray(BOX_SIGNED_BYTES),
    message,
    box.subarray(BOX_HEADER_BYTES - ADDRESS_BYTES, BOX_HEADER_BYTES),
  )
}

/**
 * The payload of a box of these keys, `BOX_PAYLOAD_BYTES`. Does not verify the signature (every node did,
 * with `verifyBox`), but nothing opens that was not sealed under these keys, header and network.
 * @throws HearsayError `open-failed`; `bad-length`, `bad-version` as `parseBox`.
 */
export function openBox(networkId: NetworkId, keys: BoxKeys, box: Uint8Array): Uint8Array {
  const { sealed } = parseBox(box)
  return aeadOpen(keys.key, ZERO_NONCE, sealed, associatedData(networkId, box))
}

/** Inverse of `sealSaltedBox`: `SALTED_PAYLOAD_BYTES`. @throws as `openBox`. */
export function openSaltedBox(networkId: NetworkId, keys: BoxKeys, box: Uint8Array): Uint8Array {
  const { sealed } = parseBox(box)
  const key = saltedKey(keys, sealed.subarray(0, BOX_SALT_BYTES))
  try {
    const ad = associatedData(networkId, box)
    return aeadOpen(key, ZERO_NONCE, sealed.subarray(BOX_SALT_BYTES), ad)
  } finally {
    wipe(key)
  }
}

/** 32 bytes that name a box with all its bytes (an address may be taken by two boxes of a bad writer). */
export function boxHash(box: BoxBytes): Uint8Array {
  return hash(LABELS.boxHash, box)
}

function associatedData(networkId: NetworkId, box: Uint8Array): Uint8Array {
  const ad = new Uint8Array(AD_BYTES)
  ad.set(networkId)
  ad.set(box.subarray(0, BOX_HEADER_BYTES), NETWORK_ID_BYTES)
  return ad
}

function checkLength(name: string, bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) {
    throw new HearsayError('bad-length', `${name} has the wrong length`, { length: bytes.length })
  }
}
