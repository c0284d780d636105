import { fromBase64Url, toBase64Url } from '../../../src/base/index.ts'
import { MESSAGE_ID_BYTES } from '../../../src/conversation/constants.ts'
import { hash, LABELS } from '../../../src/crypto/index.ts'
import type { JournalEvent, Store } from '../../../src/store/index.ts'

/** A text that a node was asked to send. */
export interface Sent {
  readonly id: string
  readonly from: string
  readonly to: string
  readonly text: string
  /** In the order of the calls, of this pair. */
  readonly order: number
  /** The user was told so. */
  accepted: boolean
  /** Its events are in the sender's journal. */
  exists: boolean
  received: number
  /** The last state that the sender knows. */
  state: string
  /** No promise says that it comes in time. */
  readonly mayExpire: boolean
}

interface Journal {
  /** Number of the event before the first that is remembered. */
  readonly base: number
  readonly epoch: string
  readonly events: JournalEvent[]
}

const FINAL = new Set(['delivered', 'expired', 'failed', 'cancelled'])
const PAGE = 500

/**
 * Reads the journal of every node as its frontend would, and holds what was promised against what happens. It never
 * forgets: a journal that says something else after a crash is a violation.
 */
export class Watcher {
  readonly violations: string[] = []
  readonly sent = new Map<string, Sent>()
  readonly counts: Record<string, number> = {}
  /** A text that got no answer and is asked for again is a message each time. */
  readonly #byText = new Map<string, Sent[]>()
  readonly #journals = new Map<string, Journal>()
  /** Per pair, the order of the last text that came. */
  readonly #last = new Map<string, number>()
  readonly #orders = new Map<string, number>()
  /** Per pair whose reader told of a gap, the last text that had been asked for by then: it may still come, late. */
  readonly #gaps = new Map<string, number>()
  /** Delivered, and not yet in the journal of their reader. */
  readonly #ahead = new Set<Sent>()

  violation(what: string): void {
    if (this.violations.length < 20) this.violations.push(what)
  }

  /** A text goes to the outbox of `from`; whether it gets there is not known yet. */
  asked(what: Pick<Sent, 'from' | 'to' | 'text' | 'mayExpire'> & { id: Uint8Array }): Sent {
    const { from, to, text, mayExpire } = what
    const pair = `${from}>${to}`
    const order = (this.#orders.get(pair) ?? 0) + 1
    this.#orders.set(pair, order)
    const ends = { accepted: false, exists: false, received: 0, state: 'queued' }
    const sent: Sent = { id: toBase64Url(what.id), from, to, text, order, mayExpire, ...ends }
    this.sent.set(sent.id, sent)
    this.#byText.set(text, [...(this.#byText.get(text) ?? []), sent])
    return sent
  }

  /** A user was told that a text is accepted, as this message. */
  answered(text: string, messageId: string): void {
    const sent = this.sent.get(messageId)
    if (sent?.text !== text) {
      return this.violation(`an answer names ${messageId}, which is not its text`)
    }
    sent.accepted = true
  }

  /** Whether every text has ended that was promised to anybody, and has come to its reader if it says so. */
  isSettled(): boolean {
    return this.#ahead.size === 0 && [...this.sent.values()].every((sent) => !this.#isPending(sent))
  }

  #isPending(sent: Sent): boolean {
    return this.#counts(sent) && !FINAL.has(sent.state)
  }

  /** Texts of this node that have not ended. */
  open(node: string): number {
    const own = [...this.sent.values()].filter(({ from }) => from === node)
    return own.filter((sent) => this.#isPending(sent)).length
  }

  #counts({ accepted, exists }: Sent): boolean {
    return accepted || exists
  }

  /** The store of a node was opened. Reads it until `isCurrent` says that it is another one's turn. */
  async follow(node: string, store: Store, isCurrent: () => boolean): Promise<void> {
    await this.compare(node, store)
    let isReading = false
    const read = async (): Promise<void> => {
      if (isReading) return
      isReading = true
      try {
        while (isCurrent() && this.#journal(node, store).next <= store.headSeq()) {
          await this.#read(node, store)
        }
      } finally {
        isReading = false
      }
    }
    const fail = (error: unknown): void => this.violation(`${node}: the journal: ${String(error)}`)
    store.journal.onAppend(() => void read().catch(fail))
    await read()
  }

