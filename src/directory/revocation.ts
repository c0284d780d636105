import {
  compareBytes,
  equalBytes,
  HearsayError,
  type NetworkId,
  type NodeId,
} from '../base/index.ts'
import {
  hash,
  LABELS,
  sign,
  signKeyPairFromSeed,
  SIGNATURE_BYTES,
  verify,
} from '../crypto/index.ts'
import { decodeCbor, encodeCbor } from '../wire/index.ts'
import { DIRECTORY_VERSION, MAX_REVOCATIONS } from './constants.ts'
import { FieldList } from './field-list.ts'
import type { Network } from './network.ts'

/** The operator's list of what no longer admits anybody. A later list replaces an earlier one as a whole. */
export interface RevocationList {
  readonly networkId: NetworkId
  /** ms; of two lists the later one holds. */
  readonly issuedAt: number
  /** Ids of invitations, ascending. */
  readonly invitations: readonly Uint8Array[]
  /** Nodes, ascending. */
  readonly nodes: readonly Uint8Array[]
  /** CBOR body | operator's signature 64. */
  readonly bytes: Uint8Array
}

const fault = (name: string) =>
  new HearsayError('bad-value', 'not a revocation list', { field: name })

const MAX_BYTES = MAX_REVOCATIONS * 34 + 256

/**
 * Signs a list that names these invitations and nodes, and all of `previous`.
 * @throws HearsayError `not-operator`; `quota-exceeded` above `MAX_REVOCATIONS` in all.
 */
export function createRevocation(
  network: Network,
  operatorSeed: Uint8Array,
  now: number,
  revoked: { invitations?: readonly Uint8Array[]; nodes?: readonly NodeId[] },
  previous?: RevocationList,
): RevocationList {
  const operator = signKeyPairFromSeed(operatorSeed)
  if (!equalBytes(operator.publicKey, network.operatorKey)) {
    throw new HearsayError('not-operator', 'the key is not the operator key of this network')
  }
  const invitations = union(previous?.invitations ?? [], revoked.invitations ?? [])
  const nodes = union(previous?.nodes ?? [], revoked.nodes ?? [])
  if (invitations.length + nodes.length > MAX_REVOCATIONS) {
    throw new HearsayError('quota-exceeded', 'the revocation list is full')
  }
  const issuedAt = Math.max(now, (previous?.issuedAt ?? 0) + 1)
  const body = encodeCbor([DIRECTORY_VERSION, network.id, issuedAt, invitations, nodes])
  const signature = sign(digestOf(body), operator.secretKey)
  return decodeRevocation(Buffer.concat([body, signature]), network)
}

/**
 * @throws HearsayError of the class `peer`, `bad-signature` unless this network's operator signed it.
 */
export function decodeRevocation(input: Uint8Array, network: Network): RevocationList {
  const bytes = new Uint8Array(input)
  if (bytes.length <= SIGNATURE_BYTES || bytes.length > MAX_BYTES) throw fault('length')
  const split = bytes.length - SIGNATURE_BYTES
  const body = bytes.subarray(0, split)
  const fields = new FieldList(decodeCbor(body, { maxBytes: MAX_BYTES }), 'revocation', fault)
  if (fields.integer('version') !== DIRECTORY_VERSION) throw fault('version')
  if (!equalBytes(fields.bytes('networkId', 32), network.id)) throw fault('networkId')
  const issuedAt = fields.integer('issuedAt')
  const invitations = readIds(fields.list('invitations', MAX_REVOCATIONS))
  const nodes = readIds(fields.list('nodes', MAX_REVOCATIONS - invitations.length))
  fields.end()
  if (!verify(bytes.subarray(split), digestOf(body), network.operatorKey)) {
    throw new HearsayError('bad-signature', 'the operator did not sign this list')
  }
  return { networkId: network.id, issuedAt, invitations, nodes, bytes }
}

const digestOf = (body: Uint8Array) => hash(LABELS.admissionRevocation, body)

function union(a: readonly Uint8Array[], b: readonly Uint8Array[]): Uint8Array[] {
  const sorted = [...a, ...b].toSorted(compareBytes)
  return sorted.filter((id, at) => at === 0 || !equalBytes(id, sorted[at - 1] ?? id))
}

function readIds(list: readonly unknown[]): Uint8Array[] {
  let last: Uint8Array | undefined
  return list.map((id) => {
    if (!(id instanceof Uint8Array) || id.length !== 32) throw fault('id')
    if (last !== undefined && compareBytes(id, last) <= 0) throw fault('order')
    last = id
    return id
  })
}
