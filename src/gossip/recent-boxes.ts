import { type Address, equalBytes, HASH_BYTES, toHex } from '../base/index.ts'
import { MAX_BOXES_PER_ADDRESS } from './constants.ts'

export type Familiarity = 'new' | 'known' | 'conflict' | 'third'

/**
 * The last accepted boxes by address. It bridges the time until the mailbox has stored a box, so that two
 * publications that arrive together are not both taken for the first. Oldest out first. 130 bytes an address: as arrays of
 * bytes with memory of their own sixteen thousand of them took 8 MB.
 */
export class RecentBoxes {
  readonly #maxAddresses: number
  /** One byte a character, both: by address, its hashes one behind the other. */
  readonly #hashes = new Map<string, string>()

  constructor(options: { maxAddresses: number }) {
    this.#maxAddresses = options.maxAddresses
  }

  hashes(address: Address): readonly Uint8Array[] {
    const all = Buffer.from(this.#hashes.get(textOf(address)) ?? '', 'latin1')
    return Array.from({ length: all.length / HASH_BYTES }, (_, i) =>
      all.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES),
    )
  }

  add(address: Address, boxHash: Uint8Array): void {
    const key = textOf(address)
    const hashes = this.#hashes.get(key) ?? ''
    this.#hashes.delete(key)
    this.#hashes.set(key, hashes + textOf(boxHash))
    if (this.#hashes.size > this.#maxAddresses) {
      const [oldest] = this.#hashes.keys()
      if (oldest !== undefined) this.#hashes.delete(oldest)
    }
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

/** How a box relates to what is known under its address. */
export function familiarity(boxHash: Uint8Array, known: readonly Uint8Array[]): Familiarity {
  if (known.some((each) => equalBytes(each, boxHash))) return 'known'
  const distinct = new Set(known.map(toHex)).size
  if (distinct === 0) return 'new'
  return distinct < MAX_BOXES_PER_ADDRESS ? 'conflict' : 'third'
}