  #journal(node: string, store: Store): { journal: Journal; next: number } {
    let journal = this.#journals.get(node)
    if (journal === undefined) {
      journal = { base: store.headSeq(), epoch: store.epoch, events: [] }
      this.#journals.set(node, journal)
    }
    return { journal, next: journal.base + journal.events.length + 1 }
  }

  /** After an opening or a repair: what was read before is there, unless it was removed, and is the same. */
  async compare(node: string, store: Store): Promise<void> {
    const { journal, next } = this.#journal(node, store)
    if (store.epoch !== journal.epoch) return this.violation(`${node}: another database epoch`)
    if (store.headSeq() < next - 1) {
      return this.violation(`${node}: events ${store.headSeq() + 1} to ${next - 1} are gone`)
    }
    const kept = Math.max(journal.base, store.journal.oldestSeq() - 1)
    for (let at = kept; at < next - 1; at += PAGE) {
      const { events } = await store.journal.events(at, Math.min(PAGE, next - 1 - at))
      for (const event of events) {
        const before = journal.events[event.seq - journal.base - 1]
        if (before?.id !== event.id) this.violation(`${node}: event ${event.seq} has changed`)
      }
    }
  }

  async #read(node: string, store: Store): Promise<void> {
    const { journal, next } = this.#journal(node, store)
    const { events } = await store.journal.events(next - 1, PAGE)
    for (const event of events) {
      const expected = journal.base + journal.events.length + 1
      if (event.seq !== expected)
        this.violation(`${node}: event ${event.seq} after ${expected - 1}`)
      journal.events.push(event)
      this.#take(node, event)
    }
  }

  #take(node: string, { type, data }: JournalEvent): void {
    this.counts[type] = (this.counts[type] ?? 0) + 1
    if (type === 'message.received') this.#received(node, data)
    else if (type === 'contact.failed') this.violation(`${node}: ${type} ${JSON.stringify(data)}`)
    else if (type === 'message.gap') {
      const pair = `${textOf(data, 'alias')}>${node}`
      this.#gaps.set(pair, this.#orders.get(pair) ?? 0)
    } else if (type.startsWith('message.')) {
      const sent = this.sent.get(textOf(data, 'messageId'))
      if (sent === undefined) return this.violation(`${node}: ${type} of an unknown message`)
      this.#moved(sent, type.slice('message.'.length))
    }
  }

  #moved(sent: Sent, state: string): void {
    sent.exists = true
    if (FINAL.has(sent.state)) this.violation(`${name(sent)}: ${state} after ${sent.state}`)
    sent.state = state
    // What came ahead of a missing record waits on the reader's disk, and is acknowledged there.
    if (state === 'delivered' && sent.received === 0) this.#ahead.add(sent)
    // Faults end, and all that is lost on the way is sent again: whoever has time is heard.
    if (state === 'failed' || (state === 'expired' && !sent.mayExpire)) {
      this.violation(`${name(sent)}: ${state}`)
    }
  }

  #received(node: string, data: JournalEvent['data']): void {
    const { text } = data['body'] as { text: string }
    const made = this.#byText.get(text)
    const sent = made?.find((each) => receivedId(each, data) === data['messageId'])
    if (made !== undefined && sent === undefined) {
      return this.violation(`${node}: ${text.slice(0, 20)} came as another message`)
    }
    const alias = textOf(data, 'alias')
    if (sent?.from !== alias || sent.to !== node) {
      return this.violation(`${node}: a text of ${alias} that nobody wrote: ${text.slice(0, 20)}`)
    }
    sent.received++
    this.#ahead.delete(sent)
    if (sent.received > 1) this.violation(`${name(sent)}: came ${sent.received} times`)
    const pair = `${sent.from}>${sent.to}`
    const last = this.#last.get(pair) ?? 0
    if (sent.order < last && sent.order > (this.#gaps.get(pair) ?? 0)) {
      this.violation(`${name(sent)}: came after number ${last}`)
    }
    this.#last.set(pair, Math.max(last, sent.order))
  }

  /** The end: each promise against the journal and the history of both sides. */
  async close(node: string, store: Store, history: readonly Stored[]): Promise<void> {
    await this.compare(node, store)
    const journal = this.#journals.get(node)
    const told = new Map<string, string[]>()
    for (const { type, data } of journal?.events ?? []) {
      const id = data['messageId']
      if (typeof id === 'string') told.set(id, [...(told.get(id) ?? []), type])
    }
    const held = new Map(history.map((message) => [toBase64Url(message.id), message]))
    for (const [id, message] of held) {
      const types = told.get(id)?.join(' ')
      const states = message.history.map(({ state }) => `message.${state}`).join(' ')
      if (types !== states) {
        this.violation(
          `${node}: a message with the states ${states} has the events ${types ?? 'none'}`,
        )
      }
    }
    for (const id of told.keys()) if (!held.has(id)) this.violation(`${node}: events of no message`)
  }

  closeSent(): void {
    for (const made of this.#byText.values()) {
      const [sent, ...more] = made.filter((one) => this.#counts(one))
      if (sent !== undefined && more.length > 0) {
        this.violation(`${name(sent)}: one key made ${1 + more.length} messages`)
      }
    }
    for (const sent of this.#ahead) {
      this.violation(`${name(sent)}: delivered, but its reader does not have it`)
    }
    for (const sent of this.sent.values()) {
      if (sent.accepted && !sent.exists) this.violation(`${name(sent)}: accepted, and forgotten`)
      if (!this.#counts(sent)) {
        if (sent.received > 0) this.violation(`${name(sent)}: came, and its sender has none`)
        continue
      }
      if (this.#isPending(sent)) this.violation(`${name(sent)}: still ${sent.state}`)
      this.counts[`end ${sent.state}`] = (this.counts[`end ${sent.state}`] ?? 0) + 1
    }
  }
}

/** The id under which the reader has a message: of its contact's id and the sender's. */
function receivedId({ id }: Sent, data: JournalEvent['data']): string {
  const contactId = fromBase64Url(textOf(data, 'contactId'))
  const all = hash(LABELS.messageRef, contactId, fromBase64Url(id))
  return toBase64Url(all.slice(0, MESSAGE_ID_BYTES))
}

/** A message of a node's history. */
export interface Stored {
  readonly id: Uint8Array
  readonly history: readonly { readonly state: string }[]
}

function name({ from, to, order }: Sent): string {
  return `text ${order} of ${from} to ${to}`
}

function textOf(data: JournalEvent['data'], field: string): string {
  const value = data[field]
  return typeof value === 'string' ? value : ''
}
