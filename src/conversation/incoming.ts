import { type BoxBytes, isHearsayError, toBase64Url, u64be, uniform } from '../base/index.ts'
import { hash, LABELS } from '../crypto/index.ts'
import type { Batch } from '../store/index.ts'
import { openBox, openSaltedBox } from '../stream/index.ts'
import { MESSAGE_ID_BYTES, REFRESH_AGE_MS, REFRESH_BOXES } from './constants.ts'
import type { Contact } from './contact.ts'
import { type Exchange, isRefusal } from './exchange.ts'
import type { History } from './history.ts'
import type { Ledger } from './ledger.ts'
import type { Outgoing } from './outgoing.ts'
import type { ConversationOptions, ConversationPorts } from './ports.ts'
import type { InRecord, StreamReader } from './reader.ts'
import { decodeRecord, encodeRecord, type RecordBody } from './records.ts'
import type { Watch, WatchRef } from './watch.ts'

export interface IncomingPorts extends Pick<
  ConversationPorts,
  'clock' | 'rng' | 'store' | 'jobs' | 'log'
> {
  readonly ledger: Ledger
  readonly history: History
  readonly outgoing: Outgoing
  readonly exchange: Exchange
  readonly watch: Watch
}

export interface Heard {
  readonly ref: WatchRef
  readonly box: BoxBytes
  /** UTC day of publishing. */
  readonly day: number
}

/** A gap is given up this many round trips after the records behind it came. */
const GAP_WAIT_ROUND_TRIPS = 40

/**
 * What arrives: recognised boxes become records, records take effect in order, and everything of one slot that
 * needs no public-key work lands in one batch. Key exchanges and commits run as jobs, one after another.
 */
export class Incoming {
  readonly #ports: IncomingPorts
  readonly #options: ConversationOptions

  constructor(ports: IncomingPorts, options: ConversationOptions) {
    this.#ports = ports
    this.#options = options
  }

  /** Takes the boxes of one slot. Resolves when their effects are on disk. */
  async take(heard: readonly Heard[]): Promise<void> {
    const { store, ledger } = this.#ports
    const batch = store.batch()
    const touched = new Set<Contact>()
    for (const item of heard) {
      if (this.#accept(batch, item)) touched.add(item.ref.contact)
    }
    for (const contact of touched) {
      this.#pump(batch, contact)
      if (contact.card.phase !== 'failed') ledger.saveReader(batch, contact)
      ledger.saveCard(batch, contact)
    }
    if (touched.size > 0) await batch.commit()
  }

  /** Opens one box. A box that does not open is a hole like any other; nobody learns that it did not. */
  #accept(batch: Batch, { ref, box, day }: Heard): boolean {
    const { exchange, watch, clock } = this.#ports
    const { contact } = ref
    if (contact.card.phase === 'failed') return false
    try {
      if (ref.kind === 'claim') {
        const keys = exchange.claimKeys(contact, ref.index)
        if (keys === undefined) return false
        exchange.announced(batch, contact, openSaltedBox(this.#options.networkId, keys, box))
        return true
      }
      if (ref.kind === 'verdict') {
        const keys = exchange.verdictKeys(contact)
        if (keys === undefined) return false
        exchange.judged(batch, contact, openBox(this.#options.networkId, keys, box))
        return true
      }
      const reader =
        ref.kind === 'stream' ? contact.reader : contact.claims.get(ref.claimer)
      if (reader === undefined) return false
      const { watched, unwatched, unsequenced } = reader.accept(ref.tag, ref.index, box)
      watch.removeEntries(unwatched)
      if (ref.kind === 'stream') watch.addStream(contact, watched)
      else watch.addCandidate(contact, ref.claimer, watched)
      contact.card.lastHeardAt = clock.now()
      contact.card.heardDay = Math.max(contact.card.heardDay, day)
      if (contact.card.phase !== 'ready') this.#progress(batch, contact)
      for (const bytes of unsequenced) this.#unsequenced(batch, contact, bytes)
      return true
    } catch (error) {
      if (isHearsayError(error) && error.fault !== 'storage' && error.fault !== 'bug') {
        this.#ports.log.debug('a box did not open', { code: error.code })
        return false
      }
      throw error
    }
  }

  #progress(batch: Batch, contact: Contact): void {
    contact.card.boxesDone++
    this.#ports.exchange.event(batch, contact, `contact.${contact.card.phase}`)
  }

  #unsequenced(batch: Batch, contact: Contact, bytes: Uint8Array): void {
    const record = decodeRecord(bytes)
    if (record.kind !== 'ack') return
    this.#ports.outgoing.acknowledge(batch, contact, record.upTo, record.missing)
  }

  /** Applies records in order until one needs a job. */
  #pump(batch: Batch, contact: Contact): void {
    const reader = contact.reader
    while (reader !== undefined && !contact.busy && contact.card.phase !== 'failed') {
      const record = reader.next()
      if (record === undefined) return
      const body = this.#decode(record)
      if (body !== undefined && needsJob(body)) return
      if (body !== undefined) this.#apply(batch, contact, record.seq, body)
      reader.applied(record.seq)
      this.#oweAck(contact)
    }
  }

  #decode(record: InRecord): RecordBody | undefined {
    try {
      return decodeRecord(record.bytes)
    } catch (error) {
      if (!isHearsayError(error)) throw error
      this.#ports.log.debug('a record was refused', { code: error.code })
      return undefined
    }
  }

