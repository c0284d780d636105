import { compareBytes, concat, equalBytes, HearsayError, type NodeId } from '../base/index.ts'
import { Reader, Writer } from '../wire/index.ts'
import { MAX_DESCRIPTOR_BYTES } from './constants.ts'
import { admissionFault } from './admission.ts'
import { type Descriptor, isSignedByNode, readDescriptor } from './descriptor.ts'
import type { Network } from './network.ts'

/** Two different descriptors of one node under one sequence number: whoever signed both is excluded. */
export interface DescriptorConflict {
  readonly nodeId: NodeId
  /** (length 2 | descriptor) twice, in the order of their bytes: one pair, one proof. */
  readonly bytes: Uint8Array
}

/** The proof for two descriptors whose signatures have been checked; undefined when they do not conflict. */
export function conflictOf(a: Descriptor, b: Descriptor): DescriptorConflict | undefined {
  if (!equalBytes(a.nodeId, b.nodeId) || a.sequence !== b.sequence) return undefined
  if (!equalBytes(a.networkId, b.networkId) || equalBytes(a.bytes, b.bytes)) return undefined
  const [first, second] = compareBytes(a.bytes, b.bytes) < 0 ? [a, b] : [b, a]
  const writer = new Writer(4 + first.bytes.length + second.bytes.length)
  const bytes = writer.vector16(first.bytes).vector16(second.bytes).finish()
  return { nodeId: a.nodeId, bytes }
}

/** A conflict whose form is right and whose signatures have not been looked at. */
export interface ClaimedConflict extends DescriptorConflict {
  readonly descriptors: readonly [Descriptor, Descriptor]
}

/**
 * Reads without the signatures: cheap, for what decides whether they are worth checking.
 * @throws HearsayError of the class `peer` for anything that `conflictOf` would not have made.
 */
export function readConflict(bytes: Uint8Array, network: Network): ClaimedConflict {
  const reader = new Reader(bytes)
  const first = readDescriptor(reader.vector16(MAX_DESCRIPTOR_BYTES).slice())
  const second = readDescriptor(reader.vector16(MAX_DESCRIPTOR_BYTES).slice())
  reader.end()
  const conflict = conflictOf(first, second)
  if (
    conflict === undefined ||
    !equalBytes(first.networkId, network.id) ||
    !equalBytes(conflict.bytes, concat(bytes))
  ) {
    throw new HearsayError('bad-value', 'not a proof of conflicting descriptors')
  }
  return { ...conflict, descriptors: [first, second] }
}

/**
 * The proof, when the node signed both and was admitted: anyone can make keys and convict them, and every
 * conviction is kept for good.
 * @throws HearsayError `bad-signature`; `bad-value` without admission.
 */
export function proveConflict(claim: ClaimedConflict, network: Network): DescriptorConflict {
  const { nodeId, bytes, descriptors } = claim
  if (!descriptors.every(isSignedByNode)) {
    throw new HearsayError('bad-signature', 'the node did not sign both descriptors')
  }
  if (!descriptors.some((each) => admissionFault(each.admission, nodeId, network) === undefined)) {
    throw new HearsayError('bad-value', 'a conflict of a node that was never admitted')
  }
  return { nodeId, bytes }
}

/** `readConflict` and `proveConflict`. @throws as both. */
export function decodeConflict(bytes: Uint8Array, network: Network): DescriptorConflict {
  return proveConflict(readConflict(bytes, network), network)
}
