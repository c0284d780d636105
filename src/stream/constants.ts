import { ADDRESS_BYTES } from '../base/index.ts'
import { AEAD_TAG_BYTES, KEY_BYTES, SIGNATURE_BYTES, WIDE_SCALAR_BYTES } from '../crypto/index.ts'
import { paddedLength } from './record-classes.ts'

export { MIN_CLASS_BYTES } from './record-classes.ts'

/** Version byte of every box. */
export const BOX_VERSION = 1
/** One size for every box of every network: a size would be a fingerprint. */
export const BOX_BYTES = 2048
/** version 1 | expiryDay 4 | address 32. */
export const BOX_HEADER_BYTES = 1 + 4 + ADDRESS_BYTES
/** Everything before the signature. */
export const BOX_SIGNED_BYTES = BOX_BYTES - SIGNATURE_BYTES
/** Ciphertext and tag. */
export const BOX_SEALED_BYTES = BOX_SIGNED_BYTES - BOX_HEADER_BYTES
/** Plaintext of one box. */
export const BOX_PAYLOAD_BYTES = BOX_SEALED_BYTES - AEAD_TAG_BYTES
/** Salt of a box whose key two writers may use. */
export const BOX_SALT_BYTES = 32
/** Plaintext of a salted box. */
export const SALTED_PAYLOAD_BYTES = BOX_PAYLOAD_BYTES - BOX_SALT_BYTES
/** blind 64 | key 32 | next 32. */
export const CHAIN_STEP_BYTES = WIDE_SCALAR_BYTES + KEY_BYTES + KEY_BYTES
/** A stored chain: index 8 | chain key 32. */
export const CHAIN_STATE_BYTES = 8 + KEY_BYTES

/** kind 1 | seq 8 | length 2. */
export const WHOLE_HEADER_BYTES = 1 + 8 + 2
/** kind 1 | seq 8 | length 2 | total 4 | offset 4. */
export const FRAGMENT_HEADER_BYTES = WHOLE_HEADER_BYTES + 4 + 4
/** A fragment that is not the last of its record is not shorter: short ones would cost time to join. */
export const MIN_FRAGMENT_BYTES = 64
/** Below it, half a payload would not hold a fragment, and large records would stand still. */
export const MIN_CAPACITY_BYTES = 256
/** A record, unpadded. The largest that occurs is a welcome with the tree of a large group. */
export const MAX_RECORD_BYTES = 262_144
/** The largest record after padding to its class. */
export const MAX_PADDED_BYTES = paddedLength(MAX_RECORD_BYTES)
/** The largest padded record that is never split. */
export const MAX_WHOLE_BYTES = BOX_PAYLOAD_BYTES - WHOLE_HEADER_BYTES

/** What a kept fragment is charged beyond its bytes, so that short fragments are not free. */
export const FRAGMENT_CHARGE_BYTES = 64
/** All partial records of one stream: one of the largest, and what a window of 64 boxes can bring early. */
export const MAX_PARTIAL_BYTES = MAX_PADDED_BYTES + 64 * (BOX_PAYLOAD_BYTES + FRAGMENT_CHARGE_BYTES)
/** Partial records of one stream: an honest writer has one under way, and those whose boxes were lost. */
export const MAX_PARTIAL_RECORDS = 64
/** A partial record that gained nothing in so many accepted boxes is dropped. */
export const PARTIAL_IDLE_BOXES = 4096

/** The largest window a reader may ask for. */
export const MAX_WINDOW_SIZE = 256
/** Version byte of the stored states of this module. */
export const STREAM_STATE_VERSION = 1
/** Likewise of a reassembler: its fragments are in rows of their own. */
export const REASSEMBLER_STATE_VERSION = 2
