import { type Address, type BoxBytes, type Clock, toHex } from '../base/index.ts'
import { AUDITS_MAX, PROBE_AHEAD } from './constants.ts'
import type { Contact } from './contact.ts'
import type { Ledger } from './ledger.ts'
import { type ConversationOptions, dayOf } from './ports.ts'
import type { WatchedAddress } from './reader.ts'

export type RepairResult =
  | { readonly status: 'found'; readonly boxes: readonly BoxBytes[] }
  | { readonly status: 'not-found' }
  | { readonly status: 'unreachable' }

/** One look-up at the keepers, taken by a fetch slot. */
export interface RepairJob {
  readonly address: Address
  readonly day: number
  done(result: RepairResult): void
}

export interface RepairPorts {
  readonly clock: Clock
  readonly ledger: Ledger
  /** A box from a keeper, to be treated like any that was heard. */
  readonly onBox: (box: BoxBytes) => void
  /** The keepers have a box with these messages. */
  readonly onStored: (messages: readonly number[]) => void
}

interface Probe {
  readonly contact: Contact
  readonly entry: WatchedAddress
  readonly day: number
}

interface Audit {
  readonly address: Address
  readonly day: number
  readonly messages: readonly number[]
  readonly at: number
  tries: number
}

interface Wait {
  tries: number
  nextAt: number
}

const GAP_TRIES_MAX = 6
const AUDIT_TRIES_MAX = 3
const BACKOFF = 3

/**
 * Decides what to ask the keepers for: holes in streams, what may have been written while this node was away,
 * and own boxes as audits. Only decides; the slots decide when.
 */
export class Repair {
  readonly #ports: RepairPorts
  readonly #options: ConversationOptions
  readonly #probes: Probe[] = []
  readonly #audits: Audit[] = []
  readonly #waits = new Map<string, Wait>()
  readonly #asked = new Set<string>()

  constructor(ports: RepairPorts, options: ConversationOptions) {
    this.#ports = ports
    this.#options = options
  }

  /** Asks for everything that may have come while this node was away, stream by stream. */
  catchUp(): void {
    this.#probes.length = 0
    for (const contact of this.#ports.ledger.contacts.values()) {
      if (contact.card.phase !== 'failed') this.#probe(contact, contact.card.heardDay)
    }
  }

  /** Look-ups that are still to be done to be up to date. */
  get pending(): number {
    return this.#probes.length
  }

  #probe(contact: Contact, fromDay: number): void {
    const today = dayOf(this.#ports.clock.now())
    const first = Math.max(fromDay, today - this.#options.ttlDays)
    const readers = [contact.reader, ...contact.claims.values()]
    for (const reader of readers) {
      for (const entry of reader?.heads(1 + PROBE_AHEAD) ?? []) {
        for (let day = first; day <= today; day++) this.#probes.push({ contact, entry, day })
      }
    }
  }

  /** An own box left; later its keepers are asked whether they have it. */
  audit(address: Address, day: number, messages: readonly number[]): void {
    if (messages.length === 0) return
    const at = this.#ports.clock.now() + this.#options.ackRoundTripMs
    this.#audits.push({ address, day, messages, at, tries: 0 })
    if (this.#audits.length > AUDITS_MAX) this.#audits.shift()
  }

  /** The next look-up, or undefined when nothing is due. */
  next(): RepairJob | undefined {
    return this.#gapJob() ?? this.#probeJob() ?? this.#auditJob()
  }

  #gapJob(): RepairJob | undefined {
    const now = this.#ports.clock.now()
    const day = dayOf(now)
    for (const contact of this.#ports.ledger.contacts.values()) {
      if (contact.unconfirmed.size > 0 || contact.card.phase === 'failed') continue
      for (const entry of contact.reader?.gaps() ?? []) {
        const key = toHex(entry.address)
        const wait = this.#waits.get(key) ?? { tries: 0, nextAt: now + this.#options.ackRoundTripMs / 4 }
        this.#waits.set(key, wait)
        if (wait.tries >= GAP_TRIES_MAX || wait.nextAt > now || this.#asked.has(key)) continue
        wait.nextAt = now + this.#options.ackRoundTripMs * BACKOFF ** wait.tries
        // A box may have been written before midnight and be missed after it.
        const askedDay = wait.tries % 2 === 0 ? day : Math.max(contact.card.heardDay, day - 1)
        wait.tries++
        return this.#job(entry.address, askedDay, () => {})
      }
    }
    if (this.#waits.size > 4096) this.#waits.clear()
    return undefined
  }

  #probeJob(): RepairJob | undefined {
    const probe = this.#probes.shift()
    if (probe === undefined) return undefined
    const { contact, entry, day } = probe
    return this.#job(entry.address, day, (result) => {
      if (result.status === 'found') this.#probe(contact, day)
      // Nobody could be asked: it stays to be done.
      if (result.status === 'unreachable' && this.#ports.ledger.contacts.has(contact.key)) {
        if (this.#probes.length < 4096) this.#probes.push(probe)
      }
    })
  }

  #auditJob(): RepairJob | undefined {
    const now = this.#ports.clock.now()
    const at = this.#audits.findIndex((a) => a.at + a.tries * this.#options.ackRoundTripMs <= now)
    const audit = this.#audits[at]
    if (audit === undefined) return undefined
    this.#audits.splice(at, 1)
    return this.#job(audit.address, audit.day, (result) => {
      if (result.status === 'found') this.#ports.onStored(audit.messages)
      else if (++audit.tries < AUDIT_TRIES_MAX) this.#audits.push(audit)
    })
  }

  #job(address: Address, day: number, then: (result: RepairResult) => void): RepairJob {
    const key = toHex(address)
    this.#asked.add(key)
    return {
      address,
      day,
      done: (result) => {
        this.#asked.delete(key)
        if (result.status === 'found') for (const box of result.boxes) this.#ports.onBox(box)
        then(result)
      },
    }
  }
}
