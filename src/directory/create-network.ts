import { equalBytes, HearsayError, type Rng } from '../base/index.ts'
import { sign, signKeyPairFromSeed } from '../crypto/index.ts'
import { checkNetwork } from './check-network.ts'
import { PNET_KEY_BYTES, PROTOCOL_VERSION } from './constants.ts'
import { networkFileDigest, networkIdOf } from './genesis.ts'
import type { Genesis, Invitation, Network, Upgrade } from './network.ts'
import { checkParameters } from './check-parameters.ts'
import type { ParameterOverrides, PresetName } from './parameters.ts'
import { withOverrides } from './presets.ts'

export interface CreateNetworkOptions {
  readonly name: string
  readonly preset: PresetName
  readonly overrides?: ParameterOverrides
  /** Multiaddrs with `/p2p/`; may be empty and be added by `reissueNetwork`. */
  readonly bootstraps: readonly string[]
  /** Ed25519 seed, 32 bytes, secret; the caller keeps it to sign invitations and updates. */
  readonly operatorSeed: Uint8Array
  /** ms. */
  readonly now: number
  readonly rng: Rng
  readonly expiresAt?: number
}

/**
 * A new network: draws its pre-shared key, fixes its id and signs it.
 * @throws HearsayError `network-file-invalid` with the reason that `inspectNetwork` would give.
 */
export function createNetwork(options: CreateNetworkOptions): Network {
  const genesis: Genesis = {
    name: options.name,
    operatorKey: signKeyPairFromSeed(options.operatorSeed).publicKey,
    createdAt: options.now,
    protocolVersion: PROTOCOL_VERSION,
    pnetKey: options.rng.bytes(PNET_KEY_BYTES),
    parameters: checkParameters({ ...withOverrides(options.preset, options.overrides) }),
  }
  return signNetwork(
    {
      ...genesis,
      id: networkIdOf(genesis),
      issuedAt: options.now,
      bootstraps: options.bootstraps,
      ...(options.expiresAt === undefined ? {} : { expiresAt: options.expiresAt }),
    },
    options.operatorSeed,
  )
}

/** What a later file of the same network may change. */
export interface NetworkChanges {
  readonly bootstraps?: readonly string[]
  readonly expiresAt?: number
  readonly upgrade?: Upgrade
}

/**
 * The same network (same id) with changed bootstraps, expiry or upgrade, signed at `now`, which must be later
 * than the old file's. An invitation is not carried over.
 * @throws HearsayError `not-operator`; `bad-value` for the time; `network-file-invalid`.
 */
export function reissueNetwork(
  network: Network,
  changes: NetworkChanges,
  operatorSeed: Uint8Array,
  now: number,
): Network {
  if (now <= network.issuedAt) throw new HearsayError('bad-value', 'not later than the old file')
  const { signature: _signature, invitation: _invitation, ...kept } = network
  return signNetwork({ ...kept, ...changes, issuedAt: now }, operatorSeed)
}

/** The file with this invitation in it, or without any. Needs no operator key. */
export function withInvitation(network: Network, invitation: Invitation | undefined): Network {
  const { invitation: _old, ...kept } = network
  return checkNetwork(invitation === undefined ? kept : { ...kept, invitation })
}

function signNetwork(
  unsigned: Omit<Network, 'signature' | 'invitation'>,
  operatorSeed: Uint8Array,
): Network {
  const operator = signKeyPairFromSeed(operatorSeed)
  if (!equalBytes(operator.publicKey, unsigned.operatorKey)) {
    throw new HearsayError('not-operator', 'the key is not the operator key of this network')
  }
  const signature = sign(networkFileDigest(unsigned), operator.secretKey)
  return checkNetwork({ ...unsigned, signature })
}
