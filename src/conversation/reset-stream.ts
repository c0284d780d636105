import { concat, equalBytes, type NetworkId, readU64be, u32be, u64be } from '../base/index.ts'
import { kdf, LABELS, signKeyPairFromSeed } from '../crypto/index.ts'
import { firstChain, SALTED_PAYLOAD_BYTES } from '../stream/index.ts'
import { Reader } from '../wire/index.ts'
import type { RendezvousPlace } from './rendezvous.ts'

const SECRET_BYTES = 32
const ROOT_BYTES = 32

/**
 * The reset secret of a conversation, 32 bytes: from the first stream secret of the inviter's group, which only the two
 * members know. (The authenticators would not do: a holder of the invitation can read the record that carries them.)
 */
export function resetSecretOf(streamSecret: Uint8Array, conversation: Uint8Array): Uint8Array {
  return kdf(LABELS.resetSecret, streamSecret, conversation, SECRET_BYTES)
}

/** Where an account says on a UTC day that it came back, or that it answers: `RESET_SLOTS` addresses, salted boxes. SPEC §9. */
export function resetPlace(
  networkId: NetworkId,
  resetSecret: Uint8Array,
  accountKey: Uint8Array,
  day: number,
): RendezvousPlace {
  const context = concat(networkId, accountKey, u32be(day))
  return {
    root: accountKey,
    chain: firstChain(kdf(LABELS.resetStream, resetSecret, context, SECRET_BYTES)),
  }
}

/**
 * The stream of the side that answers a claim. Its root is fresh for every answer: whatever a former life of that side
 * has answered, neither an address nor a key of it can come again.
 */
export function answerPlace(
  networkId: NetworkId,
  resetSecret: Uint8Array,
  answerRoot: Uint8Array,
  claimerRoot: Uint8Array,
): RendezvousPlace {
  const context = concat(networkId, claimerRoot, answerRoot)
  return {
    root: answerRoot,
    chain: firstChain(kdf(LABELS.resetAnswer, resetSecret, context, SECRET_BYTES)),
  }
}

const KINDS = { claim: 1, answer: 2 } as const

/** What an account says in its reset place. */
export interface Announcement {
  readonly kind: 'claim' | 'answer'
  /** R_C of a claim, R_A of an answer, 32 bytes. */
  readonly root: Uint8Array
  /** Wall clock of its writer, ms: of two announcements the later one counts. */
  readonly at: number
  /**
   * R_C of the other side, 32 bytes: of the claim that is answered, or that a claim goes before; 32 zero bytes for none.
   */
  readonly other: Uint8Array
}

/** kind 1 | root 32 | at 8 | other 32 | zeros: exactly the payload of a salted box. */
export function encodeAnnouncement({ kind, root, at, other }: Announcement): Uint8Array {
  const payload = new Uint8Array(SALTED_PAYLOAD_BYTES)
  payload.set(concat(Uint8Array.of(KINDS[kind]), root, u64be(at), other))
  return payload
}

/** Inverse of `encodeAnnouncement`; undefined for another kind, a time out of range or bytes behind the last field. */
export function tryDecodeAnnouncement(payload: Uint8Array): Announcement | undefined {
  const reader = new Reader(payload)
  const kind = kindOf(reader.u8('kind'))
  const root = reader.bytes(ROOT_BYTES, 'root').slice()
  const time = reader.bytes(8, 'at')
  const other = reader.bytes(ROOT_BYTES, 'other').slice()
  // Beyond 2^53 a number is not exact, and no clock says it.
  if (kind === undefined || time[0] !== 0 || (time[1] ?? 0) >= 0x20) return undefined
  const said = { kind, root, at: readU64be(time), other }
  return equalBytes(encodeAnnouncement(said), payload) ? said : undefined
}

function kindOf(code: number): Announcement['kind'] | undefined {
  if (code === KINDS.claim) return 'claim'
  return code === KINDS.answer ? 'answer' : undefined
}

/** The account key of a seed, 32 bytes. */
export function accountKeyOf(accountSeed: Uint8Array): Uint8Array {
  return signKeyPairFromSeed(accountSeed).publicKey
}
