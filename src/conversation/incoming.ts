import { type BoxBytes, isHearsayError, uniform } from '../base/index.ts'
import { wipe } from '../crypto/index.ts'
import type { Batch } from '../store/index.ts'
import { openBox, openSaltedBox, parseBox, wipeBoxKeys } from '../stream/index.ts'
import {
  EXCHANGE_BOXES,
  GAP_AWAKE_ROUND_TRIPS,
  GAP_CALM_ROUND_TRIPS,
  GAP_WAIT_ROUND_TRIPS,
  RECORDS_PER_TURN,
} from './constants.ts'
import { type Ack, type Contact, hasEnded, hasMet, isFormer } from './contact.ts'
import { epochTag } from './epoch-tag.ts'
import { contactEvent } from './events.ts'
import type { Exchange } from './exchange.ts'
import type { Inbox, KnownTexts } from './inbox.ts'
import type { Ledger } from './ledger.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { Outbox } from './outbox.ts'
import type { Places } from './places.ts'
import type { ConversationOptions, ConversationPorts } from './ports.ts'
import type { StreamReader } from './reader.ts'
import type { Recoveries } from './recoveries.ts'
import { needsJob, type RecordBody, type RecordOf, tryDecodeRecord } from './records.ts'
import type { ResetClaims } from './reset-claims.ts'
import type { ResetPlaces } from './reset-places.ts'
import type { WaitClock } from './wait-clock.ts'
import type { Watch, WatchRef } from './watch.ts'

export interface IncomingPorts
  extends Pick<ConversationPorts, 'clock' | 'rng' | 'store' | 'log' | 'failpoints'> {
  readonly waits: WaitClock
  readonly ledger: Ledger
  readonly inbox: Inbox
  readonly outbox: Outbox
  readonly exchange: Exchange
  readonly lifecycle: Lifecycle
  readonly places: Places
  readonly recoveries: Recoveries
  readonly claims: ResetClaims
  readonly resets: ResetPlaces
  readonly watch: Watch
}

export interface Heard {
  readonly ref: WatchRef
  readonly box: BoxBytes
  /** UTC day of publishing. */
  readonly day: number
}

const EXPIRY_TURNS = 64
const AT_ONCE = { at: 0, awake: 0, calm: 0 }

/**
 * What arrives: recognised boxes become records, and records take effect in order, a few in each batch. Between two
 * batches the disk is waited for, and everything that has its moment has it.
 */
export class Incoming {
  readonly #ports: IncomingPorts
  readonly #options: ConversationOptions

  constructor(ports: IncomingPorts, options: ConversationOptions) {
    this.#ports = ports
    this.#options = options
  }

  /** Takes a few boxes. Resolves when their effects are on disk. */
  async take(heard: readonly Heard[]): Promise<void> {
    const { store, failpoints } = this.#ports
    const batch = store.batch()
    const touched = new Set<Contact>()
    for (const item of heard) {
      if (this.#accept(batch, item)) touched.add(item.ref.contact)
    }
    for (const contact of touched) this.#save(batch, contact)
    if (touched.size === 0) return
    failpoints?.reach('receive-opened')
    await batch.commit()
    failpoints?.reach('receive-stored')
    for (const contact of touched) await this.pump(contact)
  }

  /** Applies what waits in order until a record needs a job: for example behind a job. */
  async pump(contact: Contact): Promise<void> {
    while (this.#isBehind(contact)) {
      const known = await this.#ports.inbox.lookUp(contact)
      if (hasEnded(contact)) return
      const batch = this.#ports.store.batch()
      this.#endAcknowledged(batch, contact)
      let left = RECORDS_PER_TURN
      for (const { reader } of contact.formers) {
        left -= this.#applyFormer(batch, contact, reader, known, left)
      }
      this.#apply(batch, contact, known, left)
      this.#save(batch, contact)
      await batch.commit()
    }
  }

  #isBehind(contact: Contact): boolean {
    if (hasEnded(contact)) return false
    const isFormerBehind = contact.formers.some(({ reader }) => nextOf(reader) !== undefined)
    return contact.ackLeft !== undefined || isFormerBehind || this.#nextOf(contact) !== undefined
  }

