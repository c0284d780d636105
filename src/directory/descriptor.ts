import {
  asNetworkId,
  asNodeId,
  HearsayError,
  type NetworkId,
  type NodeId,
  type Rng,
  uniformInt,
} from '../base/index.ts'
import { hash, LABELS, SIGNATURE_BYTES, verify } from '../crypto/index.ts'
import { decodeCbor, encodeCbor } from '../wire/index.ts'
import { type AdmissionProof, decodeAdmission, encodeAdmission } from './admission.ts'
import {
  DIRECTORY_VERSION,
  MAX_ADDRESSES,
  MAX_DESCRIPTOR_BYTES,
  MAX_MIX_KEYS,
  MIX_KEY_BYTES,
  REQUEST_KEY_BYTES,
  SEQUENCE_STEP_MAX,
} from './constants.ts'
import { FieldList } from './field-list.ts'
import { isNodeAddress } from './multiaddr.ts'

export interface MixKey {
  /** Key epoch, see `keyEpochAt`. */
  readonly epoch: number
  /** Public key of the network's suite: 32 bytes (X25519) or 1216 (X-Wing). */
  readonly key: Uint8Array
}

/** What a node says about itself. */
export interface DescriptorContent {
  readonly networkId: NetworkId
  readonly nodeId: NodeId
  /** Grows with every descriptor of the node, across restarts and restores: see `nextSequence`. */
  readonly sequence: number
  /** ms. */
  readonly issuedAt: number
  /** Multiaddrs without peer id, at most `MAX_ADDRESSES`. Empty when the node cannot be dialled. */
  readonly addresses: readonly string[]
  /** False: never elected to mix, keeps nothing. */
  readonly reachable: boolean
  /** UTC day from which the node's store is without holes by its own account. */
  readonly keepsFromDay: number
  /** Ascending, distinct epochs, at most `MAX_MIX_KEYS`. */
  readonly mixKeys: readonly MixKey[]
  readonly admission: AdmissionProof
  /** X25519 public key for sealed requests to this node, 32 bytes. */
  readonly requestKey: Uint8Array
}

/** A descriptor whose form and signature have been checked. `bytes` is its only encoding. */
export interface Descriptor extends DescriptorContent {
  readonly bytes: Uint8Array
  /** 32 bytes over `bytes`: the item of reconciliation. */
  readonly hash: Uint8Array
}

const fault = (name: string) =>
  new HearsayError('bad-value', 'not a node descriptor', { field: name })

function encodeBody(content: DescriptorContent): Uint8Array {
  return encodeCbor([
    DIRECTORY_VERSION,
    content.networkId,
    content.nodeId,
    content.sequence,
    content.issuedAt,
    [...content.addresses],
    content.reachable ? 1 : 0,
    content.keepsFromDay,
    content.mixKeys.map(({ epoch, key }) => [epoch, key]),
    encodeAdmission(content.admission),
    content.requestKey,
  ])
}

const digestOf = (body: Uint8Array) => hash(LABELS.nodeDescriptor, body)

/**
 * Encodes and signs: CBOR body | signature 64, at most `MAX_DESCRIPTOR_BYTES`. `signDigest` is the node key's
 * Ed25519 over 32 bytes.
 * @throws HearsayError `bad-value` with the field; `bad-signature` when the signer is not the node.
 */
export function issueDescriptor(
  content: DescriptorContent,
  signDigest: (digest: Uint8Array) => Uint8Array,
): Descriptor {
  const body = encodeBody(content)
  const bytes = new Uint8Array(body.length + SIGNATURE_BYTES)
  bytes.set(body)
  bytes.set(signDigest(digestOf(body)), body.length)
  return decodeDescriptor(bytes)
}

/**
 * Reads without the signature: cheap, for what decides whether the signature is worth checking.
 * @throws HearsayError `bad-value` with the field, `too-large`, and the CBOR reader's codes.
 */
export function readDescriptor(bytes: Uint8Array): Descriptor {
  if (bytes.length > MAX_DESCRIPTOR_BYTES) {
    throw new HearsayError('too-large', 'descriptor above its size limit')
  }
  if (bytes.length <= SIGNATURE_BYTES) throw fault('length')
  const body = bytes.subarray(0, bytes.length - SIGNATURE_BYTES)
  const fields = new FieldList(
    decodeCbor(body, { maxBytes: MAX_DESCRIPTOR_BYTES }),
    'descriptor',
    fault,
  )
  if (fields.integer('version') !== DIRECTORY_VERSION) {
    throw new HearsayError('bad-version', 'unknown descriptor version')
  }
  const content = {
    networkId: asNetworkId(fields.bytes('networkId', 32)),
    nodeId: asNodeId(fields.bytes('nodeId', 32)),
    sequence: fields.integer('sequence'),
    issuedAt: fields.integer('issuedAt'),
    addresses: fields.list('addresses', MAX_ADDRESSES).map(readAddress),
    reachable: fields.integer('reachable', 1) === 1,
    keepsFromDay: fields.integer('keepsFromDay', 0xffff_ffff),
    mixKeys: readMixKeys(fields.list('mixKeys', MAX_MIX_KEYS)),
    admission: decodeAdmission(fields.fields('admission')),
    requestKey: fields.bytes('requestKey', REQUEST_KEY_BYTES),
  }
  fields.end()
  if (content.reachable && content.addresses.length === 0) throw fault('addresses')
  return { ...content, bytes, hash: hash(LABELS.descriptorHash, bytes) }
}

/** True when the node itself signed these bytes. */
export function isSignedByNode(descriptor: Descriptor): boolean {
  const { bytes } = descriptor
  const split = bytes.length - SIGNATURE_BYTES
  return verify(bytes.subarray(split), digestOf(bytes.subarray(0, split)), descriptor.nodeId)
}

/** `readDescriptor` with the signature. @throws also HearsayError `bad-signature`. */
export function decodeDescriptor(bytes: Uint8Array): Descriptor {
  const descriptor = readDescriptor(bytes)
  if (!isSignedByNode(descriptor)) {
    throw new HearsayError('bad-signature', 'the node did not sign this descriptor')
  }
  return descriptor
}

/**
 * The sequence number of the next descriptor: the clock, but always above the last one known, own or heard
 * back from others. A counter on disk alone would repeat itself after a restored backup, and the repetition is
 * a proof of misbehaviour that excludes the node. While the clock is behind, steps are drawn: a former life of this
 * home, under the clock as it was, then hardly ever took the same number.
 */
export function nextSequence(rng: Rng, last: number, now: number): number {
  return now > last ? now : last + 1 + uniformInt(rng, SEQUENCE_STEP_MAX)
}

function readAddress(value: unknown): string {
  if (typeof value !== 'string' || !isNodeAddress(value)) throw fault('addresses')
  return value
}

function readMixKeys(list: unknown[]): MixKey[] {
  let last = -1
  return list.map((item) => {
    const fields = new FieldList(item, 'mixKeys', fault)
    const epoch = fields.integer('mixKeys', 0xffff_ffff)
    const key = fields.bytes('mixKeys', MIX_KEY_BYTES.x25519, MIX_KEY_BYTES['x-wing'])
    fields.end()
    if (epoch <= last) throw fault('mixKeys')
    last = epoch
    return { epoch, key }
  })
}
