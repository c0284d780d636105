import type { Address } from '../base/index.ts'
import { AUDIT_SAMPLES, AUDIT_TRIES_MAX, AUDITS_MAX } from './constants.ts'
import type { WaitClock } from './wait-clock.ts'

interface Audit {
  readonly address: Address
  readonly day: number
  /** Messages whose last byte is in that box. */
  readonly messages: readonly number[]
  readonly at: number
  readonly tries: number
}

/** What became of the last audits: of so many boxes that their keepers were asked for, nobody had some. */
export interface AuditTally {
  readonly of: number
  readonly lost: number
}

/** Own boxes whose keepers are still to be asked; the oldest are dropped first, they only confirm storage. */
export class Audits {
  readonly #waits: WaitClock
  readonly #options: { readonly ackRoundTripMs: number }
  #waiting: Audit[] = []
  /** Whether a box was found, of the last AUDIT_SAMPLES whose audit is over. */
  readonly #outcomes: boolean[] = []

  constructor(ports: { waits: WaitClock }, options: { readonly ackRoundTripMs: number }) {
    this.#waits = ports.waits
    this.#options = options
  }

  add(address: Address, day: number, messages: readonly number[]): void {
    if (messages.length === 0) return
    this.#push({
      address,
      day,
      messages,
      at: this.#waits.now() + this.#options.ackRoundTripMs,
      tries: 0,
    })
  }

  #push(audit: Audit): void {
    this.#waiting.push(audit)
    if (this.#waiting.length > AUDITS_MAX) this.#waiting.shift()
  }

  /** The next one that is due, taken out. */
  take(): Audit | undefined {
    const now = this.#waits.now()
    const at = this.#waiting.findIndex((audit) => audit.at <= now)
    return at < 0 ? undefined : this.#waiting.splice(at, 1)[0]
  }

  /** A keeper has it. */
  found(): void {
    this.#over(true)
  }

  /** It was not found: asked again later, a few times. `isSure`: enough keepers answered to say so. */
  again(audit: Audit, { isSure }: { readonly isSure: boolean }): void {
    const tries = audit.tries + 1
    if (tries >= AUDIT_TRIES_MAX) {
      if (isSure) this.#over(false)
      return
    }
    this.#push({
      ...audit,
      tries,
      at: this.#waits.now() + this.#options.ackRoundTripMs * (tries + 1),
    })
  }

  get tally(): AuditTally {
    const lost = this.#outcomes.filter((found) => !found).length
    return { of: this.#outcomes.length, lost }
  }

  #over(found: boolean): void {
    this.#outcomes.push(found)
    if (this.#outcomes.length > AUDIT_SAMPLES) this.#outcomes.shift()
  }
}
