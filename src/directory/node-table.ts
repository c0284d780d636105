import { equalBytes, type NodeId, toHex } from '../base/index.ts'
import { admissionFault, admissionOrder } from './admission.ts'
import { conflictOf, type DescriptorConflict } from './conflict.ts'
import { CLOCK_TOLERANCE_MS, DESCRIPTOR_TTL_EPOCHS, MAX_NODES, MIX_KEY_BYTES } from './constants.ts'
import { type Descriptor, isSignedByNode } from './descriptor.ts'
import type { Network } from './network.ts'
import type { RevocationList } from './revocation.ts'

/** Why a descriptor was not taken. The first group is the sender's fault, the second nobody's. */
export type DescriptorFault =
  | 'network'
  | 'suite'
  | 'signature'
  | 'admission'
  | 'known'
  | 'older'
  | 'future'
  | 'expired'
  | 'excluded'
  | 'revoked'
  | 'used-up'
  | 'full'

export type DescriptorOutcome =
  /** `displaced`: the node that lost its seat to this one. */
  | { readonly kind: 'new'; readonly descriptor: Descriptor; readonly displaced?: Descriptor }
  | { readonly kind: 'conflict'; readonly conflict: DescriptorConflict }
  | { readonly kind: 'refused'; readonly reason: DescriptorFault }

const refused = (reason: DescriptorFault): DescriptorOutcome => ({ kind: 'refused', reason })

/** True when no honest node passes such a descriptor on. */
export function isBlameworthy(reason: DescriptorFault): boolean {
  return ['network', 'suite', 'signature', 'admission'].includes(reason)
}

/**
 * The living descriptors of a network, one per node, in memory. Everything in it is signed, admitted by itself and
 * by the seats of its invitation, not revoked and not excluded. The same descriptors in any order give the same
 * table, except for expired ones.
 */
export class NodeTable {
  readonly #network: Network
  readonly #nodes = new Map<string, Descriptor>()
  readonly #seats = new Map<string, Set<string>>()
  readonly #excluded = new Map<string, DescriptorConflict>()
  #revocation: RevocationList | undefined
  readonly #revoked = new Set<string>()
  #all: readonly Descriptor[] | undefined

  constructor(network: Network) {
    this.#network = network
  }

  get size(): number {
    return this.#nodes.size
  }

  get revocation(): RevocationList | undefined {
    return this.#revocation
  }

