import { type NodeId, toHex } from '../base/index.ts'
import { TRUST_KEEPERS_MAX, TRUST_SAMPLES } from './constants.ts'

interface Record {
  has: number
  lacks: number
}

/** Of fewer answers nothing is said: a keeper that has just come back lacks some boxes for a while. */
const LACKS_TO_DISTRUST = 3

/**
 * Which keepers lack what others keep, by audits alone: there this node knows that the box exists. It decides in what
 * order look-ups ask, never whether: a keeper that is asked last still brings the box that only it has, and one that
 * is in order again is trusted again. It stays here: whoever was told would know who had asked.
 */
export class KeeperTrust {
  readonly #records = new Map<string, Record>()

  /** What this keeper said of a box that another keeper has. */
  note(keeper: NodeId, has: boolean): void {
    const key = toHex(keeper)
    const record = this.#records.get(key) ?? { has: 0, lacks: 0 }
    this.#records.delete(key)
    this.#records.set(key, record)
    if (has) record.has++
    else record.lacks++
    if (record.has + record.lacks >= TRUST_SAMPLES) {
      record.has /= 2
      record.lacks /= 2
    }
    const [oldest] = this.#records.keys()
    if (this.#records.size > TRUST_KEEPERS_MAX && oldest !== undefined) this.#records.delete(oldest)
  }

  /** The same keepers, those that lack most of what they should have at the end. */
  order(keepers: readonly NodeId[]): NodeId[] {
    const isTrusted = (keeper: NodeId) => !this.#isFailing(this.#records.get(toHex(keeper)))
    return [...keepers.filter(isTrusted), ...keepers.filter((keeper) => !isTrusted(keeper))]
  }

  /** Keepers that lack most of what they should have. */
  get failing(): number {
    return [...this.#records.values()].filter((record) => this.#isFailing(record)).length
  }

  #isFailing(record: Record | undefined): boolean {
    return record !== undefined && record.lacks >= LACKS_TO_DISTRUST && record.lacks > record.has
  }
}
