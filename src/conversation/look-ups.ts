import {
  type Address,
  type BoxBytes,
  type Clock,
  dayOf,
  HOUR_MS,
  type Rng,
  toHex,
  uniform,
} from '../base/index.ts'
import { Audits, type AuditTally } from './audits.ts'
import { CATCH_UP_MS, GAP_LOOK_UPS_PER_HOUR, GAP_ROUNDS_MAX } from './constants.ts'
import { type Contact, hasEnded } from './contact.ts'
import type { Ledger } from './ledger.ts'
import type { Places } from './places.ts'
import type { ConversationOptions } from './ports.ts'
import { type ProbeSpan, type ProbeTarget, Probing, readersOf } from './probing.ts'
import type { WatchedAddress } from './reader.ts'
import type { ResetPlaces } from './reset-places.ts'
import type { WaitClock } from './wait-clock.ts'

export type LookUpResult =
  | { readonly status: 'found'; readonly boxes: readonly BoxBytes[] }
  | { readonly status: 'not-found' }
  | { readonly status: 'unreachable' }

/** One look-up at the keepers, taken by a fetch slot. `done` is called once. */
export interface LookUp {
  readonly address: Address
  /** UTC day of publishing. */
  readonly day: number
  /** An own box: its keepers are asked even though it is here. */
  readonly isAudit: boolean
  done(result: LookUpResult): void
}

export interface LookUpPorts {
  readonly clock: Clock
  readonly waits: WaitClock
  readonly rng: Rng
  readonly ledger: Ledger
  readonly places: Places
  readonly resets: ResetPlaces
  /** Boxes from the keepers of one address, to be treated like any that were heard. True: one was news. */
  readonly onBoxes: (boxes: readonly BoxBytes[]) => boolean
  /** Boxes of this contact may have expired everywhere before anybody asked for them. */
  readonly onLongAway: (contact: Contact) => void
  /** The keepers have the box in which these messages end. */
  readonly onStored: (messages: readonly number[]) => void
}

interface GapTries {
  /** Every day was asked for once. */
  hadRound: boolean
  count: number
  nextAt: number
}

const BACKOFF = 3

/**
 * Decides what to ask the keepers for: holes in streams, what may have been written while this node was away,
 * and own boxes as audits. Only decides; the slots decide when.
 */
export class LookUps {
  readonly #ports: LookUpPorts
  readonly #options: ConversationOptions
  readonly #audits: Audits
  readonly #probing = new Map<Contact, Probing>()
  readonly #gaps = new Map<string, GapTries>()
  readonly #budgets = new WeakMap<Contact, { left: number; until: number }>()
  #nextCatchUp = 0
  #turn = 0
  /** Look-ups of the running catch-up that are over, of contacts that are done too. */
  #answered = 0

  constructor(ports: LookUpPorts, options: ConversationOptions) {
    this.#ports = ports
    this.#options = options
    this.#audits = new Audits(ports, options)
  }

