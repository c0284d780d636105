import type { History, ListedMessage, SendRecord } from './history.ts'
import { forgiver, isDoubtful } from './returns.ts'

/**
 * The promises: A what was accepted is kept and ends, B it arrives exactly once, C streams have no gap, D order is
 * kept, E a key is one message, F nothing crashes, G nodes are back in time.
 */
export type Promised = 'A' | 'B' | 'C' | 'D' | 'E' | 'F' | 'G'

/** A promise that was broken, with what shows it. */
export interface Violation {
  readonly promise: Promised
  readonly what: string
}

export interface CheckOptions {
  /** Longest time from a start to `running` of all but one in a hundred starts. */
  readonly readyMs: number
}

const ENDED = new Set(['delivered', 'read', 'failed', 'expired'])
const GIVEN_UP = new Set(['failed', 'expired'])

/** Every promise that this history breaks. An empty answer means that none was seen to be broken. */
export function check(history: History, options: CheckOptions): Violation[] {
  return [
    ...durability(history),
    ...delivery(history),
    ...streams(history),
    ...order(history),
    ...idempotency(history),
    ...crashes(history),
    ...recovery(history, options.readyMs),
  ]
}

/** How many of each kind, for a table. */
export interface Losses {
  readonly accepted: number
  readonly delivered: number
  /** Accepted, and neither with the recipient nor reported to the sender, nor `gone`. */
  readonly lost: number
  /** Known to nobody any more but by a copy of a database that was put back on purpose. */
  readonly gone: number
  /** Reported to the sender as failed or expired. */
  readonly reported: number
  /** Shown to the recipient more often than once. */
  readonly duplicates: number
}

export function losses(history: History): Losses {
  const accepted = acceptedOf(history)
  const copies = accepted.map((send) => copiesOf(history, send))
  const reported = accepted.filter((send) => givenUp(history, send)).length
  const missing = accepted.filter((send, i) => copies[i] === 0 && !givenUp(history, send))
  const lost = missing.filter((send) => !isForgiven(history, send)).length
  return {
    accepted: accepted.length,
    delivered: copies.filter((count) => count > 0).length,
    lost,
    gone: missing.length - lost,
    reported,
    duplicates: copies.reduce((sum, count) => sum + Math.max(0, count - 1), 0),
  }
}

function durability(history: History): Violation[] {
  return acceptedOf(history).flatMap((send) => {
    if (index(history).forgetful(send) === 'sender') return []
    const own = index(history).byId.get(send.from)
    if (own === undefined) return []
    const kept = send.messageIds.flatMap((id) => own.get(id) ?? [])[0]
    if (kept === undefined) return [broken('A', `the sender of "${send.text}" has forgotten it`)]
    if (kept.text !== send.text || kept.direction !== 'out') {
      return [broken('A', `the sender of "${send.text}" keeps another message for it`)]
    }
    if (!ENDED.has(kept.state)) return [broken('A', `"${send.text}" is still ${kept.state}`)]
    if (GIVEN_UP.has(kept.state) && !reportedBy(history, send, `message.${kept.state}`)) {
      return [broken('A', `"${send.text}" has ${kept.state} and no event said so`)]
    }
    return []
  })
}

function delivery(history: History): Violation[] {
  return history.sends.flatMap((send) => {
    const copies = copiesOf(history, send)
    if (copies > 1 && !isDoubtful(history, send))
      return [broken('B', `"${send.text}" was shown ${copies} times`)]
    if (copies > 0 || send.acceptedAt === undefined || givenUp(history, send)) return []
    if (isForgiven(history, send)) return []
    return [broken('B', `"${send.text}" never arrived`)]
  })
}

/** Who puts an old database back has forgotten what it accepted and acknowledged since the copy. */
function isForgiven(history: History, send: SendRecord): boolean {
  return index(history).forgetful(send) !== undefined
}

/** The most often that one look at the recipient shows it: in its list, or as events of different ids. */
function copiesOf(history: History, { to, text }: Pick<SendRecord, 'to' | 'text'>): number {
  const listed = index(history).inbox.get(to)?.get(text)?.length ?? 0
  const seen = shownTo(history, { to, text })
  // A message that only an event showed is not there any more: that is a loss, not a delivery.
  return history.lists.has(to) && listed === 0 ? 0 : Math.max(listed, seen)
}

