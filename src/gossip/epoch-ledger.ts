import { type NodeId, toHex } from '../base/index.ts'
import { MAX_EXCLUDED_COURIERS, MAX_LOGGED_PUBLICATIONS } from './constants.ts'
import { PublicationLog } from './publication-log.ts'

/** What one epoch has seen of its couriers. */
export class EpochLedger {
  readonly log = new PublicationLog({ maxRecords: MAX_LOGGED_PUBLICATIONS })
  readonly #excluded = new Set<string>()
  /** Publications of nodes that the directory did not know. */
  unknownCount = 0

  isExcluded(courier: NodeId): boolean {
    return this.#excluded.has(toHex(courier))
  }

  /** False when the courier was excluded before or the list is full. */
  exclude(courier: NodeId): boolean {
    if (this.isExcluded(courier) || this.#excluded.size >= MAX_EXCLUDED_COURIERS) return false
    this.#excluded.add(toHex(courier))
    return true
  }
}

/** Ledgers of the few epochs that are current; older ones are dropped as a whole. */
export class EpochLedgers {
  readonly #ledgers = new Map<number, EpochLedger>()

  /** Only for epochs inside the window, so their number is bounded by it. */
  of(epoch: number): EpochLedger {
    let ledger = this.#ledgers.get(epoch)
    if (ledger === undefined) {
      ledger = new EpochLedger()
      this.#ledgers.set(epoch, ledger)
    }
    return ledger
  }

  /** Keeps the epochs from `first` to `last`. */
  trim(first: number, last: number): void {
    for (const epoch of this.#ledgers.keys()) {
      if (epoch < first || epoch > last) this.#ledgers.delete(epoch)
    }
  }

  get size(): number {
    return this.#ledgers.size
  }
}
