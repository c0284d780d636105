import { type NodeId, toHex } from '../base/index.ts'
import { TRUST_KEEPERS_MAX, TRUST_SAMPLES } from './constants.ts'

interface Record {
  readonly keeper: NodeId
  has: number
  lacks: number
}

/** Of fewer answers nothing is said: a keeper that has just come back lacks some boxes for a while. */
const LACKS_TO_DISTRUST = 3

/**
 * Which keepers lack what others keep, by audits alone: there this node knows that the box exists. For its owner only.
 * Were failing keepers asked later, or not at all, a contact could work with a keeper: it leaves out the boxes of one
 * conversation, is then distrusted by one node only, and knows whose questions come by that order.
 */
export class KeeperTrust {
  readonly #records = new Map<string, Record>()

  /** What this keeper said of a box that another keeper has. */
  note(keeper: NodeId, has: boolean): void {
    const key = toHex(keeper)
    const record = this.#records.get(key) ?? { keeper, has: 0, lacks: 0 }
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

  /** Keepers that lack most of what they should have. */
  failing(): NodeId[] {
    return [...this.#records.values()].flatMap((record) =>
      record.lacks >= LACKS_TO_DISTRUST && record.lacks > record.has ? [record.keeper] : [],
    )
  }
}
