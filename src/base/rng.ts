/** Randomness as a port, so that a run of the simulator is repeated by its seed. */
export interface Rng {
  /** `length` fresh random bytes, owned by the caller. */
  bytes(length: number): Uint8Array
}

/** Uniform in [0, 1), 48 bits. */
export function uniform(rng: Rng): number {
  return Buffer.from(rng.bytes(6)).readUIntBE(0, 6) / 2 ** 48
}

/** Uniform integer in [0, limit), without modulo bias. `1 ≤ limit ≤ 2^31`. */
export function uniformInt(rng: Rng, limit: number): number {
  if (!Number.isInteger(limit) || limit < 1 || limit > 2 ** 31) throw new RangeError('limit')
  const ceiling = Math.floor(2 ** 32 / limit) * limit
  for (;;) {
    const value = Buffer.from(rng.bytes(4)).readUInt32BE(0)
    if (value < ceiling) return value % limit
  }
}

/** A fresh array in uniformly random order (Fisher-Yates). */
export function shuffled<T>(rng: Rng, items: readonly T[]): T[] {
  const out = [...items]
  for (let i = out.length - 1; i > 0; i--) {
    const j = uniformInt(rng, i + 1)
    const held = out[i] as T
    out[i] = out[j] as T
    out[j] = held
  }
  return out
}
