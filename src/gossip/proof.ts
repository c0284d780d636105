import {
  compareBytes,
  concat,
  equalBytes,
  HASH_BYTES,
  HearsayError,
  type NodeId,
} from '../base/index.ts'
import { hash, LABELS, SIGNATURE_BYTES, verify, verifyByCheckedKey } from '../crypto/index.ts'
import { PROOF_BYTES, PUBLICATION_HEADER_BYTES } from './constants.ts'
import type { SignedHash } from './publication-log.ts'
import {
  decodeHeader,
  encodeHeader,
  type PublicationHeader,
  publicationDigest,
} from './publication.ts'

/** Two boxes that one courier signed under one counter: anyone can check it without the boxes. */
export interface MisbehaviourProof extends PublicationHeader {
  /** Ordered by box hash, so that one pair has one encoding. */
  signed: readonly [SignedHash, SignedHash]
}

export function buildProof(
  header: PublicationHeader,
  one: SignedHash,
  two: SignedHash,
): MisbehaviourProof {
  const ordered = compareBytes(one.boxHash, two.boxHash) < 0 ? [one, two] : [two, one]
  return { ...header, signed: ordered as [SignedHash, SignedHash] }
}

/** header 77 | (box hash 32 | signature 64) × 2: PROOF_BYTES. */
export function encodeProof(proof: MisbehaviourProof): Uint8Array {
  const [one, two] = proof.signed
  return concat(encodeHeader(proof), one.boxHash, one.signature, two.boxHash, two.signature)
}

/**
 * Strict and total; copies what it returns, because exclusions outlive the message.
 * @throws HearsayError `bad-length`, `bad-version`, `bad-value` (also for hashes equal or out of order).
 */
export function decodeProof(bytes: Uint8Array): MisbehaviourProof {
  if (bytes.length !== PROOF_BYTES) {
    throw new HearsayError('bad-length', 'proof has the wrong length', { length: bytes.length })
  }
  const own = bytes.slice()
  const signedAt = (at: number): SignedHash => ({
    boxHash: own.subarray(at, at + HASH_BYTES),
    signature: own.subarray(at + HASH_BYTES, at + HASH_BYTES + SIGNATURE_BYTES),
  })
  const one = signedAt(PUBLICATION_HEADER_BYTES)
  const two = signedAt(PUBLICATION_HEADER_BYTES + HASH_BYTES + SIGNATURE_BYTES)
  if (compareBytes(one.boxHash, two.boxHash) >= 0) {
    throw new HearsayError('bad-value', 'box hashes of a proof are not in order')
  }
  return { ...decodeHeader(own), signed: [one, two] }
}

/** True only when both signatures are the courier's and the boxes differ. */
export function verifyProof(proof: MisbehaviourProof): boolean {
  const header = encodeHeader(proof)
  const [one, two] = proof.signed
  return (
    !equalBytes(one.boxHash, two.boxHash) &&
    proof.signed.every((signed) => verifySigned(header, signed, proof.courier))
  )
}

/** The courier's signature under one publication. */
export function verifySigned(header: Uint8Array, signed: SignedHash, courier: NodeId): boolean {
  return verify(signed.signature, publicationDigest(header, signed.boxHash), courier)
}

/** `verifySigned` for a courier that the directory vouches for: its key was checked with its descriptor. */
export function verifySignedByCourier(
  header: Uint8Array,
  signed: SignedHash,
  courier: NodeId,
): boolean {
  const digest = publicationDigest(header, signed.boxHash)
  return verifyByCheckedKey(signed.signature, digest, courier)
}

/** Over every byte, as for publications. */
export function proofId(bytes: Uint8Array): Uint8Array {
  return hash(LABELS.misbehaviourProof, bytes)
}
