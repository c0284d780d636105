import { HearsayError, isHearsayError } from '../base/index.ts'
import { JOB_TRIES_MAX, JOB_WAIT_MS } from './constants.ts'
import { type Contact, hasEnded } from './contact.ts'
import { contactEvent } from './events.ts'
import type { Exchange } from './exchange.ts'
import type { Ledger } from './ledger.ts'
import type { Lifecycle } from './lifecycle.ts'
import { meetingOf } from './meeting.ts'
import type { ConversationPorts } from './ports.ts'
import type { StreamReader } from './reader.ts'
import { needsJob, type RecordBody, tryDecodeRecord } from './records.ts'
import type { Recoveries } from './recoveries.ts'
import type { Renewal } from './renewal.ts'
import type { WaitClock } from './wait-clock.ts'

export interface JobQueuePorts extends Pick<ConversationPorts, 'store' | 'log'> {
  readonly waits: WaitClock
  readonly ledger: Ledger
  readonly lifecycle: Lifecycle
  readonly exchange: Exchange
  readonly recoveries: Recoveries
  readonly renewal: Renewal
  /** Applies the records behind a job. */
  readonly pump: (contact: Contact) => Promise<void>
}

interface Job {
  /** The candidate whose claim this is. */
  readonly claimer?: string
  /** The record that is the reason. */
  readonly seq?: number
  /** That record leads to the keys of the next epoch: without it the stream cannot be read on. */
  readonly isKey?: boolean
  readonly run: () => Promise<void>
}

/**
 * Public-key work that records and time ask for: one job of a contact at a time, in the order of its records.
 * What the other side caused is answered to the other side alone; a job that was lost is tried again.
 */
export class JobQueue {
  readonly #ports: JobQueuePorts

  constructor(ports: JobQueuePorts) {
    this.#ports = ports
  }

  /** Runs all jobs that are due, one contact after another. */
  async run(signal: AbortSignal): Promise<void> {
    for (const contact of this.#ports.ledger.contacts.values()) {
      while (!signal.aborted && (await this.#runNext(contact)));
    }
  }

  /** One job of a contact; true when there may be more. */
  async #runNext(contact: Contact): Promise<boolean> {
    const { waits } = this.#ports
    if (contact.busy || hasEnded(contact) || waits.now() < contact.jobsAfter) return false
    const job = this.#next(contact)
    if (job === undefined) return false
    contact.busy = true
    try {
      await job.run()
      contact.jobsLost = 0
    } catch (error) {
      if (!this.#isRefusal(contact, job, error)) return false
      await this.#refuse(contact, job)
    } finally {
      contact.busy = false
    }
    if (hasEnded(contact)) return false
    await this.#ports.pump(contact)
    return true
  }

  /**
   * What a record caused is its writer's fault when it was refused, or when it kills the worker time after time.
   * Everything else is tried again, later and later. @throws what is no fault of a job.
   */
  #isRefusal(contact: Contact, job: Job, error: unknown): boolean {
    const { waits, log } = this.#ports
    if (!isHearsayError(error) || error.fault === 'storage') throw error
    const isTheirs = job.seq !== undefined || job.claimer !== undefined
    if (isTheirs && error.code === 'mls-rejected') return true
    log.warn('a conversation job was lost', { code: error.code })
    contact.jobsLost++
    contact.jobsAfter = waits.now() + JOB_WAIT_MS * 2 ** Math.min(contact.jobsLost, JOB_TRIES_MAX)
    return isTheirs && error.fault !== 'busy' && contact.jobsLost >= JOB_TRIES_MAX
  }

  async #refuse(contact: Contact, job: Job): Promise<void> {
    const { store, exchange, lifecycle, recoveries, ledger } = this.#ports
    contact.jobsLost = 0
    contact.jobsAfter = 0
    if (hasEnded(contact)) return
    if (job.claimer !== undefined) {
      // A bad claim costs its maker the claim, not the inviter the invitation.
      exchange.dropClaim(contact, job.claimer)
      return
    }
    const batch = store.batch()
    if (contact.card.phase === 'recovering') recoveries.refused(batch, contact, job.seq)
    else if (contact.card.phase !== 'ready') {
      lifecycle.fail(batch, contact, 'refused by the key exchange')
    } else if (job.isKey !== true || !recoveries.tryBegin(batch, contact)) {
      if (job.seq !== undefined) contact.reader?.applied(job.seq)
      ledger.saveReader(batch, contact)
      contactEvent(batch, contact, 'contact.refused')
    }
    await batch.commit()
  }

  #next(contact: Contact): Job | undefined {
    const { exchange, renewal } = this.#ports
    const { card, keys } = contact
    const isNew = card.phase === 'waiting' || card.phase === 'recovering'
    const hasClaimed = keys.keyPackages.length > 0 || keys.ownGroup !== undefined
    if (isNew && !hasClaimed && meetingOf(contact)?.side === 'claimer') {
      return { run: () => exchange.introduce(contact) }
    }
    return (
      this.#nextClaim(contact) ??
      this.#nextRecord(contact) ??
      (renewal.isDue(contact) ? { run: () => renewal.refresh(contact) } : undefined)
    )
  }

  #nextClaim(contact: Contact): Job | undefined {
    const { exchange } = this.#ports
    for (const [claimer, reader] of contact.claims) {
      const record = reader.next()
      if (record === undefined) continue
      const body = tryDecodeRecord(record.bytes)
      if (body?.kind === 'claim') {
        return { claimer, run: () => exchange.onClaim(contact, claimer, body) }
      }
      exchange.dropClaim(contact, claimer)
    }
    return undefined
  }

  #nextRecord(contact: Contact): Job | undefined {
    const record = contact.reader && jobRecord(contact.reader)
    if (record === undefined) return undefined
    const { seq, body } = record
    const isKey = body.kind === 'commit' || body.kind === 'welcome'
    return { seq, isKey, run: () => this.#runRecord(contact, seq, body) }
  }

  async #runRecord(contact: Contact, seq: number, body: RecordBody): Promise<void> {
    const { exchange, renewal } = this.#ports
    switch (body.kind) {
      case 'offer':
        return exchange.onOffer(contact, seq, body)
      case 'finish':
        return exchange.onFinish(contact, seq, body)
      case 'commit':
      case 'welcome':
        return renewal.follow(contact, seq, body)
      default:
        throw new HearsayError('mls-rejected', 'a record that is not due', { reason: 'unexpected' })
    }
  }
}

/** The next record of a stream if it takes a job. */
function jobRecord(reader: StreamReader): { seq: number; body: RecordBody } | undefined {
  const record = reader.next()
  const body = record && tryDecodeRecord(record.bytes)
  return record && body && needsJob(body) ? { seq: record.seq, body } : undefined
}
