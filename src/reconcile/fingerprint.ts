import { keyedHash, LABELS } from '../crypto/index.ts'
import { CHUNK_ITEMS, FINGERPRINT_BYTES, ITEM_BYTES } from './constants.ts'

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
  items: Iterable<string>,
  pacer: Pacer,
): Promise<Uint8Array> {
  const chunk = Buffer.alloc(CHUNK_ITEMS * ITEM_BYTES)
  let chain = keyedHash(LABELS.reconcileRange, key)
  let filled = 0
  for (const item of items) {
    chunk.write(item, filled, 'hex')
    filled += ITEM_BYTES
    if (filled === chunk.length) {
      chain = keyedHash(LABELS.reconcileRange, key, chain, chunk)
      filled = 0
      await pacer.spend(CHUNK_ITEMS)
    }
  }
  if (filled > 0) chain = keyedHash(LABELS.reconcileRange, key, chain, chunk.subarray(0, filled))
  // One more than the items: an empty range is cheap, but not free.
  await pacer.spend(1 + filled / ITEM_BYTES)
  return chain.subarray(0, FINGERPRINT_BYTES)
}
