import { concat, equalBytes, fromBase64Url, isHearsayError, toBase64Url } from '../base/index.ts'
import { hash, LABELS } from '../crypto/index.ts'
import { decodeCbor, encodeCbor } from '../wire/index.ts'
import { decodeParameters } from './check-parameters.ts'
import { checkNetwork } from './check-network.ts'
import {
  CHECKSUM_BYTES,
  DIRECTORY_VERSION,
  MAX_NETWORK_FILE_BYTES,
  URI_PREFIX,
} from './constants.ts'
import { FieldList } from './field-list.ts'
import { fileFault } from './file-fault.ts'
import { genesisFields, networkIdOf, replaceableFields } from './genesis.ts'
import type { Genesis, Invitation, Network } from './network.ts'

const LENGTH_BYTES = 2

const checksum = (body: Uint8Array) =>
  hash(LABELS.networkChecksum, body).subarray(0, CHECKSUM_BYTES)

/** `hearsay:join/` + base64url(length 2 | CBOR | checksum 4), as in SPEC.md §2. */
export function encodeNetworkUri(network: Network): string {
  const { invitation } = network
  const body = encodeCbor([
    ...genesisFields(network),
    ...replaceableFields(network),
    network.signature,
    invitation === undefined ? [] : invitationFields(invitation),
  ])
  const length = new Uint8Array(LENGTH_BYTES)
  new DataView(length.buffer).setUint16(0, body.length)
  return URI_PREFIX + toBase64Url(concat(length, body, checksum(body)))
}

function invitationFields({ seed, grant }: Invitation): (Uint8Array | number)[] {
  return [seed, grant.id, grant.issuedAt, grant.expiresAt, grant.maxUses, grant.signature]
}

/**
 * Inverse of `encodeNetworkUri`: every field and signature is checked; expiry is not.
 * @throws HearsayError `network-file-invalid` with its reason.
 */
export function decodeNetworkUri(uri: string): Network {
  const body = unframe(uri)
  try {
    return readDocument(decodeCbor(body, { maxBytes: MAX_NETWORK_FILE_BYTES }))
  } catch (error) {
    if (isHearsayError(error, 'network-file-invalid')) throw error
    throw fileFault('encoding')
  }
}

function unframe(uri: string): Uint8Array {
  if (!uri.startsWith(URI_PREFIX)) throw fileFault('encoding')
  let bytes: Uint8Array
  try {
    bytes = fromBase64Url(uri.slice(URI_PREFIX.length))
  } catch {
    // A cut inside a group of four characters leaves stray bits: most often a copy that lost its end.
    throw fileFault(/^[\w-]*$/.test(uri.slice(URI_PREFIX.length)) ? 'truncated' : 'encoding')
  }
  if (bytes.length < LENGTH_BYTES) throw fileFault('truncated')
  const declared = new DataView(bytes.buffer, bytes.byteOffset).getUint16(0)
  const whole = LENGTH_BYTES + declared + CHECKSUM_BYTES
  if (bytes.length < whole) throw fileFault('truncated')
  if (bytes.length > whole) throw fileFault('encoding')
  const body = bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + declared)
  if (!equalBytes(bytes.subarray(LENGTH_BYTES + declared), checksum(body))) {
    throw fileFault('checksum')
  }
  return body
}

const fault = (name: string) => fileFault('field', { name })

function readDocument(value: unknown): Network {
  const fields = new FieldList(value, 'document', fault)
  if (fields.integer('format') !== DIRECTORY_VERSION) throw fileFault('version')
  const genesis: Genesis = {
    name: fields.text('name'),
    operatorKey: fields.bytes('operator', 32),
    createdAt: fields.integer('created'),
    protocolVersion: fields.integer('protocol'),
    pnetKey: fields.bytes('pnet_key', 32),
    parameters: decodeParameters(fields.list('parameters')),
  }
  const issuedAt = fields.integer('issued')
  const expiresAt = fields.integer('expires')
  const upgrade = fields.fields('upgrade')
  const bootstraps = fields.list('bootstraps')
  const signature = fields.bytes('signature', 64)
  const invitation = fields.fields('invitation')
  fields.end()
  return checkNetwork({
    ...genesis,
    id: networkIdOf(genesis),
    issuedAt,
    ...(expiresAt === 0 ? {} : { expiresAt }),
    ...(upgrade.length === 0 ? {} : { upgrade: readUpgrade(upgrade) }),
    bootstraps: bootstraps.map((text, index) => {
      if (typeof text !== 'string') throw fileFault('bootstrap', { index })
      return text
    }),
    signature,
    ...(invitation.length === 0 ? {} : { invitation: readInvitation(invitation) }),
  })
}

function readUpgrade(fields: FieldList): { version: number; epoch: number } {
  const upgrade = { version: fields.integer('upgrade'), epoch: fields.integer('upgrade') }
  fields.end()
  return upgrade
}

function readInvitation(fields: FieldList): Invitation {
  const seed = fields.bytes('invitation', 32)
  const grant = {
    id: fields.bytes('invitation', 32),
    issuedAt: fields.integer('invitation'),
    expiresAt: fields.integer('invitation'),
    maxUses: fields.integer('invitation'),
    signature: fields.bytes('invitation', 64),
  }
  fields.end()
  return { seed, grant }
}
