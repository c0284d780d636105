import { equalBytes } from '../base/index.ts'
import { isValidPoint, verify } from '../crypto/index.ts'
import { checkParameters } from './check-parameters.ts'
import { MAX_BOOTSTRAPS, MAX_NAME_LENGTH, PNET_KEY_BYTES } from './constants.ts'
import { fileFault } from './file-fault.ts'
import { networkFileDigest, networkIdOf } from './genesis.ts'
import { isValidInvitation } from './invitation.ts'
import { bootstrapTarget } from './multiaddr.ts'
import type { Network } from './network.ts'

// The name becomes part of file names and is printed on terminals.
const NAME = new RegExp(`^[a-z0-9](?:[a-z0-9-]{0,${MAX_NAME_LENGTH - 2}}[a-z0-9])?$`)
const MAX_TIME = Date.UTC(9999, 11, 31)

function checkTime(value: number | undefined, name: string): void {
  if (value === undefined) return
  if (!Number.isInteger(value) || value < 1 || value > MAX_TIME) throw fileFault('field', { name })
}

function checkFields(network: Network): void {
  if (!NAME.test(network.name)) throw fileFault('field', { name: 'name' })
  checkTime(network.createdAt, 'created')
  checkTime(network.issuedAt, 'issued')
  checkTime(network.expiresAt, 'expires')
  if (network.issuedAt < network.createdAt) throw fileFault('field', { name: 'issued' })
  if (network.expiresAt !== undefined && network.expiresAt <= network.issuedAt) {
    throw fileFault('field', { name: 'expires' })
  }
  if (!isVersion(network.protocolVersion)) throw fileFault('field', { name: 'protocol' })
  const { upgrade } = network
  if (upgrade !== undefined) {
    const fine =
      isVersion(upgrade.version) &&
      upgrade.version > network.protocolVersion &&
      Number.isInteger(upgrade.epoch) &&
      upgrade.epoch >= 0 &&
      upgrade.epoch <= 0xffff_ffff
    if (!fine) throw fileFault('field', { name: 'upgrade' })
  }
  if (network.pnetKey.length !== PNET_KEY_BYTES) throw fileFault('field', { name: 'pnet_key' })
  if (!isValidPoint(network.operatorKey)) throw fileFault('field', { name: 'operator' })
}

const isVersion = (value: number) => Number.isInteger(value) && value >= 1 && value <= 255

/**
 * Returns the network when every field is in range, the id is the genesis hash, and the operator's signatures
 * over the file and the invitation hold. Does not look at the time.
 * @throws HearsayError `network-file-invalid` with its reason.
 */
export function checkNetwork(network: Network): Network {
  checkParameters({ ...network.parameters })
  checkFields(network)
  if (network.bootstraps.length > MAX_BOOTSTRAPS) throw fileFault('bootstrap', { index: -1 })
  network.bootstraps.forEach((text, index) => {
    if (bootstrapTarget(text) === undefined) throw fileFault('bootstrap', { index })
  })
  if (!equalBytes(network.id, networkIdOf(network))) throw fileFault('field', { name: 'id' })
  if (!verify(network.signature, networkFileDigest(network), network.operatorKey)) {
    throw fileFault('signature')
  }
  const { invitation } = network
  if (invitation !== undefined && !isValidInvitation(invitation, network.id, network.operatorKey)) {
    throw fileFault('invitation')
  }
  return network
}
