import { compareBytes, type NetworkId, u32be } from '../base/index.ts'
import { hash, LABELS } from '../crypto/index.ts'
import { RECORD_DIGEST_BYTES, SAFETY_NUMBER_DIGITS } from './constants.ts'

/** What both sides have seen when a conversation begins; every byte of it is bound into its id. */
export interface Transcript {
  readonly networkId: NetworkId
  /** R_I of the invitation, 32 bytes. */
  readonly inviterRoot: Uint8Array
  readonly inviterAccount: Uint8Array
  readonly claimerAccount: Uint8Array
  readonly inviterKeyPackage: Uint8Array
  readonly claimerKeyPackage: Uint8Array
}

/** The conversation id, 32 bytes: equal on both sides only if they saw the same transcript. SPEC §3. */
export function conversationId(t: Transcript): Uint8Array {
  return hash(
    LABELS.conversationId,
    t.networkId,
    t.inviterRoot,
    t.inviterAccount,
    t.claimerAccount,
    t.inviterKeyPackage,
    t.claimerKeyPackage,
  )
}

/**
 * The value that stands for the conversation in credentials of KeyPackages exchanged before its id exists
 * (the id hashes the KeyPackages, so they cannot carry it). 32 bytes. SPEC §3.
 */
export function invitationBinding(networkId: NetworkId, inviterRoot: Uint8Array): Uint8Array {
  return hash(LABELS.invitationBinding, networkId, inviterRoot)
}

/** The id of one device's send group: a group of another conversation, device or generation never fits. */
export function sendGroupId(
  conversation: Uint8Array,
  writerDevice: Uint8Array,
  generation: number,
): Uint8Array {
  return hash(LABELS.groupId, conversation, writerDevice, u32be(generation))
}

/** What an ack names a record by, 16 bytes: the same number may stand for another record in another life. SPEC §5. */
export function recordDigest(record: Uint8Array): Uint8Array {
  return hash(LABELS.recordDigest, record).slice(0, RECORD_DIGEST_BYTES)
}

/** Of a record that is not here, or whose bytes are gone. */
export const NO_DIGEST: Uint8Array = new Uint8Array(RECORD_DIGEST_BYTES)

/**
 * The safety number of a conversation: 60 decimal digits (199 bits) in groups of five, the same on both
 * sides, over the network and both account keys. People compare it to exclude a man in the middle.
 */
export function safetyNumber(networkId: NetworkId, a: Uint8Array, b: Uint8Array): string {
  const [first, second] = compareBytes(a, b) < 0 ? [a, b] : [b, a]
  const digest = hash(LABELS.safetyNumber, networkId, first, second)
  const value =
    BigInt(`0x${Buffer.from(digest).toString('hex')}`) % 10n ** BigInt(SAFETY_NUMBER_DIGITS)
  const digits = value.toString().padStart(SAFETY_NUMBER_DIGITS, '0')
  return digits.match(/.{5}/g)?.join(' ') ?? digits
}
