import type { NetworkId } from '../base/index.ts'
import type { NetworkParameters } from './parameters.ts'

/**
 * A right to be admitted, as the network file carries it: `seed` is a bearer secret. What other nodes see of
 * it, the public key, the bounds and the operator's signature, does not let them use it.
 */
export interface Invitation {
  /** Ed25519 seed of the invitation key, 32 bytes, secret. */
  readonly seed: Uint8Array
  readonly grant: InvitationGrant
}

/** The operator's word: holders of this invitation key may admit up to `maxUses` nodes. */
export interface InvitationGrant {
  /** Public key of the invitation, 32 bytes. */
  readonly id: Uint8Array
  /** ms; no admission may be dated before. */
  readonly issuedAt: number
  /** ms; no admission may be dated at or after. */
  readonly expiresAt: number
  /** Distinct node ids, 1 to `MAX_INVITATION_USES`. */
  readonly maxUses: number
  /** The operator's signature, 64 bytes. */
  readonly signature: Uint8Array
}

/** From epoch `epoch` on the network speaks protocol `version`. */
export interface Upgrade {
  readonly version: number
  readonly epoch: number
}

/** What the network id is a hash of: it never changes. */
export interface Genesis {
  /** `[a-z0-9-]`, 1 to `MAX_NAME_LENGTH`. */
  readonly name: string
  readonly operatorKey: Uint8Array
  /** ms since 1970; epoch 0 begins here. */
  readonly createdAt: number
  /** Protocol version of epoch 0. */
  readonly protocolVersion: number
  readonly pnetKey: Uint8Array
  readonly parameters: NetworkParameters
}

/**
 * A network as its signed file says. `genesis` fields make the id; the rest may be replaced by a file of the
 * same id with a later `issuedAt`.
 */
export interface Network extends Genesis {
  readonly id: NetworkId
  /** ms; of two files of one network the later one holds. */
  readonly issuedAt: number
  /** ms; after it the file is refused. Absent: never. */
  readonly expiresAt?: number
  readonly upgrade?: Upgrade
  /** Multiaddrs with `/p2p/`. May be empty for the first node. */
  readonly bootstraps: readonly string[]
  /** The operator's signature over id and the replaceable fields, 64 bytes. */
  readonly signature: Uint8Array
  /** Not covered by `signature`: it may be added or taken away by whoever passes the file on. */
  readonly invitation?: Invitation
}

/** The protocol version in force in `epoch`. */
export function protocolVersionAt(network: Network, epoch: number): number {
  const { upgrade } = network
  return upgrade !== undefined && epoch >= upgrade.epoch ? upgrade.version : network.protocolVersion
}

/** True when `next` may replace `current`: the same network, signed later. */
export function supersedes(next: Network, current: Network): boolean {
  return Buffer.compare(next.id, current.id) === 0 && next.issuedAt > current.issuedAt
}