/**
 * How many different events of one epoch showed it to its recipient. In a new epoch a message may come again: the
 * database that had shown it is gone, and the client is told.
 */
function shownTo(history: History, { to, text }: Pick<SendRecord, 'to' | 'text'>): number {
  const events = index(history).received.get(to)?.get(text) ?? []
  const byEpoch = Map.groupBy(events, (place) => place.slice(0, place.indexOf('/')))
  return Math.max(0, ...[...byEpoch.values()].map((each) => each.length))
}

function streams(history: History): Violation[] {
  const found: Violation[] = []
  const byNode = Map.groupBy(history.events, ({ node }) => node)
  for (const [node, events] of byNode) {
    const ids = new Map<string, string>()
    let epoch: string | undefined
    let last = history.cursors.get(node)
    let begun = 0
    for (const event of events) {
      if (event.epoch !== epoch) {
        if (epoch !== undefined) {
          last = undefined
          if (++begun > returnsBefore(history, node, event.at)) {
            found.push(broken('C', `node ${node} began a new epoch`))
          }
        }
        epoch = event.epoch
      }
      const place = `${event.epoch}/${event.seq}`
      const before = ids.get(place)
      if (before !== undefined && before !== event.id) {
        found.push(broken('C', `node ${node} gave two events the number ${event.seq}`))
      }
      ids.set(place, event.id)
      // Redelivered events come again with their numbers; a number that is skipped never came.
      if (last !== undefined && event.seq > last + 1) {
        found.push(broken('C', `node ${node} skipped the events ${last + 1} to ${event.seq - 1}`))
      }
      last = Math.max(last ?? 0, event.seq)
    }
  }
  return found
}

function returnsBefore({ returns }: History, node: number, at: number): number {
  return returns.filter((each) => each.node === node && each.backAt <= at).length
}

function order(history: History): Violation[] {
  // What a life that is gone had acknowledged, a new one may find again, late and in any order.
  const sends = acceptedOf(history).filter(
    (send) => !isForgiven(history, send) && !isDoubtful(history, send),
  )
  const pairs = Map.groupBy(sends, ({ from, to }) => `${from}>${to}`)
  return [...pairs].flatMap(([pair, its]) => {
    const inbox = index(history).inbox.get(its[0]?.to ?? -1)
    if (inbox === undefined) return []
    const places = its.flatMap(({ text }) => inbox.get(text)?.[0] ?? [])
    // As many may be late as an event has told that they are missing: who waits for ever for one text is silent.
    const late = places.length - longestAscent(places)
    const told = index(history).missing.get(pair) ?? 0
    const what = `${pair} arrived in another order than it was sent: ${late} late, ${told} told to be missing`
    return late <= told ? [] : [broken('D', what)]
  })
}

function idempotency(history: History): Violation[] {
  return history.sends.flatMap((send) => {
    const ids = new Set(send.messageIds)
    if (ids.size > 1 && !isDoubtful(history, send))
      return [broken('E', `one key made ${ids.size} messages of "${send.text}"`)]
    const made = index(history).outbox.get(send.from)?.get(send.text)
    return (made?.length ?? 0) > 1 ? [broken('E', `"${send.text}" was accepted twice`)] : []
  })
}

function crashes(history: History): Violation[] {
  return [
    ...history.crashes.map(({ node, what }) => broken('F', `node ${node}: ${what}`)),
    ...history.errors
      .filter(({ name }) => name === 'INTERNAL')
      .map(({ node, method }) => broken('F', `node ${node} answered ${method} with INTERNAL`)),
  ]
}

function recovery(history: History, limitMs: number): Violation[] {
  const times = history.recoveries.map(({ readyMs }) => readyMs).toSorted((a, b) => a - b)
  const p99 = times[Math.max(0, Math.ceil(times.length * 0.99) - 1)] ?? 0
  return p99 <= limitMs
    ? []
    : [broken('G', `ready after ${Math.round(p99)} ms, more than ${limitMs} ms`)]
}

