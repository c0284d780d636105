import { concat, type Logger, u32be } from '../base/index.ts'
import { SYSTEM_BUCKETS } from './buckets.ts'
import { SHELF_GENERATION_BYTES } from './constants.ts'
import type { Engine, Operation } from './engine.ts'
import { mapKey, physicalKey, physicalRange } from './physical-key.ts'
import type { Shelf, ShelfChange } from './shelf.ts'
import { corrupt } from './storage-error.ts'
import type { Vault } from './vault.ts'

/**
 * Which key of the database has which slot of the shelf. The index lives in the database and changes in the
 * same write as the values, so it decides after a crash which half of a slot counts.
 */
export class Secrets {
  readonly #vault: Vault
  readonly #shelf: Shelf
  readonly #slots = new Map<string, number>()
  #damaged = 0

  constructor(ports: { readonly vault: Vault; readonly shelf: Shelf }) {
    this.#vault = ports.vault
    this.#shelf = ports.shelf
  }

  /** Reads the index and recovers the shelf. @throws HearsayError `storage-corrupt`. */
  async load(engine: Engine, log: Logger): Promise<void> {
    const generations = new Map<number, Uint8Array>()
    for await (const [key, value] of engine.iterate(physicalRange(SYSTEM_BUCKETS.secretIndex))) {
      if (key.length !== 5) throw corrupt('the index of secrets is damaged')
      const slot = new DataView(key.buffer, key.byteOffset).getUint32(1)
      const entry = this.#vault.open(key, value)
      generations.set(slot, entry.slice(0, SHELF_GENERATION_BYTES))
      this.#slots.set(mapKey(entry.subarray(SHELF_GENERATION_BYTES)), slot)
    }
    const lost = await this.#shelf.recover(generations)
    this.#damaged = lost.size
    if (lost.size > 0) log.error('keys of the secret shelf are lost', { count: lost.size })
  }

  get damaged(): number {
    return this.#damaged
  }

  has(key: Uint8Array): boolean {
    return this.#slots.has(mapKey(key))
  }

  /** Operations that store `value` under a fresh key. */
  put(change: ShelfChange, key: Uint8Array, value: Uint8Array): Operation[] {
    const slot = this.#slots.get(mapKey(key))
    const fresh =
      slot === undefined ? this.#shelf.take(change) : { slot, ...this.#shelf.renew(change, slot) }
    const indexKey = physicalKey(SYSTEM_BUCKETS.secretIndex, u32be(fresh.slot))
    const entry = this.#vault.seal(indexKey, concat(fresh.generation, key))
    const sealed = this.#vault.sealSecret(key, value, fresh.slot, fresh.generation, fresh.key)
    this.#slots.set(mapKey(key), fresh.slot)
    return [
      { type: 'put', key, value: sealed },
      { type: 'put', key: indexKey, value: entry },
    ]
  }

  /** Operations that take the key's slot away, none when it has no slot. */
  drop(change: ShelfChange, key: Uint8Array): Operation[] {
    const slot = this.#slots.get(mapKey(key))
    if (slot === undefined) return []
    this.#shelf.release(change, slot)
    this.#slots.delete(mapKey(key))
    return [{ type: 'del', key: physicalKey(SYSTEM_BUCKETS.secretIndex, u32be(slot)) }]
  }
}
