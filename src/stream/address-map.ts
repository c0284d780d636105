import { type Address, toHex } from '../base/index.ts'

/**
 * Every address that any stream of this node watches, in one map: hearing a box costs one look-up, whatever
 * the number of contacts, and no trial decryption. `Ref` is the caller's name of a stream and an index.
 */
export class AddressMap<Ref> {
  readonly #refs = new Map<string, Ref>()

  get size(): number {
    return this.#refs.size
  }

  /** A later `add` of the same address replaces the earlier. */
  add(address: Address, ref: Ref): void {
    this.#refs.set(toHex(address), ref)
  }

  remove(address: Address): void {
    this.#refs.delete(toHex(address))
  }

  find(address: Address): Ref | undefined {
    return this.#refs.get(toHex(address))
  }
}
