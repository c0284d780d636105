import { compareBytes, type NetworkId, type NodeId, u64be } from '../base/index.ts'
import { hash, LABELS, sign, signKeyPairFromSeed, verify } from '../crypto/index.ts'
import type { FieldList } from './field-list.ts'
import { isValidGrant } from './invitation.ts'
import type { Invitation, InvitationGrant, Network } from './network.ts'

/** No proof at all: the date is the node's own word. For testnets on one machine. */
export interface OpenAdmission {
  readonly kind: 'open'
  /** ms. */
  readonly date: number
}

/** The operator's grant, and the invitation key's signature over this node id and the date. */
export interface OperatorAdmission {
  readonly kind: 'operator'
  /** ms, within the grant's bounds. The age of a node is counted from it. */
  readonly date: number
  readonly grant: InvitationGrant
  /** 64 bytes, by the invitation key. */
  readonly signature: Uint8Array
}

export type AdmissionProof = OpenAdmission | OperatorAdmission

/** Why a proof does not admit a node. */
export type AdmissionFault = 'kind' | 'date' | 'grant' | 'signature'

const KIND_OPEN = 0
const KIND_OPERATOR = 1

const proofDigest = (networkId: NetworkId, grantId: Uint8Array, nodeId: NodeId, date: number) =>
  hash(LABELS.admissionProof, networkId, grantId, nodeId, u64be(date))

/** First ms at which the network admits this node: its founding, or the date of its invitation. The operator signed both. */
export function admitsFrom({ createdAt, invitation }: Network): number {
  return Math.max(createdAt, invitation?.grant.issuedAt ?? 0)
}

/** The proof of an open network, dated `now`. */
export function admitOpen(now: number): OpenAdmission {
  return { kind: 'open', date: now }
}

/**
 * Uses an invitation for one node. The seed is needed once: the proof does not let others use it.
 * Keep the proof: a later date makes the node younger.
 */
export function admitByInvitation(
  network: Network,
  invitation: Invitation,
  nodeId: NodeId,
  now: number,
): OperatorAdmission {
  const { grant } = invitation
  const { secretKey } = signKeyPairFromSeed(invitation.seed)
  const signature = sign(proofDigest(network.id, grant.id, nodeId, now), secretKey)
  return { kind: 'operator', date: now, grant, signature }
}

/**
 * Undefined when the proof admits this node to the network, taken alone; else what is wrong. Whether an
 * invitation is used up or revoked depends on the other nodes: see `admittedNodes`.
 */
export function admissionFault(
  proof: AdmissionProof,
  nodeId: NodeId,
  network: Network,
): AdmissionFault | undefined {
  if (proof.kind !== network.parameters.admission) return 'kind'
  if (proof.date < network.createdAt) return 'date'
  if (proof.kind === 'open') return undefined
  const { grant } = proof
  if (proof.date < grant.issuedAt || proof.date >= grant.expiresAt) return 'date'
  if (!isValidGrant(grant, network.id, network.operatorKey)) return 'grant'
  const digest = proofDigest(network.id, grant.id, nodeId, proof.date)
  return verify(proof.signature, digest, grant.id) ? undefined : 'signature'
}

/** Who of several nodes an invitation admits first: earliest date, then lowest id. */
export function admissionOrder(
  a: { readonly nodeId: NodeId; readonly admission: AdmissionProof },
  b: { readonly nodeId: NodeId; readonly admission: AdmissionProof },
): number {
  return a.admission.date - b.admission.date || compareBytes(a.nodeId, b.nodeId)
}

export function encodeAdmission(proof: AdmissionProof): (number | Uint8Array)[] {
  if (proof.kind === 'open') return [KIND_OPEN, proof.date]
  const { grant } = proof
  return [
    KIND_OPERATOR,
    proof.date,
    grant.id,
    grant.issuedAt,
    grant.expiresAt,
    grant.maxUses,
    grant.signature,
    proof.signature,
  ]
}

/** Inverse of `encodeAdmission`; faults are the list's. */
export function decodeAdmission(fields: FieldList): AdmissionProof {
  const kind = fields.integer('admission', KIND_OPERATOR)
  const date = fields.integer('admission')
  if (kind === KIND_OPEN) {
    fields.end()
    return { kind: 'open', date }
  }
  const grant = {
    id: fields.bytes('admission', 32),
    issuedAt: fields.integer('admission'),
    expiresAt: fields.integer('admission'),
    maxUses: fields.integer('admission', 0xffff_ffff),
    signature: fields.bytes('admission', 64),
  }
  const signature = fields.bytes('admission', 64)
  fields.end()
  return { kind: 'operator', date, grant, signature }
}
