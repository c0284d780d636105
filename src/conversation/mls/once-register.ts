import { fromHex, toHex } from '../../base/index.ts'
import { reject } from './reject.ts'

/**
 * A set of ids that may be used once: group ids of accepted Welcomes, refs of added key packages. It is a
 * plain value; its owner stores `encode` in the same batch as the state that the claim allowed, because a
 * register that forgets at a crash forgets exactly what an attacker replays.
 */
export class OnceRegister {
  readonly #used: Set<string>

  constructor(used: Iterable<Uint8Array> = []) {
    this.#used = new Set(Array.from(used, toHex))
  }

  has(id: Uint8Array): boolean {
    return this.#used.has(toHex(id))
  }

  /** Marks the id as used. @throws HearsayError `mls-rejected` `replayed` if it was. */
  claim(id: Uint8Array): void {
    if (this.has(id)) reject('replayed')
    this.#used.add(toHex(id))
  }

  /** All ids, sorted; `new OnceRegister(ids)` restores the register. */
  ids(): Uint8Array[] {
    return [...this.#used].sort().map(fromHex)
  }
}
