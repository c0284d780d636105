import { type Address, toHex } from '../base/index.ts'
import { PROBE_AHEAD } from './constants.ts'
import { type Contact, streamsOf } from './contact.ts'
import type { HeadAddress, StreamReader } from './reader.ts'

/** What is found during a turn may be read in the next one. */
const TURNS_TO_READ = 2

/** One address that a contact's box can have, on one UTC day of publishing. */
export interface ProbeTarget {
  readonly address: Address
  readonly day: number
}

/** The same address on every day from the first to the last, both included. */
export interface ProbeSpan {
  readonly address: Address
  readonly first: number
  readonly last: number
}

/**
 * Catching up with one contact: what it may have written while this node was away. Where its streams go on is noted
 * at the beginning, and anew only after a look-up has found a box that nobody else brought. What the contact writes
 * meanwhile is heard as always, and does not move the end: else whoever keeps writing would keep this node asking for
 * ever, and could watch it ask.
 */
export class Probing {
  readonly contact: Contact
  /** UTC day: what was written before it is asked for. */
  readonly begunOn: number
  /** Look-ups under way. */
  open = 0
  /** Before this time, by the clock of waits, nothing is asked: nobody could be reached. */
  notBefore = 0
  /** UTC day on which it was begun, or begun once more. */
  #passOn: number
  /** Days, by address. */
  readonly #asked = new Map<string, Set<number>>()
  readonly #ends = new Map<StreamReader, Map<string, number>>()
  /** Turns until the boxes that were found have been read for certain: they will show where to ask next. */
  #unread = 0

  constructor(contact: Contact, begunOn: number) {
    this.contact = contact
    this.begunOn = begunOn
    this.#passOn = begunOn
    for (const reader of readersOf(contact)) this.#endsOf(reader)
  }

  /**
   * Begins once more on day `today`, where the streams go on by now. What was asked for is not asked for again, but on
   * days that were not over then.
   */
  again(today: number): void {
    for (const days of this.#asked.values()) {
      for (const day of days) if (day >= this.#passOn) days.delete(day)
    }
    this.#passOn = today
    this.#ends.clear()
    for (const reader of readersOf(this.contact)) this.#endsOf(reader)
  }

  /** Nothing is under way or unread, and no address is missing that would have to be asked for. */
  get isExhausted(): boolean {
    return (
      this.open === 0 && this.#unread === 0 && readersOf(this.contact).every((each) => each.isFull)
    )
  }

  /** Addresses ahead in all streams that are to be asked for. */
  heads(): readonly HeadAddress[] {
    return readersOf(this.contact).flatMap((reader) => reader.heads(this.#endsOf(reader)))
  }

  /** Of a span what was not asked for yet. */
  *left({ address, first, last }: ProbeSpan): Generator<ProbeTarget> {
    const asked = this.#asked.get(toHex(address))
    for (let day = first; day <= last; day++) if (asked?.has(day) !== true) yield { address, day }
  }

  begin({ address, day }: ProbeTarget): void {
    const key = toHex(address)
    const asked = this.#asked.get(key)
    if (asked === undefined) this.#asked.set(key, new Set([day]))
    else asked.add(day)
    this.open++
  }

  /** A look-up that got its answer. `isNews`: a box that nobody else had brought; it may show where to ask next. */
  end(isNews: boolean): void {
    this.open--
    if (isNews) this.#unread = TURNS_TO_READ
  }

  /** Nobody could be asked: it stays to be done. */
  postpone({ address, day }: ProbeTarget, notBefore: number): void {
    this.open--
    this.#asked.get(toHex(address))?.delete(day)
    this.notBefore = notBefore
  }

  /** A turn is over, in which everything was read that was found before it. */
  settled(): void {
    if (this.#unread === 0) return
    this.#unread--
    if (this.#unread === 0) this.#ends.clear()
  }

  /** Epochs and streams that were opened since have their own beginning. */
  #endsOf(reader: StreamReader): ReadonlyMap<string, number> {
    const ends = this.#ends.get(reader) ?? new Map<string, number>()
    this.#ends.set(reader, ends)
    for (const [tag, next] of reader.nexts()) {
      if (!ends.has(tag)) ends.set(tag, next + 1 + PROBE_AHEAD)
    }
    return ends
  }
}

/** All streams that this contact may write to. */
export function readersOf(contact: Contact): StreamReader[] {
  return [...streamsOf(contact), ...contact.claims.values()]
}
