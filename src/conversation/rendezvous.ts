import { concat, type NetworkId } from '../base/index.ts'
import { kdf, LABELS, signKeyPairFromSeed } from '../crypto/index.ts'
import { type ChainState, firstChain } from '../stream/index.ts'

const SECRET_BYTES = 32

/**
 * Where two strangers who share only an invitation find each other. Four places, all predictable by holders
 * of the secret and random bytes to everyone else (SPEC §4):
 *
 * - claim: one salted box under a root that every holder of the secret can sign for; names the claimer's R_C
 * - claimer: the claimer's stream, writable only with R_C's secret
 * - inviter: the inviter's stream to that claimer, writable only with R_I's secret
 * - verdict: one box of the inviter, written when a second claim shows up: names the claim that won
 */
export interface RendezvousPlace {
  readonly root: Uint8Array
  readonly chain: ChainState
}

export function claimPlace(networkId: NetworkId, secret: Uint8Array): RendezvousPlace & { rootSeed: Uint8Array } {
  const rootSeed = kdf(LABELS.rendezvousClaimRoot, secret, networkId, SECRET_BYTES)
  return {
    rootSeed,
    root: signKeyPairFromSeed(rootSeed).publicKey,
    chain: firstChain(kdf(LABELS.rendezvousClaim, secret, networkId, SECRET_BYTES)),
  }
}

export function claimerPlace(
  networkId: NetworkId,
  secret: Uint8Array,
  claimerRoot: Uint8Array,
): RendezvousPlace {
  const context = concat(networkId, claimerRoot)
  return {
    root: claimerRoot,
    chain: firstChain(kdf(LABELS.rendezvousClaimer, secret, context, SECRET_BYTES)),
  }
}

export function inviterPlace(
  networkId: NetworkId,
  secret: Uint8Array,
  inviterRoot: Uint8Array,
  claimerRoot: Uint8Array,
): RendezvousPlace {
  const context = concat(networkId, claimerRoot)
  return {
    root: inviterRoot,
    chain: firstChain(kdf(LABELS.rendezvousInviter, secret, context, SECRET_BYTES)),
  }
}

export function verdictPlace(
  networkId: NetworkId,
  secret: Uint8Array,
  inviterRoot: Uint8Array,
): RendezvousPlace {
  return {
    root: inviterRoot,
    chain: firstChain(kdf(LABELS.rendezvousVerdict, secret, networkId, SECRET_BYTES)),
  }
}

/** The pre-shared key of both send groups, 32 bytes: a holder of the invitation was there, twice over. */
export function invitationPsk(secret: Uint8Array, conversation: Uint8Array): Uint8Array {
  return kdf(LABELS.psk, secret, conversation, SECRET_BYTES)
}
