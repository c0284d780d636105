import { asNetworkId, type NetworkId } from '../base/index.ts'
import { hash, LABELS } from '../crypto/index.ts'
import { type CborValue, encodeCbor } from '../wire/index.ts'
import { encodeParameters } from './check-parameters.ts'
import { DIRECTORY_VERSION } from './constants.ts'
import type { Genesis, Network } from './network.ts'

/** The fields of the genesis in the order of SPEC.md §2. */
export function genesisFields(genesis: Genesis): CborValue[] {
  return [
    DIRECTORY_VERSION,
    genesis.name,
    genesis.operatorKey,
    genesis.createdAt,
    genesis.protocolVersion,
    genesis.pnetKey,
    encodeParameters(genesis.parameters),
  ]
}

/**
 * 32 bytes: hash of the genesis. The pre-shared key is in it, so a file with another key is another network;
 * the bootstraps are not, so they can move.
 */
export function networkIdOf(genesis: Genesis): NetworkId {
  return asNetworkId(hash(LABELS.networkId, encodeCbor(genesisFields(genesis))))
}

/** What the operator signs: the id and everything that may be replaced, 32 bytes. */
export function networkFileDigest(network: Omit<Network, 'signature' | 'invitation'>): Uint8Array {
  return hash(LABELS.networkFile, network.id, encodeCbor(replaceableFields(network)))
}

/** issuedAt, expiresAt or 0, upgrade as [] or [version, epoch], bootstraps. */
export function replaceableFields(
  network: Pick<Network, 'issuedAt' | 'expiresAt' | 'upgrade' | 'bootstraps'>,
): CborValue[] {
  const { upgrade } = network
  return [
    network.issuedAt,
    network.expiresAt ?? 0,
    upgrade === undefined ? [] : [upgrade.version, upgrade.epoch],
    [...network.bootstraps],
  ]
}
