import { HearsayError, readU64be } from '../base/index.ts'

/**
 * Strict big-endian reader. Every method checks the length before it touches a byte and names field and
 * offset in its error; `end` refuses trailing bytes. Byte strings are views of the input, not copies.
 * @throws HearsayError `bad-length` (too short), `bad-value` (`u64` above 2^53 - 1), `trailing-bytes`.
 */
export class Reader {
  readonly #bytes: Uint8Array
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get offset(): number {
    return this.#offset
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset
  }

  u8(field = 'u8'): number {
    return this.#bytes[this.#take(1, field)] as number
  }

  u16(field = 'u16'): number {
    const at = this.#take(2, field)
    return ((this.#bytes[at] as number) << 8) | (this.#bytes[at + 1] as number)
  }

  u32(field = 'u32'): number {
    const at = this.#take(4, field)
    const high = ((this.#bytes[at] as number) << 8) | (this.#bytes[at + 1] as number)
    const low = ((this.#bytes[at + 2] as number) << 8) | (this.#bytes[at + 3] as number)
    return high * 2 ** 16 + low
  }

  u64(field = 'u64'): number {
    return readU64be(this.#bytes, this.#take(8, field))
  }

  bytes(length: number, field = 'bytes'): Uint8Array {
    const at = this.#take(length, field)
    return this.#bytes.subarray(at, at + length)
  }

  /** length 2 | bytes. */
  vector16(maxBytes: number, field = 'vector'): Uint8Array {
    return this.#vector(this.u16(field), maxBytes, field)
  }

  /** length 4 | bytes. */
  vector32(maxBytes: number, field = 'vector'): Uint8Array {
    return this.#vector(this.u32(field), maxBytes, field)
  }

  /** All remaining bytes, possibly none. */
  rest(): Uint8Array {
    return this.bytes(this.remaining, 'rest')
  }

  end(): void {
    if (this.remaining !== 0) {
      throw new HearsayError('trailing-bytes', 'bytes after the last field', {
        offset: this.#offset,
      })
    }
  }

  #vector(length: number, maxBytes: number, field: string): Uint8Array {
    if (length > maxBytes) {
      throw new HearsayError('bad-length', 'vector is longer than allowed', {
        field,
        offset: this.#offset,
      })
    }
    return this.bytes(length, field)
  }

  #take(length: number, field: string): number {
    const at = this.#offset
    if (!Number.isInteger(length) || length < 0 || length > this.#bytes.length - at) {
      throw new HearsayError('bad-length', 'input ends inside a field', { field, offset: at })
    }
    this.#offset = at + length
    return at
  }
}
