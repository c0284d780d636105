import { HearsayError } from '../base/index.ts'

/**
 * Big-endian writer into one buffer of a known capacity: a layout whose length is derived in one place is
 * filled exactly, or it is a bug. The methods chain.
 * @throws HearsayError `bug` when the capacity is exceeded or not filled; `bad-value` for an integer that
 * does not fit its field; `too-large` for a vector above its length field.
 */
export class Writer {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #offset = 0

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity)
    this.#view = new DataView(this.#bytes.buffer)
  }

  get offset(): number {
    return this.#offset
  }

  u8(value: number): this {
    const at = this.#put(value, 0xff, 1)
    this.#view.setUint8(at, value)
    return this
  }

  u16(value: number): this {
    const at = this.#put(value, 0xffff, 2)
    this.#view.setUint16(at, value)
    return this
  }

  u32(value: number): this {
    const at = this.#put(value, 0xffff_ffff, 4)
    this.#view.setUint32(at, value)
    return this
  }

  /** A safe integer, 0 to 2^53 - 1, in 8 bytes. */
  u64(value: number): this {
    const at = this.#put(value, Number.MAX_SAFE_INTEGER, 8)
    this.#view.setUint32(at, Math.floor(value / 2 ** 32))
    this.#view.setUint32(at + 4, value % 2 ** 32)
    return this
  }

  bytes(bytes: Uint8Array): this {
    this.#bytes.set(bytes, this.#advance(bytes.length))
    return this
  }

  /** length 2 | bytes. */
  vector16(bytes: Uint8Array): this {
    if (bytes.length > 0xffff) throw new HearsayError('too-large', 'vector above 65535 bytes')
    return this.u16(bytes.length).bytes(bytes)
  }

  /** length 4 | bytes. */
  vector32(bytes: Uint8Array): this {
    return this.u32(bytes.length).bytes(bytes)
  }

  /** The buffer itself, filled to the last byte. */
  finish(): Uint8Array {
    if (this.#offset !== this.#bytes.length) throw new HearsayError('bug', 'layout is not filled')
    return this.#bytes
  }

  #put(value: number, max: number, length: number): number {
    if (!Number.isInteger(value) || value < 0 || value > max) {
      throw new HearsayError('bad-value', 'integer does not fit its field', { length })
    }
    return this.#advance(length)
  }

  #advance(length: number): number {
    const at = this.#offset
    if (length > this.#bytes.length - at) throw new HearsayError('bug', 'layout overflows')
    this.#offset = at + length
    return at
  }
}
