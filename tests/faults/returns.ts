import type { EventRecord, History, ReturnRecord, SendRecord } from './history.ts'

type Told = Pick<History, 'events' | 'returns'>

/** Who may have forgotten a message, because its database was put back. */
type Forgetful = 'sender' | 'recipient'

/**
 * Tells which accepted sends a database that was put back may have forgotten: what its own node accepted between the
 * copy and the return, and what that life had acknowledged to others after the copy. All else must be there.
 */
export function forgiver({ events, returns }: Told): (send: SendRecord) => Forgetful | undefined {
  if (returns.length === 0) return () => undefined
  const confirmed = new Map<string, number>()
  for (const { type, messageId, at } of events) {
    if (CONFIRMED.has(type) && !confirmed.has(messageId)) confirmed.set(messageId, at)
  }
  const lives = returns.map((life) => ({ ...life, resets: firstResets(events, life) }))
  return ({ from, to, text, acceptedAt = Infinity, messageIds }) => {
    for (const { node, copiedAt, backAt, resets, held } of lives) {
      if (acceptedAt >= backAt) continue
      if (node === from && acceptedAt >= copiedAt) return 'sender'
      if (node !== to || held?.has(text) === true) continue
      const at = Math.min(...messageIds.map((id) => confirmed.get(id) ?? Infinity))
      // From its reset on a contact hears the new life alone.
      if (at >= copiedAt && at < (resets.get(from) ?? Infinity)) return 'recipient'
    }
    return undefined
  }
}

/** A client that never heard whether the life before had accepted its message, and asked the new one: both may have. */
export function isDoubtful({ returns }: Pick<History, 'returns'>, send: SendRecord): boolean {
  const { from, calledAt, acceptedAt = Infinity } = send
  return returns.some(
    ({ node, backAt }) => node === from && calledAt < backAt && acceptedAt >= backAt,
  )
}

/**
 * What is missing until the last node that came back talks with all its contacts as before: a text in each direction,
 * and at each contact the event of the new device. Empty when nothing is.
 */
export function missingSince(history: Told & Pick<History, 'sends'>, life: ReturnRecord): string[] {
  const { node, backAt } = life
  const sent = new Map(
    history.sends.flatMap((send) => ((send.acceptedAt ?? 0) > backAt ? [[send.text, send]] : [])),
  )
  const arrived = new Set<string>()
  for (const { type, text, at } of history.events) {
    const send = type === 'message.received' && at > backAt ? sent.get(text) : undefined
    if (send !== undefined) arrived.add(`${send.from}>${send.to}`)
  }
  const resets = firstResets(history.events, life)
  return contactsOf(history, node).flatMap((contact) => [
    ...(arrived.has(`${node}>${contact}`) ? [] : [`nothing from ${node} reaches ${contact}`]),
    ...(arrived.has(`${contact}>${node}`) ? [] : [`nothing from ${contact} reaches ${node}`]),
    ...(resets.has(contact) ? [] : [`node ${contact} was not told of a new device`]),
  ])
}

/**
 * Where a return was not what it has to be: the node begins one new epoch and recovers with each contact once, each
 * contact is told of the new device once, and nobody else is told anything.
 */
export function strangeReturns(history: Told & Pick<History, 'sends'>): string[] {
  return history.returns.flatMap((life, i) => {
    const { node, backAt } = life
    const next = history.returns.slice(i + 1).find((other) => other.node === node)
    const later = new Map(
      history.events
        .filter(({ at }) => at >= backAt && at < (next?.backAt ?? Infinity))
        // Handed out again, an event is still one.
        .map((event) => [`${event.node}/${event.epoch}/${event.seq}`, event]),
    )
    const events = [...later.values()]
    const count = (type: string, of: number) =>
      events.filter((event) => event.type === type && event.node === of).length
    const contacts = contactsOf(history, node)
    const found: string[] = []
    const recovered = count('contact.recovered', node)
    if (recovered !== contacts.length) {
      found.push(`node ${node} recovered ${recovered} times for ${contacts.length} contacts`)
    }
    const before = history.events.findLast((event) => event.node === node && event.at < backAt)
    const epochs = new Set(events.flatMap((event) => (event.node === node ? [event.epoch] : [])))
    if (epochs.size !== 1 || epochs.has(before?.epoch ?? '')) {
      found.push(`node ${node} came back without an epoch of its own`)
    }
    const others = new Set(history.sends.flatMap(({ from, to }) => [from, to]))
    others.delete(node)
    for (const other of others) {
      const resets = count('contact.reset', other)
      const due = contacts.includes(other) ? 1 : 0
      if (resets !== due) {
        found.push(`node ${other} was told of ${resets} new devices of node ${node}, not ${due}`)
      }
    }
    return found
  })
}

const CONFIRMED: ReadonlySet<string> = new Set(['message.delivered', 'message.read'])

/** By node: when it was first told of the new device. */
function firstResets(
  events: readonly EventRecord[],
  { node, backAt }: ReturnRecord,
): Map<number, number> {
  const first = new Map<number, number>()
  for (const event of events) {
    if (event.type !== 'contact.reset' || event.node === node || event.at < backAt) continue
    if (!first.has(event.node)) first.set(event.node, event.at)
  }
  return first
}

/** Who writes to a node. */
function contactsOf({ sends }: Pick<History, 'sends'>, node: number): number[] {
  return [...new Set(sends.flatMap(({ from, to }) => (to === node ? [from] : [])))]
}
