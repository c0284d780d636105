import { HASH_BYTES, type NodeId, toHex } from '../base/index.ts'
import { SIGNATURE_BYTES } from '../crypto/index.ts'

const RECORD_BYTES = HASH_BYTES + SIGNATURE_BYTES
const RECORDS_PER_CHUNK = 1_024

/** What a courier has signed under one counter: views that must not be written. */
export interface SignedHash {
  boxHash: Uint8Array
  signature: Uint8Array
}

/**
 * The counters of one epoch: which box each courier signed under which. Kept in slabs, about 140 bytes per
 * publication, because an epoch of six hours has a hundred thousand.
 */
export class PublicationLog {
  readonly #maxRecords: number
  readonly #slots = new Map<string, Map<number, number>>()
  readonly #chunks: Uint8Array[] = []
  #count = 0

  constructor(options: { maxRecords: number }) {
    this.#maxRecords = options.maxRecords
  }

  get full(): boolean {
    return this.#count >= this.#maxRecords
  }

  find(courier: NodeId, counter: number): SignedHash | undefined {
    const slot = this.#slots.get(toHex(courier))?.get(counter)
    if (slot === undefined) return undefined
    const record = this.#record(slot)
    return { boxHash: record.subarray(0, HASH_BYTES), signature: record.subarray(HASH_BYTES) }
  }

  /** Publications of one courier so far. */
  countOf(courier: NodeId): number {
    return this.#slots.get(toHex(courier))?.size ?? 0
  }

  /** The first entry under a counter stays. Nothing is added when the log is full. */
  add(courier: NodeId, counter: number, signed: SignedHash): void {
    if (this.full) return
    const key = toHex(courier)
    let slots = this.#slots.get(key)
    if (slots === undefined) {
      slots = new Map()
      this.#slots.set(key, slots)
    }
    if (slots.has(counter)) return
    const slot = this.#count++
    if (slot % RECORDS_PER_CHUNK === 0) {
      this.#chunks.push(new Uint8Array(RECORD_BYTES * RECORDS_PER_CHUNK))
    }
    const record = this.#record(slot)
    record.set(signed.boxHash)
    record.set(signed.signature, HASH_BYTES)
    slots.set(counter, slot)
  }

  #record(slot: number): Uint8Array {
    const chunk = this.#chunks[Math.floor(slot / RECORDS_PER_CHUNK)] as Uint8Array
    const at = (slot % RECORDS_PER_CHUNK) * RECORD_BYTES
    return chunk.subarray(at, at + RECORD_BYTES)
  }
}
