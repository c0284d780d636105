import { keyedHash, LABELS } from '../crypto/index.ts'
import { CHUNK_ITEMS, FINGERPRINT_BYTES, FINGERPRINT_COST, SKIPS_PER_TURN } from './constants.ts'

/** Lets other work of the event loop run. */
export type Pause = () => Promise<void>

/** Pauses whenever `CHUNK_ITEMS` items have been worked on since the last pause: well below 1 ms each time. */
export class Pacer {
  readonly #pause: Pause
  #spent = 0

  constructor(pause: Pause) {
    this.#pause = pause
  }

  async spend(items: number): Promise<void> {
    this.#spent += items
    if (this.#spent < CHUNK_ITEMS) return
    this.#spent = 0
    await this.#pause()
  }
}

/**
 * A keyed hash over all items of a range in order, 16 bytes: chained over chunks of `CHUNK_ITEMS`. Not a sum or an XOR of parts: with the asker's fresh key nobody can prepare items that cancel out,
 * and equality shows that the other side has the items and not just an echo.
 */
export async function fingerprint(
  key: Uint8Array,
  items: Iterable<string | undefined>,
  pacer: Pacer,
): Promise<Uint8Array> {
  let chain = keyedHash(LABELS.reconcileRange, key)
  let chunk: string[] = []
  const flush = () => {
    const bytes = Buffer.from(chunk.join(''), 'hex')
    chain = keyedHash(LABELS.reconcileRange, key, chain, bytes)
    chunk = []
  }
  for (const item of items) {
    if (item === undefined) {
      await pacer.spend(SKIPS_PER_TURN)
      continue
    }
    if (chunk.push(item) < CHUNK_ITEMS) continue
    flush()
    await pacer.spend(CHUNK_ITEMS)
  }
  const rest = chunk.length
  if (rest > 0) flush()
  await pacer.spend(FINGERPRINT_COST + rest)
  return chain.subarray(0, FINGERPRINT_BYTES)
}
