import { isHearsayError } from '../base/index.ts'
import type { JournalEvent, Store } from '../store/index.ts'
import { EVENTS_LOOKED_BACK } from './constants.ts'
import type { StateChange } from './message.ts'

const EVENTS_AT_ONCE = 500

/**
 * How far these messages had come by what was told of them, by base64url id: for one whose row is damaged, so that
 * nothing is told twice. Only the newest `EVENTS_LOOKED_BACK` events are looked at.
 */
export async function toldStates(
  { journal }: Pick<Store, 'journal'>,
  ids: ReadonlySet<string>,
): Promise<ReadonlyMap<string, readonly StateChange[]>> {
  const told = new Map<string, StateChange[]>()
  const head = journal.headSeq()
  let after = Math.max(journal.oldestSeq() - 1, head - EVENTS_LOOKED_BACK)
  try {
    while (after < head) {
      const { entries, scannedTo } = await journal.entries(after, EVENTS_AT_ONCE)
      for (const { event } of entries) {
        const id = event?.data['messageId']
        const change = event && changeOf(event)
        if (typeof id !== 'string' || change === undefined || !ids.has(id)) continue
        told.set(id, [...(told.get(id) ?? []), change])
      }
      after = scannedTo
    }
  } catch (error) {
    // Better told twice than not started.
    if (!isHearsayError(error, 'storage-corrupt')) throw error
  }
  return told
}

function changeOf({ type, time }: JournalEvent): StateChange | undefined {
  if (type === 'message.sent') return { state: 'sent', at: time }
  return type === 'message.stored' ? { state: 'stored', at: time } : undefined
}
