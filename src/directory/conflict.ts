import { compareBytes, concat, equalBytes, HearsayError, type NodeId } from '../base/index.ts'
import { Reader, Writer } from '../wire/index.ts'
import { MAX_DESCRIPTOR_BYTES } from './constants.ts'
import { decodeDescriptor, type Descriptor } from './descriptor.ts'
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

/** @throws HearsayError of the class `peer` or `crypto` for anything that `conflictOf` would not have made. */
export function decodeConflict(bytes: Uint8Array, network: Network): DescriptorConflict {
  const reader = new Reader(bytes)
  const first = decodeDescriptor(reader.vector16(MAX_DESCRIPTOR_BYTES).slice())
  const second = decodeDescriptor(reader.vector16(MAX_DESCRIPTOR_BYTES).slice())
  reader.end()
  const conflict = conflictOf(first, second)
  if (
    conflict === undefined ||
    !equalBytes(first.networkId, network.id) ||
    !equalBytes(conflict.bytes, concat(bytes))
  ) {
    throw new HearsayError('bad-value', 'not a proof of conflicting descriptors')
  }
  return conflict
}
