import { type Address, concat, type NetworkId } from '../base/index.ts'
import { hash, kdf, LABELS, signKeyPairFromSeed, wipe } from '../crypto/index.ts'
import {
  addressOf,
  advanceChain,
  type BoxKeys,
  type ChainState,
  firstChain,
  wipeBoxKeys,
} from '../stream/index.ts'
import { ANNOUNCEMENTS_MAX } from './constants.ts'

const SECRET_BYTES = 32

/**
 * Where two strangers who share only an invitation find each other. Four places, all predictable by holders
 * of the secret and random bytes to everyone else (SPEC §4):
 *
 * - claim: salted boxes under a root that every holder of the secret can sign for; they name a claimer's R_C
 * - claimer: the claimer's stream, writable only with R_C's secret
 * - inviter: the inviter's stream to that claimer, writable only with R_I's secret
 * - verdict: boxes of the inviter, written when a later claim shows up: they name the claim that won
 */
export interface RendezvousPlace {
  readonly root: Uint8Array
  readonly chain: ChainState
}

export function claimPlace(
  networkId: NetworkId,
  secret: Uint8Array,
): RendezvousPlace & { rootSeed: Uint8Array } {
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

/** The keys of the box at `index` of a place; the place's chain is used up. */
export function keysAt(place: RendezvousPlace, index: number): BoxKeys {
  let { next, keys } = advanceChain(place.chain)
  for (let i = 0; i < index; i++) {
    wipeBoxKeys(keys)
    ;({ next, keys } = advanceChain(next))
  }
  wipe(next.chainKey)
  return keys
}

/** The `ANNOUNCEMENTS_MAX` addresses of a claim or verdict place. About 0.1 ms each. */
export function addressesOf(place: RendezvousPlace): Address[] {
  let { chain } = place
  return Array.from({ length: ANNOUNCEMENTS_MAX }, () => {
    const { next, keys } = advanceChain(chain)
    chain = next
    const address = addressOf(place.root, keys.blind)
    wipeBoxKeys(keys)
    return address
  })
}

/** Names a claim in a verdict, 32 bytes. */
export function claimHash(claimerRoot: Uint8Array): Uint8Array {
  return hash(LABELS.claimHash, claimerRoot)
}

/** The pre-shared key of both send groups, 32 bytes: a holder of the invitation was there, twice over. */
export function invitationPsk(secret: Uint8Array, conversation: Uint8Array): Uint8Array {
  return kdf(LABELS.psk, secret, conversation, SECRET_BYTES)
}