  #oweAck(contact: Contact): void {
    if (contact.ackDueAt !== undefined) return
    const { clock, rng } = this.#ports
    const { ackSettleMs, ackJitterMs } = this.#options
    contact.ackDueAt = clock.now() + ackSettleMs + uniform(rng) * ackJitterMs
    contact.ackDueAt = Math.round(contact.ackDueAt)
  }

  #apply(batch: Batch, contact: Contact, seq: number, body: RecordBody): void {
    const { exchange, watch } = this.#ports
    try {
      switch (body.kind) {
        case 'text':
          if (contact.card.phase === 'ready') this.#receive(batch, contact, seq, body)
          return
        case 'confirm':
          exchange.onConfirm(batch, contact, body)
          return
        case 'keyPackage':
          contact.keys.theirKeyPackage = body.keyPackage
          this.#ports.ledger.saveKeys(batch, contact)
          return
        case 'switch': {
          const latest = contact.reader?.latestTag
          if (latest !== undefined) watch.removeEntries(contact.reader?.closeBefore(latest) ?? [])
          return
        }
        default:
          return
      }
    } catch (error) {
      if (!isRefusal(error)) throw error
      exchange.fail(batch, contact, 'refused by the key exchange')
    }
  }

  #receive(
    batch: Batch,
    contact: Contact,
    seq: number,
    body: Extract<RecordBody, { kind: 'text' }>,
  ): void {
    const { clock, history } = this.#ports
    const now = clock.now()
    // Bound to contact and position: a contact cannot choose the id of a message that exists already.
    const digest = hash(LABELS.messageRef, contact.id, u64be(seq), body.messageId)
    const id = digest.slice(0, MESSAGE_ID_BYTES)
    history.add(batch, {
      number: history.allocate(),
      id,
      contactId: contact.id,
      direction: 'in',
      text: body.text,
      sentAt: body.sentAt,
      receivedAt: now,
      read: false,
      state: 'received',
      history: [{ state: 'received', at: now }],
    })
    batch.append({
      type: 'message.received',
      data: {
        messageId: toBase64Url(id),
        contactId: toBase64Url(contact.id),
        alias: contact.card.alias,
        body: { text: body.text },
        sentAt: new Date(Math.min(body.sentAt, 8.64e15)).toISOString(),
      },
    })
  }

  /** Time passes: expiry, gaps that are given up, invitations that end. */
  async tick(): Promise<void> {
    const { clock, store, ledger, exchange, outgoing } = this.#ports
    const now = clock.now()
    const wait = GAP_WAIT_ROUND_TRIPS * this.#options.ackRoundTripMs
    const batch = store.batch()
    let any = false
    for (const contact of [...ledger.contacts.values()]) {
      if (contact.card.phase === 'failed') continue
      const ended = exchange.expire(batch, contact)
      const expired = contact.writer !== undefined && outgoing.expire(batch, contact)
      const holes = contact.busy ? [] : (contact.reader?.giveUpGap(now, wait) ?? [])
      if (holes.length > 0) {
        exchange.event(batch, contact, 'message.gap', { missing: String(holes.length) })
        this.#pump(batch, contact)
        ledger.saveReader(batch, contact)
      }
      any ||= ended || expired || holes.length > 0
    }
    if (any) await batch.commit()
  }

  /** Public-key work that is due, one contact after another. */
  async runJobs(signal: AbortSignal): Promise<void> {
    for (const contact of [...this.#ports.ledger.contacts.values()]) {
      while (!signal.aborted && (await this.#runJob(contact)));
    }
  }

  /** One job of a contact; true when there may be more. */
  async #runJob(contact: Contact): Promise<boolean> {
    if (contact.busy || contact.card.phase === 'failed') return false
    const job = this.#nextJob(contact)
    if (job === undefined) return false
    contact.busy = true
    try {
      await job.run()
    } catch (error) {
      if (!isRefusal(error)) throw error
      await this.#refused(contact, job)
    } finally {
      contact.busy = false
    }
    await this.take([])
    return this.#continue(contact)
  }

  /** After a job: the records behind it. */
  async #continue(contact: Contact): Promise<boolean> {
    const { store, ledger } = this.#ports
    if (contact.reader?.next() === undefined) return true
    const batch = store.batch()
    this.#pump(batch, contact)
    if (!ledger.contacts.has(contact.key)) return false
    if (contact.card.phase !== 'failed') ledger.saveReader(batch, contact)
    ledger.saveCard(batch, contact)
    await batch.commit()
    return true
  }

  async #refused(contact: Contact, job: Job): Promise<void> {
    const { store, exchange, ledger, watch } = this.#ports
    const batch = store.batch()
    if (job.claimer !== undefined) {
      // A bad claim costs its maker the claim, not the inviter the invitation.
      watch.removeEntries(contact.claims.get(job.claimer)?.watched() ?? [])
      contact.claims.delete(job.claimer)
      ledger.saveReader(batch, contact)
    } else if (contact.card.phase === 'ready') {
      if (job.seq !== undefined) contact.reader?.applied(job.seq)
      exchange.event(batch, contact, 'contact.refused')
      ledger.saveReader(batch, contact)
    } else {
      exchange.fail(batch, contact, 'refused by the key exchange')
    }
    await batch.commit()
  }

  #nextJob(contact: Contact): Job | undefined {
    const { exchange } = this.#ports
    const { card, keys, writer } = contact
    if (card.role === 'claimer' && card.phase === 'waiting' && keys.keyPackage === undefined) {
      return { run: () => exchange.introduce(contact) }
    }
    for (const [claimer, reader] of contact.claims) {
      const record = this.#jobRecord(reader)
      if (record?.body.kind === 'claim') {
        const { body } = record
        return { claimer, run: () => exchange.onClaim(contact, claimer, body) }
      }
      if (reader.next() !== undefined) reader.applied(reader.next()?.seq ?? 0)
    }
    const record = contact.reader && this.#jobRecord(contact.reader)
    if (record !== undefined) {
      return { seq: record.seq, run: () => this.#runRecord(contact, record.seq, record.body) }
    }
    if (card.phase === 'ready' && writer !== undefined && this.#refreshDue(contact)) {
      return { run: () => this.#refresh(contact) }
    }
    return undefined
  }

  #jobRecord(reader: StreamReader): { seq: number; body: RecordBody } | undefined {
    const record = reader.next()
    const body = record && this.#decode(record)
    return record && body && needsJob(body) ? { seq: record.seq, body } : undefined
  }

  async #runRecord(contact: Contact, seq: number, body: RecordBody): Promise<void> {
    const { exchange } = this.#ports
    switch (body.kind) {
      case 'offer':
        return exchange.onOffer(contact, seq, body)
      case 'finish':
        return exchange.onFinish(contact, seq, body)
      case 'commit':
      case 'welcome':
        return this.#follow(contact, seq, body)
      default: {
        // A claim inside an established stream means nothing.
        contact.reader?.applied(seq)
        return
      }
    }
  }

  async #follow(
    contact: Contact,
    seq: number,
    body: Extract<RecordBody, { kind: 'commit' | 'welcome' }>,
  ): Promise<void> {
    const { exchange, jobs, store } = this.#ports
    const { keys } = contact
    if (keys.peerGroup === undefined) {
      contact.reader?.applied(seq)
      return
    }
    const input = {
      self: exchange.self(contact),
      peer: exchange.peer(contact),
      peerGroup: keys.peerGroup,
    }
    if (body.kind === 'welcome' && keys.keyPackage === undefined) {
      contact.reader?.applied(seq)
      return
    }
    const done =
      body.kind === 'commit'
        ? await jobs.followCommit({ ...input, commit: body.commit })
        : await jobs.followWelcome({
            ...input,
            welcome: body.welcome,
            generation: body.generation,
            keyPackage: keys.keyPackage as NonNullable<typeof keys.keyPackage>,
          })
    const batch = store.batch()
    keys.peerGroup = done.peerGroup
    if (body.kind === 'welcome') keys.keyPackage = undefined
    contact.reader?.applied(seq)
    exchange.openEpoch(contact, done.readEpoch)
    this.#oweAck(contact)
    exchange.persist(batch, contact)
    await batch.commit()
  }

  /** At the first sending after 100 boxes or a day, and only when the last refresh has been taken up. */
  #refreshDue(contact: Contact): boolean {
    const { clock } = this.#ports
    const writer = contact.writer
    if (writer === undefined || writer.state.staged !== undefined) return false
    if (contact.keys.ownGroup === undefined || contact.unconfirmed.size > 0) return false
    const old = clock.now() - writer.state.epoch.since >= REFRESH_AGE_MS
    if (!old && contact.boxesInEpoch < REFRESH_BOXES) return false
    return writer.queue.some((record) => record.kind === 'text')
  }

  async #refresh(contact: Contact): Promise<void> {
    const { exchange, jobs, store, outgoing, clock } = this.#ports
    const { keys } = contact
    if (keys.ownGroup === undefined) return
    const done = await jobs.refresh({
      self: exchange.self(contact),
      peer: exchange.peer(contact),
      ownGroup: keys.ownGroup,
      theirKeyPackage: keys.theirKeyPackage,
      now: clock.now(),
    })
    const batch = store.batch()
    keys.ownGroup = done.ownGroup
    keys.theirKeyPackage = undefined
    keys.keyPackage = done.keyPackage
    const queued = outgoing.enqueue(batch, contact, done.kind, done.record)
    const { keyPackage } = done.keyPackage
    const offer = encodeRecord({ kind: 'keyPackage', keyPackage })
    outgoing.enqueue(batch, contact, 'keyPackage', offer)
    exchange.stageEpoch(contact, done.writeEpoch, queued)
    contact.boxesInEpoch = 0
    exchange.persist(batch, contact)
    await batch.commit()
  }
}

interface Job {
  /** The candidate whose claim this is. */
  readonly claimer?: string
  readonly seq?: number
  readonly run: () => Promise<void>
}

function needsJob(body: RecordBody): boolean {
  switch (body.kind) {
    case 'claim':
    case 'offer':
    case 'finish':
    case 'commit':
    case 'welcome':
      return true
    default:
      return false
  }
}
