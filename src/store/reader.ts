import { equalBytes, isHearsayError } from '../base/index.ts'
import type { Engine } from './engine.ts'
import type { Shelf } from './shelf.ts'
import { mapKey } from './physical-key.ts'
import { DAMAGED_MAX } from './constants.ts'
import type { FindKey, Vault } from './vault.ts'

/** Reads and opens values while commits replace secrets underneath. */
export class ValueReader {
  readonly #engine: Engine
  readonly #vault: Vault
  readonly #findKey: FindKey
  readonly #damaged = new Set<string>()

  constructor(ports: { readonly engine: Engine; readonly vault: Vault; readonly shelf: Shelf }) {
    this.#engine = ports.engine
    this.#vault = ports.vault
    this.#findKey = (slot, generation) => ports.shelf.keyOf(slot, generation)
  }

  /** Values that did not open since the opening of the store, at most `DAMAGED_MAX`. */
  get damaged(): number {
    return this.#damaged.size
  }

  /** Counts a value that did not open, once. */
  noteDamaged(key: Uint8Array): void {
    if (this.#damaged.size < DAMAGED_MAX) this.#damaged.add(mapKey(key))
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const envelope = await this.#engine.get(key)
    return envelope && this.open(key, envelope)
  }

  /** `open` without its promise: undefined when the envelope does not open, and `open` has to find out why. */
  openNow(key: Uint8Array, envelope: Uint8Array): Uint8Array | undefined {
    try {
      return this.#vault.open(key, envelope, this.#findKey)
    } catch (error) {
      if (isHearsayError(error, 'storage-corrupt')) return undefined
      throw error
    }
  }

  /**
   * The value of an envelope that was just read. If a commit has erased its key in the meantime, the value of
   * now, or undefined. @throws HearsayError `storage-corrupt`.
   */
  async open(key: Uint8Array, envelope: Uint8Array): Promise<Uint8Array | undefined> {
    let current = envelope
    for (;;) {
      try {
        return this.#vault.open(key, current, this.#findKey)
      } catch (error) {
        if (!isHearsayError(error, 'storage-corrupt')) throw error
        const again = await this.#engine.get(key)
        if (again === undefined) return undefined
        if (equalBytes(again, current)) {
          this.noteDamaged(key)
          throw error
        }
        current = again
      }
    }
  }

  /** As `open`, where damage costs this value alone. */
  async tryOpen(key: Uint8Array, envelope: Uint8Array): Promise<Uint8Array | 'gone' | 'damaged'> {
    try {
      return (await this.open(key, envelope)) ?? 'gone'
    } catch (error) {
      if (!isHearsayError(error, 'storage-corrupt')) throw error
      return 'damaged'
    }
  }
}
