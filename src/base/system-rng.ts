import { randomFillSync } from 'node:crypto'
import type { Rng } from './rng.ts'

const POOL_BYTES = 8 * 1024
const POOLED_BYTES = 256

/**
 * The operating system's generator. Short draws come out of a pool that it filled: asking it costs more than a hundred
 * bytes do. What was handed out is overwritten in the pool, so nobody can read there what became a key.
 */
export const systemRng: Rng = pooled()

function pooled(): Rng {
  const pool = new Uint8Array(POOL_BYTES)
  let used = POOL_BYTES
  return {
    bytes: (length) => {
      if (length > POOLED_BYTES) return randomFillSync(new Uint8Array(length))
      if (used + length > POOL_BYTES) {
        randomFillSync(pool)
        used = 0
      }
      const drawn = pool.slice(used, used + length)
      pool.fill(0, used, used + length)
      used += length
      return drawn
    },
  }
}
