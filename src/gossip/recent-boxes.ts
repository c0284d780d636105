import { type Address, equalBytes, toHex } from '../base/index.ts'
import { MAX_BOXES_PER_ADDRESS } from './constants.ts'

export type Familiarity = 'new' | 'known' | 'conflict' | 'third'

/**
 * The last accepted boxes by address. It bridges the time until the mailbox has stored a box, so that two
 * publications that arrive together are not both taken for the first. Oldest out first.
 */
export class RecentBoxes {
  readonly #maxAddresses: number
  readonly #hashes = new Map<string, Uint8Array[]>()

  constructor(options: { maxAddresses: number }) {
    this.#maxAddresses = options.maxAddresses
  }

  hashes(address: Address): readonly Uint8Array[] {
    return this.#hashes.get(toHex(address)) ?? []
  }

  add(address: Address, boxHash: Uint8Array): void {
    const key = toHex(address)
    const hashes = this.#hashes.get(key) ?? []
    this.#hashes.delete(key)
    this.#hashes.set(key, [...hashes, boxHash])
    if (this.#hashes.size > this.#maxAddresses) {
      const [oldest] = this.#hashes.keys()
      if (oldest !== undefined) this.#hashes.delete(oldest)
    }
  }
}

/** How a box relates to what is known under its address. */
export function familiarity(boxHash: Uint8Array, known: readonly Uint8Array[]): Familiarity {
  if (known.some((each) => equalBytes(each, boxHash))) return 'known'
  const distinct = new Set(known.map(toHex)).size
  if (distinct === 0) return 'new'
  return distinct < MAX_BOXES_PER_ADDRESS ? 'conflict' : 'third'
}
