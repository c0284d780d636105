import { concat, u32be } from '../base/index.ts'
import { type Bucket, BUCKETS, type Store } from '../store/index.ts'
import { decodeCbor, encodeCbor } from '../wire/index.ts'
import { type AdmissionProof, decodeAdmission, encodeAdmission } from './admission.ts'
import type { DescriptorConflict } from './conflict.ts'
import type { Descriptor } from './descriptor.ts'
import { FieldList } from './field-list.ts'
import { HearsayError } from '../base/index.ts'

export type NarrowStore = Pick<Store, 'get' | 'entries' | 'keys' | 'batch'>

const ONLY_KEY = Uint8Array.of(0)
const BATCH_ROWS = 128

/**
 * The directory on disk. Everything in it is public and signed; it is checked again when it is read. Changes are
 * collected and written by `flush`: losing the last second costs a reconciliation, not a message. So does a damaged
 * row of what all nodes have.
 */
export class DirectoryStore {
  readonly #store: NarrowStore
  #pending: ((batch: ReturnType<NarrowStore['batch']>) => void)[] = []

  constructor(store: NarrowStore) {
    this.#store = store
  }

  descriptors(): Promise<Uint8Array[]> {
    return this.#whole(BUCKETS.descriptors)
  }

  async frozen(): Promise<{ epoch: number; bytes: Uint8Array }[]> {
    const all: { epoch: number; bytes: Uint8Array }[] = []
    for await (const [key, bytes] of this.#store.entries(BUCKETS.frozenSets)) {
      if (bytes === undefined) continue
      all.push({ epoch: new DataView(key.buffer, key.byteOffset).getUint32(0), bytes })
    }
    return all
  }

  conflicts(): Promise<Uint8Array[]> {
    return this.#whole(BUCKETS.descriptorConflicts)
  }

  async #whole(bucket: Bucket): Promise<Uint8Array[]> {
    const all: Uint8Array[] = []
    for await (const [, value] of this.#store.entries(bucket)) {
      if (value !== undefined) all.push(value)
    }
    return all
  }

  revocation(): Promise<Uint8Array | undefined> {
    return this.#store.get(BUCKETS.revocations, ONLY_KEY)
  }

  /** The proof of this node's own admission. */
  async admission(): Promise<AdmissionProof | undefined> {
    const bytes = await this.#store.get(BUCKETS.admissions, ONLY_KEY)
    if (bytes === undefined) return undefined
    const fault = () => new HearsayError('storage-corrupt', 'the admission proof is damaged')
    return decodeAdmission(new FieldList(decodeCbor(bytes, { maxBytes: 1_024 }), '', fault))
  }

  async saveAdmission(proof: AdmissionProof): Promise<void> {
    const value = encodeCbor(encodeAdmission(proof))
    await this.#store.batch().put(BUCKETS.admissions, ONLY_KEY, value).commit()
  }

  putDescriptor({ nodeId, bytes }: Descriptor): void {
    this.#pending.push((batch) => batch.put(BUCKETS.descriptors, nodeId, bytes))
  }

  deleteDescriptor({ nodeId }: Pick<Descriptor, 'nodeId'>): void {
    this.#pending.push((batch) => batch.del(BUCKETS.descriptors, nodeId))
  }

  putFrozen(epoch: number, { nodeId, bytes }: Descriptor): void {
    this.#pending.push((batch) =>
      batch.put(BUCKETS.frozenSets, concat(u32be(epoch), nodeId), bytes),
    )
  }

  putConflict({ nodeId, bytes }: DescriptorConflict): void {
    this.#pending.push((batch) => batch.put(BUCKETS.descriptorConflicts, nodeId, bytes))
  }

  putRevocation(bytes: Uint8Array): void {
    this.#pending.push((batch) => batch.put(BUCKETS.revocations, ONLY_KEY, bytes))
  }

  /** Removes the sets of all epochs before `epoch`. */
  async dropFrozenBefore(epoch: number): Promise<void> {
    const keys: Uint8Array[] = []
    const range = { lt: u32be(Math.max(0, epoch)) }
    for await (const key of this.#store.keys(BUCKETS.frozenSets, range)) keys.push(key)
    for (const key of keys) this.#pending.push((batch) => batch.del(BUCKETS.frozenSets, key))
  }

  /** Resolves when everything that was put before is on disk. */
  async flush(): Promise<void> {
    const rows = this.#pending
    this.#pending = []
    const commits: Promise<unknown>[] = []
    for (let at = 0; at < rows.length; at += BATCH_ROWS) {
      const batch = this.#store.batch()
      for (const row of rows.slice(at, at + BATCH_ROWS)) row(batch)
      commits.push(batch.commit())
    }
    await Promise.all(commits)
  }
}