  /**
   * Asks for everything that may have come while this node was away, contact by contact. What is not done of the
   * catch-up before goes on: with many contacts one takes longer than a day.
   */
  catchUp(): void {
    const { waits, rng, ledger } = this.#ports
    this.#nextCatchUp = waits.now() + CATCH_UP_MS * (0.5 + uniform(rng) / 2)
    if (this.#probing.size === 0) this.#answered = 0
    for (const contact of ledger.contacts.values()) {
      if (hasEnded(contact)) continue
      const before = this.#probing.get(contact)
      if (before === undefined) this.probe(contact)
      else before.again(this.#today)
    }
  }

  /** Asks for what this contact may have written that is missing here. */
  probe(contact: Contact): void {
    this.#probing.set(contact, new Probing(contact, this.#today))
  }

  get #today(): number {
    return dayOf(this.#ports.clock.now())
  }

  /** A turn is over: what was found before it has been read. */
  settled(): void {
    for (const probing of this.#probing.values()) probing.settled()
  }

  /** Contacts that are still to be caught up with. */
  get pending(): number {
    return this.#probing.size
  }

  /** An own box left; later its keepers are asked whether they have it. */
  audit(address: Address, day: number, messages: readonly number[]): void {
    this.#audits.add(address, day, messages)
  }

  /** What became of the last audits. */
  get audited(): AuditTally {
    return this.#audits.tally
  }

  /** The next look-up, or undefined when nothing is due. */
  next(): LookUp | undefined {
    // Who missed more boxes in a row than its window is wide would hear none again, and not know it.
    if (this.#ports.waits.now() >= this.#nextCatchUp) this.catchUp()
    // By turns: one contact that skips numbers must not keep the node from catching up with all others.
    const kinds = [() => this.#gapJob(), () => this.#probeJob(), () => this.#auditJob()]
    this.#turn = (this.#turn + 1) % kinds.length
    for (let i = 0; i < kinds.length; i++) {
      const job = kinds[(this.#turn + i) % kinds.length]?.()
      if (job !== undefined) return job
    }
    return undefined
  }

  #gapJob(): LookUp | undefined {
    const now = this.#ports.waits.now()
    const seen = new Set<string>()
    for (const contact of this.#ports.ledger.contacts.values()) {
      if (hasEnded(contact)) continue
      const hasBudget = this.#budgetOf(contact).left > 0
      for (const { address } of this.#gapsOf(contact)) {
        const key = toHex(address)
        seen.add(key)
        const patience = this.#options.ackRoundTripMs / 4
        const tries = this.#gaps.get(key) ?? { hadRound: false, count: 0, nextAt: now + patience }
        this.#gaps.set(key, tries)
        if (!hasBudget) continue
        const day = tries.nextAt <= now ? this.#gapDay(contact, tries, now) : undefined
        if (day === undefined) continue
        this.#budgetOf(contact).left--
        return this.#job(address, day, () => {})
      }
    }
    for (const key of this.#gaps.keys()) if (!seen.has(key)) this.#gaps.delete(key)
    return undefined
  }

  /**
   * A contact that skips numbers on purpose makes this node ask for boxes that do not exist, and a keeper that works
   * with it sees each question: so only so many an hour.
   */
  #budgetOf(contact: Contact): { left: number; until: number } {
    const now = this.#ports.waits.now()
    let budget = this.#budgets.get(contact)
    if (budget === undefined || budget.until <= now) {
      budget = { left: GAP_LOOK_UPS_PER_HOUR, until: now + HOUR_MS }
      this.#budgets.set(contact, budget)
    }
    return budget
  }

  /** Day after day back to the last absence, at least one; then again after a growing wait. */
  #gapDay(contact: Contact, tries: GapTries, now: number): number | undefined {
    const { heardDay, missingSince } = contact.card
    const latest = Math.min(heardDay, this.#today)
    const since = Math.min(missingSince, latest - 1)
    const days = Math.min(latest - since, this.#options.ttlDays) + 1
    const round = Math.floor(tries.count / days)
    if (round >= GAP_ROUNDS_MAX) return undefined
    const day = latest - (tries.count % days)
    tries.count++
    if (tries.count % days === 0) {
      tries.hadRound = true
      tries.nextAt = now + this.#options.ackRoundTripMs * BACKOFF ** round
    }
    return day
  }

  #gapsOf(contact: Contact): readonly WatchedAddress[] {
    return readersOf(contact).flatMap((reader) => reader.gaps())
  }

  /** One contact after another, so that a long absence of one does not hold up the rest. */
  #probeJob(): LookUp | undefined {
    const now = this.#ports.waits.now()
    for (const probing of this.#probing.values()) {
      const { contact } = probing
      if (!hasEnded(contact) && probing.notBefore > now) continue
      const target = hasEnded(contact) ? undefined : this.#nextProbe(probing)
      if (target !== undefined) {
        this.#probing.delete(contact)
        this.#probing.set(contact, probing)
        return this.#probeAt(probing, target)
      }
      const isOver = probing.isExhausted && this.#ports.resets.isFull(contact)
      if (!hasEnded(contact)) {
        if (!isOver) continue
        this.#caughtUp(probing)
      }
      this.#probing.delete(contact)
    }
    return undefined
  }

  /**
   * Nothing is left to ask for: a day that two catch-ups have asked for need not be asked for again. Not while a gap is new:
   * it may be of any day since. A contact of whom boxes may have expired before anybody asked is told what is here, until it
   * is heard: of a stream whose keys have expired nothing would be, and it is for its writer to make new ones.
   */
  #caughtUp({ contact, begunOn }: Probing): void {
    const { card } = contact
    const { ttlDays } = this.#options
    const isNew = ({ address }: WatchedAddress) => this.#gaps.get(toHex(address))?.hadRound !== true
    if (this.#gapsOf(contact).some(isNew)) return
    if (card.missingSince < begunOn - ttlDays) card.awayDay = begunOn
    else if (card.awayDay < begunOn - ttlDays) card.awayDay = 0
    if (card.awayDay > 0) this.#ports.onLongAway(contact)
    card.missingSince = card.missingNext > begunOn ? begunOn : card.missingNext
    card.missingNext = begunOn
    contact.isCardUnsaved = true
  }

  #probeAt(probing: Probing, target: ProbeTarget): LookUp {
    const { address, day } = target
    probing.begin(target)
    return this.#job(address, day, ({ status }, isNews) => {
      if (status === 'unreachable') {
        probing.postpone(target, this.#ports.waits.now() + this.#options.ackRoundTripMs)
        return
      }
      this.#answered++
      probing.end(isNews)
    })
  }

  /** False when `progress` says that all are over, at less cost. */
  get isCatchingUp(): boolean {
    for (const probing of this.#probing.values()) {
      if (hasEnded(probing.contact)) continue
      if (probing.open > 0 || this.#nextProbe(probing) !== undefined) return true
    }
    return false
  }

  /** Look-ups of the last catch-up: how many are over, of how many that are known to be due. */
  get progress(): { readonly done: number; readonly total: number } {
    let left = 0
    for (const probing of this.#probing.values()) {
      if (hasEnded(probing.contact)) continue
      left += probing.open
      for (const _ of this.#probesLeft(probing)) left++
    }
    return { done: this.#answered, total: this.#answered + left }
  }

  #nextProbe(probing: Probing): ProbeTarget | undefined {
    for (const target of this.#probesLeft(probing)) return target
    return undefined
  }

  /** Addresses and days, of those where the next boxes can be, that were not asked for yet. */
  *#probesLeft(probing: Probing): Generator<ProbeTarget> {
    for (const span of this.#spans(probing)) yield* probing.left(span)
  }

  *#spans(probing: Probing): Generator<ProbeSpan> {
    const { places, resets } = this.#ports
    const { contact } = probing
    const { role, createdAt, missingSince } = contact.card
    const today = this.#today
    const oldest = today - this.#options.ttlDays
    // A day that has not come yet was named by a clock that was ahead, and says nothing.
    const since = (day: number) => ({
      first: day > today ? oldest : Math.max(day, oldest),
      last: today,
    })
    // A verdict may be older than our claim.
    const placesSince = since(role === 'inviter' ? dayOf(createdAt) : oldest)
    for (const address of places.addresses(contact)) yield { address, ...placesSince }
    for (const { address, notBefore } of probing.heads()) {
      yield { address, ...since(Math.max(missingSince, Math.min(notBefore, today))) }
    }
    const resetsSince = Math.max(oldest, Math.min(missingSince, today - 1))
    for (const { address, day } of resets.addresses(contact)) {
      if (day >= resetsSince && day <= today) yield { address, first: day, last: day }
    }
  }

  #auditJob(): LookUp | undefined {
    const audit = this.#audits.take()
    if (audit === undefined) return undefined
    const then = (result: LookUpResult): void => {
      if (result.status === 'found') {
        this.#audits.found()
        this.#ports.onStored(audit.messages)
      } else {
        this.#audits.again(audit, { isSure: result.status === 'not-found' })
      }
    }
    return this.#job(audit.address, audit.day, then, true)
  }

  #job(
    address: Address,
    day: number,
    then: (result: LookUpResult, isNews: boolean) => void,
    isAudit = false,
  ): LookUp {
    return {
      address,
      day,
      isAudit,
      done: (result) => {
        const isNews = result.status === 'found' && this.#ports.onBoxes(result.boxes)
        then(result, isNews)
      },
    }
  }
}