  get conflicts(): DescriptorConflict[] {
    return [...this.#excluded.values()]
  }

  get(nodeId: NodeId): Descriptor | undefined {
    return this.#nodes.get(toHex(nodeId))
  }

  /** The same array until something changes. */
  all(): readonly Descriptor[] {
    this.#all ??= [...this.#nodes.values()]
    return this.#all
  }

  /** ms after which the descriptor counts no more. */
  expiryOf(descriptor: Descriptor): number {
    return descriptor.issuedAt + DESCRIPTOR_TTL_EPOCHS * this.#network.parameters.layerEpochMs
  }

  /**
   * Judges a descriptor from anywhere and takes it if it is new and better. `isSigned`: its signature has been
   * checked.
   */
  consider(descriptor: Descriptor, now: number, isSigned = false): DescriptorOutcome {
    const known = this.get(descriptor.nodeId)
    const quick = this.#quickFault(descriptor, known, now)
    if (quick !== undefined) return refused(quick)
    if (!isSigned && !isSignedByNode(descriptor)) return refused('signature')
    if (known !== undefined && known.sequence === descriptor.sequence) {
      return this.#conflict(known, descriptor)
    }
    if (admissionFault(descriptor.admission, descriptor.nodeId, this.#network) !== undefined) {
      return refused('admission')
    }
    return this.#seat(descriptor, known)
  }

  /** What can be said against a descriptor without looking at any signature. */
  quickFault(descriptor: Descriptor, now: number): DescriptorFault | undefined {
    return this.#quickFault(descriptor, this.get(descriptor.nodeId), now)
  }

  /** True for a descriptor that may be in a frozen set: neither excluded nor revoked now. */
  isAllowed(descriptor: Descriptor): boolean {
    return !this.#excluded.has(toHex(descriptor.nodeId)) && !this.#isRevoked(descriptor)
  }

  isExcluded(nodeId: NodeId): boolean {
    return this.#excluded.size > 0 && this.#excluded.has(toHex(nodeId))
  }

  /** Living nodes on the seats of an invitation. */
  seatsTaken(grantId: Uint8Array): number {
    return this.#seats.get(toHex(grantId))?.size ?? 0
  }

  /** What is derived from the nodes has to be derived anew: something that is kept beside them changed. */
  touch(): void {
    this.#all = undefined
  }

  /** Excludes for good. False when the node was excluded before. */
  exclude(conflict: DescriptorConflict): boolean {
    const key = toHex(conflict.nodeId)
    if (this.#excluded.has(key) || this.#excluded.size >= MAX_NODES) return false
    this.#excluded.set(key, conflict)
    this.#remove(key)
    return true
  }

  /** Takes a later list and drops the nodes it names. False when it is not later. */
  revoke(list: RevocationList): boolean {
    if (this.#revocation !== undefined && list.issuedAt <= this.#revocation.issuedAt) return false
    this.#revocation = list
    this.#revoked.clear()
    for (const id of [...list.invitations, ...list.nodes]) this.#revoked.add(toHex(id))
    for (const [key, descriptor] of this.#nodes) {
      if (this.#isRevoked(descriptor)) this.#remove(key)
    }
    return true
  }

  /** Drops and returns what has expired. */
  expire(now: number): Descriptor[] {
    const gone = this.all().filter((descriptor) => this.expiryOf(descriptor) <= now)
    for (const descriptor of gone) this.#remove(toHex(descriptor.nodeId))
    return gone
  }

  #quickFault(
    descriptor: Descriptor,
    known: Descriptor | undefined,
    now: number,
  ): DescriptorFault | undefined {
    if (!equalBytes(descriptor.networkId, this.#network.id)) return 'network'
    const keyBytes = MIX_KEY_BYTES[this.#network.parameters.suite]
    if (descriptor.mixKeys.some(({ key }) => key.length !== keyBytes)) return 'suite'
    if (this.isExcluded(descriptor.nodeId)) return 'excluded'
    if (known !== undefined && descriptor.sequence < known.sequence) return 'older'
    if (known !== undefined && equalBytes(descriptor.hash, known.hash)) return 'known'
    if (descriptor.admission.date > descriptor.issuedAt) return 'admission'
    if (descriptor.issuedAt > now + CLOCK_TOLERANCE_MS) return 'future'
    if (this.expiryOf(descriptor) <= now) return 'expired'
    if (this.#isRevoked(descriptor)) return 'revoked'
    return undefined
  }

  #conflict(a: Descriptor, b: Descriptor): DescriptorOutcome {
    const conflict = conflictOf(a, b)
    if (conflict === undefined) return refused('known')
    this.exclude(conflict)
    return { kind: 'conflict', conflict }
  }

  #isRevoked({ nodeId, admission }: Descriptor): boolean {
    if (this.#revoked.size === 0) return false
    if (this.#revoked.has(toHex(nodeId))) return true
    return admission.kind === 'operator' && this.#revoked.has(toHex(admission.grant.id))
  }

  /** Puts the node on its invitation's seats; the last in `admissionOrder` has to go when there are too many. */
  #seat(descriptor: Descriptor, known: Descriptor | undefined): DescriptorOutcome {
    const key = toHex(descriptor.nodeId)
    if (known === undefined && this.#nodes.size >= MAX_NODES) return refused('full')
    const { admission } = descriptor
    let displaced: Descriptor | undefined
    if (admission.kind === 'operator') {
      const seats = this.#seats.get(toHex(admission.grant.id)) ?? new Set<string>()
      if (!seats.has(key) && seats.size >= admission.grant.maxUses) {
        const worst = [...seats]
          .map((seat) => this.#nodes.get(seat))
          .filter((seat) => seat !== undefined)
          .toSorted(admissionOrder)
          .at(-1)
        if (worst === undefined || admissionOrder(descriptor, worst) > 0) return refused('used-up')
        this.#remove(toHex(worst.nodeId))
        displaced = worst
      }
    }
    this.#remove(key)
    this.#nodes.set(key, descriptor)
    this.#all = undefined
    if (admission.kind === 'operator') {
      const grant = toHex(admission.grant.id)
      this.#seats.set(grant, (this.#seats.get(grant) ?? new Set()).add(key))
    }
    return { kind: 'new', descriptor, ...(displaced === undefined ? {} : { displaced }) }
  }

  #remove(key: string): void {
    const descriptor = this.#nodes.get(key)
    if (descriptor === undefined) return
    this.#nodes.delete(key)
    this.#all = undefined
    if (descriptor.admission.kind !== 'operator') return
    const grant = toHex(descriptor.admission.grant.id)
    const seats = this.#seats.get(grant)
    seats?.delete(key)
    if (seats?.size === 0) this.#seats.delete(grant)
  }
}
