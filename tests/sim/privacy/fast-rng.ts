import { createHash } from 'node:crypto'
import type { Rng } from '../../../src/base/index.ts'

const POOL_WORDS = 4_096

/**
 * A fast generator behind the `Rng` port (sfc32, seeded with SHA-256): the same seed gives the same run. For
 * simulation only; about forty times faster than hashing for every few bytes.
 */
export class FastRng implements Rng {
  readonly #pool = new Uint32Array(POOL_WORDS)
  readonly #bytes = new Uint8Array(this.#pool.buffer)
  #used = this.#bytes.length
  #a: number
  #b: number
  #c: number
  #counter: number

  constructor(seed: string) {
    const digest = createHash('sha256').update(seed).digest()
    this.#a = digest.readUInt32LE(0) | 0
    this.#b = digest.readUInt32LE(4) | 0
    this.#c = digest.readUInt32LE(8) | 0
    this.#counter = 1
    for (let i = 0; i < 16; i++) this.#next()
  }

  bytes(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#used) {
      if (length > this.#bytes.length) return this.#many(length)
      for (let i = 0; i < POOL_WORDS; i++) this.#pool[i] = this.#next()
      this.#used = 0
    }
    this.#used += length
    return this.#bytes.slice(this.#used - length, this.#used)
  }

  #many(length: number): Uint8Array {
    const out = new Uint8Array(length)
    for (let at = 0; at < length; at += this.#bytes.length) {
      out.set(this.bytes(Math.min(this.#bytes.length, length - at)), at)
    }
    return out
  }

  /** Uniform in [0, 1), 32 bits. */
  float(): number {
    return (this.#next() >>> 0) / 2 ** 32
  }

  #next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum
  }
}