function acceptedOf(history: History): SendRecord[] {
  return history.sends.filter(({ acceptedAt }) => acceptedAt !== undefined)
}

/** How many are in order when the fewest are taken out. */
function longestAscent(places: readonly number[]): number {
  /** By length less one: the least last place of an ascending run. */
  const ends: number[] = []
  for (const place of places) {
    const isNext = place > (ends.at(-1) ?? -1)
    ends[isNext ? ends.length : ends.findIndex((end) => end >= place)] = place
  }
  return ends.length
}

function givenUp(history: History, send: SendRecord): boolean {
  return [...GIVEN_UP].some((state) => reportedBy(history, send, `message.${state}`))
}

function reportedBy(history: History, send: SendRecord, type: string): boolean {
  const types = index(history).told.get(send.from)
  return send.messageIds.some((id) => types?.get(id)?.has(type) === true)
}

function broken(promise: Promised, what: string): Violation {
  return { promise, what }
}

interface Index {
  /** By node and text: the places of a message in the list of what came in. */
  readonly inbox: ReadonlyMap<number, ReadonlyMap<string, readonly number[]>>
  /** The same of what went out. */
  readonly outbox: ReadonlyMap<number, ReadonlyMap<string, readonly number[]>>
  /** By node and message id: what is in its list. */
  readonly byId: ReadonlyMap<number, ReadonlyMap<string, ListedMessage>>
  /** By node and text: `epoch/id` of the events that showed it. */
  readonly received: Map<number, Map<string, Set<string>>>
  /** By node and message id: types of the events about it. */
  readonly told: Map<number, Map<string, Set<string>>>
  /** By pair: records of which an event told that they are missing. */
  readonly missing: Map<string, number>
  readonly forgetful: ReturnType<typeof forgiver>
}

const INDEXES = new WeakMap<History, Index>()

/** Made once for a history that does not change any more. */
function index(history: History): Index {
  const known = INDEXES.get(history)
  if (known !== undefined) return known
  const made: Index = {
    inbox: byNode(history, (list) => placesOf(list, 'in')),
    outbox: byNode(history, (list) => placesOf(list, 'out')),
    byId: byNode(history, (list) => new Map(list.map((each) => [each.messageId, each]))),
    received: new Map(),
    told: new Map(),
    missing: new Map(),
    forgetful: forgiver(history),
  }
  const told = new Set<string>()
  for (const { node, type, text, messageId, id, epoch, gap } of history.events) {
    if (type === 'message.received') note(made.received, node, text, `${epoch}/${id}`)
    else if (gap === undefined) note(made.told, node, messageId, type)
    else if (!told.has(`${epoch}/${id}`)) {
      told.add(`${epoch}/${id}`)
      const pair = `${numberOf(gap.alias)}>${node}`
      made.missing.set(pair, (made.missing.get(pair) ?? 0) + gap.missing)
    }
  }
  INDEXES.set(history, made)
  return made
}

/** Of a node, by the name that its contacts have for it. */
function numberOf(alias: string): number {
  return Number(alias.slice(alias.lastIndexOf('-') + 1))
}

function byNode<T>({ lists }: History, of: (list: readonly ListedMessage[]) => T): Map<number, T> {
  return new Map([...lists].map(([node, list]) => [node, of(list)]))
}

function placesOf(
  list: readonly ListedMessage[],
  which: ListedMessage['direction'],
): Map<string, number[]> {
  const places = new Map<string, number[]>()
  for (const [place, { direction, text }] of list.entries()) {
    if (direction !== which) continue
    const known = places.get(text)
    if (known === undefined) places.set(text, [place])
    else known.push(place)
  }
  return places
}

function note(
  map: Map<number, Map<string, Set<string>>>,
  node: number,
  key: string,
  value: string,
): void {
  const ofNode = map.get(node) ?? new Map<string, Set<string>>()
  map.set(node, ofNode)
  const values = ofNode.get(key) ?? new Set<string>()
  ofNode.set(key, values)
  values.add(value)
}
