import { equalBytes, type NetworkId, type Rng, u32be, u64be } from '../base/index.ts'
import { hash, LABELS, sign, signKeyPairFromSeed, verify } from '../crypto/index.ts'
import { HearsayError } from '../base/index.ts'
import { MAX_INVITATION_USES } from './constants.ts'
import type { Invitation, InvitationGrant, Network } from './network.ts'

type Unsigned = Omit<InvitationGrant, 'signature'>

function grantDigest(networkId: NetworkId, grant: Unsigned): Uint8Array {
  return hash(
    LABELS.admissionInvitation,
    networkId,
    grant.id,
    u64be(grant.issuedAt),
    u64be(grant.expiresAt),
    u32be(grant.maxUses),
  )
}

/** True when the operator of the network signed this grant and its bounds make sense. */
export function isValidGrant(
  grant: InvitationGrant,
  networkId: NetworkId,
  operatorKey: Uint8Array,
): boolean {
  return (
    Number.isSafeInteger(grant.issuedAt) &&
    Number.isSafeInteger(grant.expiresAt) &&
    grant.expiresAt > grant.issuedAt &&
    Number.isInteger(grant.maxUses) &&
    grant.maxUses >= 1 &&
    grant.maxUses <= MAX_INVITATION_USES &&
    verify(grant.signature, grantDigest(networkId, grant), operatorKey)
  )
}

/** True when `isValidGrant` and the seed is the grant's own. */
export function isValidInvitation(
  invitation: Invitation,
  networkId: NetworkId,
  operatorKey: Uint8Array,
): boolean {
  return (
    equalBytes(signKeyPairFromSeed(invitation.seed).publicKey, invitation.grant.id) &&
    isValidGrant(invitation.grant, networkId, operatorKey)
  )
}

/**
 * Draws an invitation key and signs it. `operatorSeed` is used and not kept.
 * @throws HearsayError `not-operator` when the seed is not this network's; `bad-value` for the bounds.
 */
export function createInvitation(
  network: Network,
  options: {
    operatorSeed: Uint8Array
    now: number
    expiresAt: number
    maxUses: number
    rng: Rng
  },
): Invitation {
  const operator = signKeyPairFromSeed(options.operatorSeed)
  if (!equalBytes(operator.publicKey, network.operatorKey)) {
    throw new HearsayError('not-operator', 'the key is not the operator key of this network')
  }
  const seed = options.rng.bytes(32)
  const unsigned = {
    id: signKeyPairFromSeed(seed).publicKey,
    issuedAt: options.now,
    expiresAt: options.expiresAt,
    maxUses: options.maxUses,
  }
  const grant = {
    ...unsigned,
    signature: sign(grantDigest(network.id, unsigned), operator.secretKey),
  }
  if (!isValidGrant(grant, network.id, network.operatorKey)) {
    throw new HearsayError('bad-value', 'the invitation has no uses or no lifetime')
  }
  return { seed, grant }
}
