import type { History, PresenceRecord, SendRecord } from './history.ts'

/** How long a message took from the moment on which its recipient was there; undefined when it never arrived. */
interface Wait {
  readonly send: SendRecord
  readonly waitedMs: number | undefined
}

/**
 * For every accepted message: the time from its acceptance, or from the first return of a recipient that was away then,
 * to the event that showed it. That the recipient may leave again meanwhile does not stop the clock, nor does an
 * absence of the sender.
 */
export function waits(history: Pick<History, 'sends' | 'events' | 'presence'>): Wait[] {
  const shown = new Map<string, number>()
  for (const { node, type, text, at } of history.events) {
    const key = `${node} ${text}`
    if (type === 'message.received' && !shown.has(key)) shown.set(key, at)
  }
  const byNode = Map.groupBy(history.presence, ({ node }) => node)
  return history.sends.flatMap((send): Wait[] => {
    const { to, text, acceptedAt } = send
    if (acceptedAt === undefined) return []
    const at = shown.get(`${to} ${text}`)
    const from = thereFrom(byNode.get(to) ?? [], acceptedAt)
    return [{ send, waitedMs: at === undefined ? undefined : Math.max(0, at - from) }]
  })
}

/** The first moment from `at` on at which a node is there. */
function thereFrom(presence: readonly PresenceRecord[], at: number): number {
  const now = presence.findLast((record) => record.at <= at)
  if (now?.isUp !== false) return at
  return presence.find((record) => record.at > at && record.isUp)?.at ?? at
}
