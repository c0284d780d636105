import { createHash } from 'node:crypto'
import type { Rng } from '../../src/base/index.ts'

/** SHA-256 in counter mode: the same seed gives the same bytes. For faults that can be repeated, not for secrets. */
export function seededRng(seed: number | string): Rng {
  let counter = 0
  let pool = Buffer.alloc(0)
  return {
    bytes: (length) => {
      while (pool.length < length) {
        const block = createHash('sha256').update(`${seed}/${counter++}`).digest()
        pool = Buffer.concat([pool, block])
      }
      const taken = new Uint8Array(pool.subarray(0, length))
      pool = pool.subarray(length)
      return taken
    },
  }
}
