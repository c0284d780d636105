/** Makes the error for the field `name` that is missing or of a wrong type or length. */
export type FieldFault = (name: string) => Error

/**
 * Reads a decoded CBOR list field by field, in order, each with its type and length. `end` refuses what is
 * left over. Every fault is made by the caller's `FieldFault`.
 */
export class FieldList {
  readonly #list: readonly unknown[]
  readonly #fault: FieldFault
  #next = 0

  constructor(value: unknown, name: string, fault: FieldFault) {
    if (!Array.isArray(value)) throw fault(name)
    this.#list = value
    this.#fault = fault
  }

  get length(): number {
    return this.#list.length
  }

  /** An integer from 0 to `max`. */
  integer(name: string, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.#list[this.#next++]
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max) {
      throw this.#fault(name)
    }
    return value
  }

  text(name: string): string {
    const value = this.#list[this.#next++]
    if (typeof value !== 'string') throw this.#fault(name)
    return value
  }

  /** Bytes of one of the lengths. */
  bytes(name: string, ...lengths: readonly number[]): Uint8Array {
    const value = this.#list[this.#next++]
    if (!(value instanceof Uint8Array) || !lengths.includes(value.length)) throw this.#fault(name)
    return value
  }

  /** A list of at most `max` items, still unread. */
  list(name: string, max = Number.MAX_SAFE_INTEGER): unknown[] {
    const value = this.#list[this.#next++]
    if (!Array.isArray(value) || value.length > max) throw this.#fault(name)
    return value as unknown[]
  }

  /** A list to be read in the same way. */
  fields(name: string): FieldList {
    return new FieldList(this.list(name), name, this.#fault)
  }

  end(): void {
    if (this.#next !== this.#list.length) throw this.#fault('count')
  }
}