  #save(batch: Batch, contact: Contact): void {
    const { ledger } = this.#ports
    if (hasEnded(contact)) return
    ledger.saveReader(batch, contact)
    ledger.saveCard(batch, contact)
  }

  /** Opens one box. A box that does not open is a hole like any other; nobody learns that it did not. */
  #accept(batch: Batch, item: Heard): boolean {
    if (hasEnded(item.ref.contact)) return false
    try {
      return this.#open(batch, item)
    } catch (error) {
      if (!isHearsayError(error) || error.fault === 'storage' || error.fault === 'bug') throw error
      this.#ports.log.debug('a box did not open', { code: error.code })
      return false
    }
  }

  #open(batch: Batch, item: Heard): boolean {
    const { ref } = item
    const { contact } = ref
    switch (ref.kind) {
      case 'claim':
      case 'verdict':
        return this.#openPlace(batch, contact, ref.kind, ref.index, item.box)
      case 'reset':
        return this.#openReset(batch, contact, ref, item.box)
      case 'stream':
        return this.#openStream(batch, item, ref.reader, ref)
      case 'candidate':
        return this.#openStream(batch, item, contact.claims.get(ref.claimer), ref)
      case 'taken':
        return false
    }
  }

  #openPlace(
    batch: Batch,
    contact: Contact,
    kind: 'claim' | 'verdict',
    index: number,
    box: BoxBytes,
  ): boolean {
    const { exchange, places } = this.#ports
    const { networkId } = this.#options
    const keys = places.keysOf(contact, kind, index)
    if (keys === undefined) return false
    try {
      if (kind === 'claim') exchange.announced(batch, contact, openSaltedBox(networkId, keys, box))
      else exchange.judged(batch, contact, openBox(networkId, keys, box))
    } finally {
      wipeBoxKeys(keys)
    }
    return true
  }

  #openReset(
    batch: Batch,
    contact: Contact,
    { day, slot }: Extract<WatchRef, { kind: 'reset' }>,
    box: BoxBytes,
  ): boolean {
    const { claims, resets } = this.#ports
    const keys = resets.keysOf(contact, day, slot)
    if (keys === undefined) return false
    try {
      claims.announced(batch, contact, openSaltedBox(this.#options.networkId, keys, box))
    } finally {
      wipeBoxKeys(keys)
    }
    return true
  }

  #openStream(
    batch: Batch,
    { box, day }: Heard,
    reader: StreamReader | undefined,
    ref: Extract<WatchRef, { tag: string }>,
  ): boolean {
    const { watch, clock } = this.#ports
    const { contact } = ref
    const { card } = contact
    const accepted = reader?.accept(ref.tag, ref.index, box, day)
    if (reader === undefined || accepted?.fresh !== true) return false
    watch.removeEntries(accepted.unwatched)
    watch.take(contact, reader, parseBox(box).address)
    watch.widen(contact)
    card.lastHeardAt = clock.now()
    if (!isFormer(contact, reader)) {
      card.heardDay = Math.max(card.heardDay, day)
      card.awayDay = 0
    }
    if (card.phase === 'waiting') card.phase = 'exchanging'
    if (!hasMet(contact) && ++card.boxesDone <= EXCHANGE_BOXES) {
      contactEvent(batch, contact, `contact.${card.phase}`)
    }
    // Nobody waits for an answer to a stream that is over.
    if (isFormer(contact, reader)) return true
    if (accepted.sequenced) this.oweAck(contact)
    this.#unsequenced(batch, contact, accepted.unsequenced, day)
    return true
  }

  #unsequenced(batch: Batch, contact: Contact, records: readonly Uint8Array[], day: number): void {
    const { card, writer } = contact
    // Before, the next flight of the exchange acknowledges: an ack that came first would let the stream go on to an epoch
    // that the other side cannot read yet, and the flight would acknowledge what was written there.
    if (card.phase !== 'ready') return
    // One is enough, and honest boxes have one: each costs a hash, and a walk over all that waits.
    const acks = records.map(tryDecodeRecord).filter((body) => body?.kind === 'ack')
    const body = acks.at(-1)
    if (body === undefined) return
    const { upTo, missing, digest } = body
    // Of what was never written as far as we know, or of another record: this device was put back, and could not see it.
    const isForeign =
      writer !== undefined && (upTo >= writer.state.nextSeq || writer.isAnother(upTo, digest))
    if (isForeign) {
      // Also when no more recoveries may begin today: it says nothing of what is on its way in this life.
      this.#ports.recoveries.tryBegin(batch, contact, undefined, true)
      return
    }
    contact.ackDay = Math.max(contact.ackDay, day)
    this.#acknowledge(batch, contact, { upTo, missing })
  }

  /** What an ack says that comes while the one before still takes effect stands for both. */
  #acknowledge(batch: Batch, contact: Contact, ack: Ack): void {
    const { ackLeft } = contact
    if (ackLeft !== undefined && ack.upTo < ackLeft.upTo) return
    contact.ackLeft = ack
    if (ackLeft === undefined) this.#endAcknowledged(batch, contact)
  }

  /** An ack can end hundreds of records: a few in each batch. */
  #endAcknowledged(batch: Batch, contact: Contact): void {
    const { ackLeft } = contact
    if (ackLeft === undefined) return
    const { upTo, missing } = ackLeft
    const { outbox } = this.#ports
    const ended = outbox.acknowledge(batch, contact, upTo, missing, RECORDS_PER_TURN)
    if (ended < RECORDS_PER_TURN) contact.ackLeft = undefined
  }

  /** Applies records in order until one needs a job, at most `limit`. */
  #apply(batch: Batch, contact: Contact, known: KnownTexts, limit: number): void {
    for (let applied = 0; applied < limit; applied++) {
      const next = this.#nextOf(contact)
      if (next === undefined) return
      const { reader, seq, bytes, body } = next
      if (body?.kind === 'text') {
        // Before the keys hold nobody writes texts; they count as read.
        const isDue = contact.card.phase === 'ready'
        if (isDue && !this.#ports.inbox.receive(batch, contact, body, known)) return
      } else if (body !== undefined) this.#takeEffect(batch, contact, body)
      reader.applied(seq)
      wipe(bytes)
    }
  }

  /**
   * Of a stream that is over only the texts count, and where it goes on as long as its keys are known. Applies at most
   * `limit` records. Returns how many.
   */
  #applyFormer(
    batch: Batch,
    contact: Contact,
    reader: StreamReader,
    known: KnownTexts,
    limit: number,
  ): number {
    for (let applied = 0; applied < limit; applied++) {
      const record = nextOf(reader)
      if (record === undefined) return applied
      const { body } = record
      if (body?.kind === 'text' && !this.#ports.inbox.receive(batch, contact, body, known)) {
        return applied
      }
      if (body?.kind === 'switch') this.#switch(reader, body)
      reader.applied(record.seq)
      wipe(record.bytes)
    }
    return limit
  }

  /** The record that may take effect now; undefined also while a job runs or is due. */
  #nextOf(contact: Contact) {
    const { reader, busy } = contact
    const next = busy || reader === undefined ? undefined : nextOf(reader)
    if (reader === undefined || next === undefined) return undefined
    if (next.body !== undefined && needsJob(next.body)) return undefined
    return { ...next, reader }
  }

  /**
   * The contact is told what is here, without haste. Also after a long absence when nothing was found: of a stream whose
   * keys have expired nothing more would be, and it is for its writer to make new ones.
   */
  oweAck(contact: Contact): void {
    const { waits, rng } = this.#ports
    const { ackSettleMs, ackJitterMs } = this.#options
    contact.ackDueAt ??= waits.now() + Math.round(ackSettleMs + uniform(rng) * ackJitterMs)
  }

  #takeEffect(batch: Batch, contact: Contact, body: RecordBody): void {
    const { exchange, ledger } = this.#ports
    try {
      switch (body.kind) {
        case 'confirm':
          exchange.onConfirm(batch, contact, body)
          return
        case 'keyPackage':
          contact.keys.theirKeyPackage = body.keyPackage
          ledger.saveKeys(batch, contact)
          return
        case 'switch':
          if (contact.reader !== undefined) this.#switch(contact.reader, body)
          return
        default:
          return
      }
    } catch (error) {
      if (!isHearsayError(error, 'mls-rejected')) throw error
      this.#refuse(batch, contact)
    }
  }

  #refuse(batch: Batch, contact: Contact): void {
    const { lifecycle, recoveries } = this.#ports
    if (contact.card.phase === 'recovering') recoveries.refused(batch, contact, undefined)
    else lifecycle.fail(batch, contact, 'refused by the key exchange')
  }

  #switch(reader: StreamReader, { generation, epoch }: RecordOf<'switch'>): void {
    this.#ports.watch.removeEntries(reader.closeBefore(epochTag(generation, epoch)))
  }

  /** Time passes: expiry, gaps that are given up, invitations that end, answers that may go now. */
  async tick(): Promise<void> {
    const { store, ledger, waits } = this.#ports
    const batch = store.batch()
    // While nothing else tells the disk how far it is ahead, a restart would set it back.
    let any = waits.isAhead && waits.save(batch)
    any = ledger.sweep(batch) || any
    for (const contact of ledger.contacts.values()) {
      if (!hasEnded(contact)) any = this.#tickOne(batch, contact) || any
    }
    if (any) await batch.commit()
    await this.#expire()
    // A crash may have come between two batches.
    for (const contact of ledger.contacts.values()) await this.pump(contact)
  }

  #tickOne(batch: Batch, contact: Contact): boolean {
    const { lifecycle, recoveries, ledger } = this.#ports
    const closed = lifecycle.expire(batch, contact)
    if (hasEnded(contact)) return true
    const recovered = recoveries.tick(batch, contact)
    const isCardUnsaved = contact.isCardUnsaved
    if (isCardUnsaved) ledger.saveCard(batch, contact)
    contact.isCardUnsaved = false
    const skipped = this.#giveUpGap(batch, contact)
    return closed || recovered || isCardUnsaved || skipped
  }

  /**
   * A few in each batch, and a few batches in each slot: after a long absence all that waited is over at once, and each
   * text is written once more.
   */
  async #expire(): Promise<void> {
    const { store, outbox, ledger } = this.#ports
    for (let turn = 0; turn < EXPIRY_TURNS; turn++) {
      const batch = store.batch()
      let left = RECORDS_PER_TURN
      for (const contact of ledger.contacts.values()) {
        if (hasEnded(contact) || (contact.writer?.waiting ?? 0) === 0) continue
        left -= outbox.expire(batch, contact, left)
        if (left === 0) break
      }
      if (left === RECORDS_PER_TURN) return
      await batch.commit()
    }
  }

  /** Before a contact is ready nothing may be skipped: a text behind a lost `confirm` would be lost too. */
  #giveUpGap(batch: Batch, contact: Contact): boolean {
    const { clock, waits } = this.#ports
    const { ackRoundTripMs } = this.#options
    const { reader, formers } = contact
    const now = { at: waits.now(), awake: clock.monotonic() }
    const wait = {
      at: GAP_WAIT_ROUND_TRIPS * ackRoundTripMs,
      awake: GAP_AWAKE_ROUND_TRIPS * ackRoundTripMs,
      calm: GAP_CALM_ROUND_TRIPS * ackRoundTripMs,
    }
    let ofFormers = 0
    // What is missing there goes again in the new stream; after its end it would be heard no more.
    for (const { reader: former, until } of formers) {
      ofFormers += former.giveUpGap(now, now.at < until ? wait : AT_ONCE)
    }
    const isOpen = contact.card.phase === 'ready' && !contact.busy
    const width = isOpen ? (reader?.giveUpGap(now, wait) ?? 0) : 0
    if (width > 0) contactEvent(batch, contact, 'message.gap', { missing: String(width) })
    if (width + ofFormers > 0) this.#save(batch, contact)
    return width + ofFormers > 0
  }
}

function nextOf(reader: StreamReader) {
  const record = reader.next()
  return record && { ...record, body: tryDecodeRecord(record.bytes) }
}
