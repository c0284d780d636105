import { silentLogger, systemClock, systemRng, toBase64Url } from '../../src/base/index.ts'
import { openStore, type Store } from '../../src/store/index.ts'

const BATCH = 1_000
const BATCHES_AT_ONCE = 8

/** Opens the store of a stopped node. */
export function openHome(home: string): Promise<Store> {
  const ports = { clock: systemClock, rng: systemRng, log: silentLogger }
  return openStore(ports, { dir: home })
}

/** Appends so many events, as large as those of a message, of messages that nobody knows. */
export async function appendEvents(store: Store, events: number): Promise<void> {
  const step = BATCHES_AT_ONCE * BATCH
  for (let from = 0; from < events; from += step) {
    const commits: Promise<unknown>[] = []
    const end = Math.min(events, from + step)
    for (let at = from; at < end; at += BATCH) {
      const batch = store.batch()
      for (let i = at; i < Math.min(end, at + BATCH); i++) {
        const messageId = toBase64Url(systemRng.bytes(16))
        batch.append({ type: 'message.delivered', data: { messageId, contactId: messageId } })
      }
      commits.push(batch.commit())
    }
    await Promise.all(commits)
  }
}
