import { dayOf, type NetworkId, toHex } from '../../src/base/index.ts'
import { RESET_SLOTS } from '../../src/conversation/constants.ts'
import { keysAt } from '../../src/conversation/rendezvous.ts'
import { accountKeyOf, resetPlace } from '../../src/conversation/reset-stream.ts'
import type { Store } from '../../src/store/index.ts'
import { addressOf } from '../../src/stream/index.ts'
import { storedLedger } from './stored-ledger.ts'

/** Days after now in which a device may say that it came back. */
const DAYS = 8

/** Where the accounts of this home say that they came back, hexadecimal: every device that they had may write there. */
export async function resetAddresses(
  store: Store,
  networkId: NetworkId,
  now: number,
): Promise<Set<string>> {
  const options = { networkId, windowSize: 1, ackRoundTripMs: 0 }
  const ledger = await storedLedger(store, options)
  const found = new Set<string>()
  for (const { keys } of ledger.contacts.values()) {
    const { resetSecret, accountSeed } = keys
    if (resetSecret === undefined || accountSeed === undefined) continue
    for (let day = dayOf(now); day <= dayOf(now) + DAYS; day++) {
      for (let slot = 0; slot < RESET_SLOTS; slot++) {
        const place = resetPlace(networkId, resetSecret, accountKeyOf(accountSeed), day)
        found.add(toHex(addressOf(place.root, keysAt(place, slot).blind)))
      }
    }
  }
  return found
}
