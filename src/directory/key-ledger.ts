import {
  compareBytes,
  concat,
  equalBytes,
  HearsayError,
  type NodeId,
  toHex,
} from '../base/index.ts'
import { Reader, Writer } from '../wire/index.ts'
import { admissionFault } from './admission.ts'
import { MAX_DESCRIPTOR_BYTES, MAX_KEYS_AHEAD } from './constants.ts'
import { type Descriptor, isSignedByNode, readDescriptor } from './descriptor.ts'
import type { Network } from './network.ts'

/** Two descriptors in which one node gives different mix keys for one key epoch. */
export interface KeyConflict {
  readonly nodeId: NodeId
  /** Key epochs in which nobody uses a key of the node. */
  readonly epochs: readonly number[]
  /** (length 2 | descriptor) twice, in the order of their bytes. */
  readonly bytes: Uint8Array
}

/** The proof for two descriptors whose signatures have been checked; undefined when their keys agree. */
export function keyConflictOf(a: Descriptor, b: Descriptor): KeyConflict | undefined {
  if (!equalBytes(a.nodeId, b.nodeId) || !equalBytes(a.networkId, b.networkId)) return undefined
  const epochs = a.mixKeys.flatMap(({ epoch, key }) => {
    const other = b.mixKeys.find((each) => each.epoch === epoch)?.key
    return other === undefined || equalBytes(other, key) ? [] : [epoch]
  })
  if (epochs.length === 0) return undefined
  const [first, second] = compareBytes(a.bytes, b.bytes) < 0 ? [a, b] : [b, a]
  const writer = new Writer(4 + first.bytes.length + second.bytes.length)
  const bytes = writer.vector16(first.bytes).vector16(second.bytes).finish()
  return { nodeId: a.nodeId, epochs, bytes }
}

/**
 * Strict; signatures and admission are checked. @throws HearsayError of the class `peer` or `crypto` for anything
 * that `keyConflictOf` would not have made of two descriptors of an admitted node.
 */
export function decodeKeyConflict(bytes: Uint8Array, network: Network): KeyConflict {
  const reader = new Reader(bytes)
  const first = readDescriptor(reader.vector16(MAX_DESCRIPTOR_BYTES).slice())
  const second = readDescriptor(reader.vector16(MAX_DESCRIPTOR_BYTES).slice())
  reader.end()
  const conflict = keyConflictOf(first, second)
  const isSame = conflict !== undefined && equalBytes(conflict.bytes, concat(bytes))
  if (!isSame || !equalBytes(first.networkId, network.id)) {
    throw new HearsayError('bad-value', 'not a proof of conflicting keys')
  }
  if (![first, second].every(isSignedByNode)) {
    throw new HearsayError('bad-signature', 'the node did not sign both descriptors')
  }
  const { nodeId } = first
  const admitted = [first, second].some(
    ({ admission }) => admissionFault(admission, nodeId, network) === undefined,
  )
  if (!admitted) throw new HearsayError('bad-value', 'a conflict of a node that was never admitted')
  return conflict
}

interface Pin {
  readonly key: Uint8Array
  readonly evidence: Descriptor
}

/**
 * The mix key of each node and key epoch: the first that was heard stays, whatever later descriptors say. A mix that
 * gave one sender a key of its own would know of each packet under it who sent it; it cannot replace a key, and when
 * it names two for one epoch, whoever hears of both has a proof, and everybody leaves the node out for that epoch.
 * Only for those epochs: a home that was restored from a copy makes new keys in all innocence.
 */
export class KeyLedger {
  readonly #epochNow: () => number
  readonly #pins = new Map<string, Map<number, Pin>>()
  /** Epochs in dispute by node, each with its proof. */
  readonly #refused = new Map<string, Map<number, Uint8Array>>()

  /** `epochNow`: the running key epoch. */
  constructor(epochNow: () => number) {
    this.#epochNow = epochNow
  }

  /** The key to use; undefined for none, or one that is in dispute. */
  keyOf(nodeId: NodeId, epoch: number): Uint8Array | undefined {
    const id = toHex(nodeId)
    if (this.#refused.get(id)?.has(epoch) === true) return undefined
    return this.#pins.get(id)?.get(epoch)?.key
  }

  /** True when the descriptor gives another key for an epoch than was heard first: its signature is worth checking. */
  isDisputed(descriptor: Descriptor): boolean {
    const pins = this.#pins.get(toHex(descriptor.nodeId))
    if (pins === undefined) return false
    return this.#current(descriptor).some(({ epoch, key }) => {
      const pin = pins.get(epoch)
      return pin !== undefined && !equalBytes(pin.key, key)
    })
  }

  /** Takes the keys of a signed descriptor. Returns the proof when one disagrees with what was heard first. */
  note(descriptor: Descriptor): KeyConflict | undefined {
    const id = toHex(descriptor.nodeId)
    const pins = this.#pins.get(id) ?? new Map<number, Pin>()
    this.#pins.set(id, pins)
    let conflict: KeyConflict | undefined
    for (const { epoch, key } of this.#current(descriptor)) {
      const pin = pins.get(epoch)
      if (pin === undefined) pins.set(epoch, { key, evidence: descriptor })
      else if (!equalBytes(pin.key, key)) conflict ??= keyConflictOf(pin.evidence, descriptor)
    }
    for (const epoch of pins.keys()) if (epoch < this.#epochNow() - 1) pins.delete(epoch)
    return conflict
  }

  /** Leaves the node out for the epochs of the proof. True when that was news. */
  refuse({ nodeId, epochs, bytes }: KeyConflict): boolean {
    const now = this.#epochNow()
    const id = toHex(nodeId)
    const refused = this.#refused.get(id) ?? new Map<number, Uint8Array>()
    const fresh = epochs.filter((epoch) => isCurrent(epoch, now) && !refused.has(epoch))
    if (fresh.length === 0) return false
    for (const epoch of fresh) refused.set(epoch, bytes)
    this.#refused.set(id, refused)
    for (const [other, epochsOf] of this.#refused) {
      for (const epoch of epochsOf.keys()) if (epoch < now - 1) epochsOf.delete(epoch)
      if (epochsOf.size === 0) this.#refused.delete(other)
    }
    return true
  }

  /** Proofs that are in force, each once. */
  proofs(): Uint8Array[] {
    return [...new Set([...this.#refused.values()].flatMap((epochs) => [...epochs.values()]))]
  }

  /** Forgets all nodes but these, given by their ids in hexadecimal: whatever the way in which the others went. */
  retain(nodes: ReadonlySet<string>): void {
    for (const id of this.#pins.keys()) if (!nodes.has(id)) this.#pins.delete(id)
  }

  #current({ mixKeys }: Descriptor): Descriptor['mixKeys'] {
    const now = this.#epochNow()
    return mixKeys.filter(({ epoch }) => isCurrent(epoch, now))
  }
}

function isCurrent(epoch: number, now: number): boolean {
  return epoch >= now - 1 && epoch <= now + MAX_KEYS_AHEAD
}
