import { Ledger, type LedgerOptions } from '../../src/conversation/ledger.ts'
import { WaitClock } from '../../src/conversation/wait-clock.ts'
import type { Store } from '../../src/store/index.ts'
import { seededRng } from './seeded-rng.ts'
import { VirtualClock } from './virtual-clock.ts'

/** The contacts that a home has on disk, as a node would load them. */
export async function storedLedger(store: Store, options: LedgerOptions): Promise<Ledger> {
  const waits = new WaitClock({ clock: new VirtualClock(), store })
  const ledger = new Ledger({ store, rng: seededRng('look'), waits }, options)
  await ledger.load()
  return ledger
}
