import { compareBytes, DAY_MS, equalBytes, toHex } from '../base/index.ts'
import { isValidPoint } from '../crypto/index.ts'
import type { Batch } from '../store/index.ts'
import { dropClaim, followClaim } from './claims.ts'
import { CLAIMS_MAX } from './constants.ts'
import type { Contact } from './contact.ts'
import { RENDEZVOUS_TAG } from './epoch-tag.ts'
import type { Ledger } from './ledger.ts'
import type { ConversationOptions, ConversationPorts } from './ports.ts'
import { StreamReader } from './reader.ts'
import type { RecordOf } from './records.ts'
import type { Recoveries } from './recoveries.ts'
import {
  accountKeyOf,
  type Announcement,
  answerPlace,
  tryDecodeAnnouncement,
} from './reset-stream.ts'
import { need } from './send-groups.ts'
import type { Watch } from './watch.ts'

export interface ResetClaimsPorts extends Pick<ConversationPorts, 'clock'> {
  readonly ledger: Ledger
  readonly recoveries: Recoveries
  readonly watch: Watch
}

/** What the other side says in its reset place (SPEC §9): which claims are followed, and which one may be answered. */
export class ResetClaims {
  readonly #ports: ResetClaimsPorts
  readonly #options: ConversationOptions
  /** When the claims that are followed were announced. */
  readonly #announcedAt = new WeakMap<StreamReader, number>()

  constructor(ports: ResetClaimsPorts, options: ConversationOptions) {
    this.#ports = ports
    this.#options = options
  }

  /** A box in the other side's reset stream was opened. */
  announced(batch: Batch, contact: Contact, payload: Uint8Array): void {
    const said = tryDecodeAnnouncement(payload)
    if (said === undefined || !this.#isCredible(contact, said)) return
    if (said.kind === 'answer') this.#answered(batch, contact, said)
    else if (this.#isNews(contact, said)) this.#claimed(batch, contact, said)
  }

  #isCredible(contact: Contact, { root, at }: Announcement): boolean {
    const { clock, recoveries } = this.#ports
    return recoveries.isPossible(contact) && isValidPoint(root) && at <= clock.now() + DAY_MS
  }

  /** Our claim is answered at R_A; of several answers, of a side that came back meanwhile, the last one counts. */
  #answered(batch: Batch, contact: Contact, { root, at, other }: Announcement): void {
    const { watch, ledger } = this.#ports
    const { keys } = contact
    const { recovery, resetSecret } = keys
    if (recovery?.side !== 'claimer' || resetSecret === undefined) return
    if (keys.ownGroup !== undefined || !equalBytes(other, recovery.claimerRoot)) return
    const known = recovery.answer
    if (known !== undefined && (at <= known.at || equalBytes(root, known.root))) return
    if (contact.reader !== undefined) {
      watch.removeEntries(contact.reader.watched())
      contact.reader.clear()
    }
    const { networkId } = this.#options
    const place = answerPlace(networkId, resetSecret, root, recovery.claimerRoot)
    contact.reader = new StreamReader(this.#options)
    contact.reader.open(RENDEZVOUS_TAG, place.root, place.chain)
    keys.recovery = { ...recovery, answer: { root, at } }
    watch.widen(contact)
    ledger.saveKeys(batch, contact)
  }

  #claimed(batch: Batch, contact: Contact, said: Announcement): void {
    const { recovery } = contact.keys
    if (recovery?.side !== 'claimer') this.#follow(contact, said)
    else if (!this.#yields(contact)) this.#goBefore(batch, contact, said)
    // Only a claim that names ours was made after we came back; another one may be long over, and nobody wait for us.
    else if (equalBytes(said.other, recovery.claimerRoot)) this.#follow(contact, said)
  }

  #isNews(contact: Contact, { root, at }: Announcement): boolean {
    if (at <= contact.card.resetSince) return false
    const { recovery } = contact.keys
    return !contact.claims.has(toHex(root)) && !(recovery && equalBytes(recovery.claimerRoot, root))
  }

  /** Both came back: the one with the lower account key answers. */
  #yields({ keys }: Contact): boolean {
    const { accountSeed, theirAccount } = keys
    if (accountSeed === undefined || theirAccount === undefined) return false
    return compareBytes(accountKeyOf(accountSeed), theirAccount) < 0
  }

  /** Begins again with a claim that names theirs: by this they know that somebody waits for their answer. */
  #goBefore(batch: Batch, contact: Contact, { root, at }: Announcement): void {
    const over = contact.keys.recovery?.over
    if (over !== undefined && (equalBytes(over.root, root) || at <= over.at)) return
    this.#ports.recoveries.tryBegin(batch, contact, { root, at })
  }

  #follow(contact: Contact, { root, at }: Announcement): void {
    const { watch } = this.#ports
    const { resetSecret: secret } = contact.keys
    if (secret === undefined || !this.#ports.recoveries.hasBudget(contact)) return
    const [oldest] = this.#byTime(contact)
    // A device that came back several times is waiting in its last claim only.
    if (oldest !== undefined && contact.claims.size >= CLAIMS_MAX) dropClaim(watch, contact, oldest)
    const reader = followClaim(watch, contact, this.#options, {
      claimer: toHex(root),
      root,
      secret,
    })
    this.#announcedAt.set(reader, at)
  }

  /** Claims that are followed, the earliest announced first. */
  #byTime(contact: Contact): string[] {
    return [...contact.claims]
      .toSorted(([, a], [, b]) => this.#timeOf(a) - this.#timeOf(b))
      .map(([claimer]) => claimer)
  }

  #timeOf(reader: StreamReader | undefined): number {
    return (reader && this.#announcedAt.get(reader)) ?? 0
  }

  /** @throws HearsayError `mls-rejected` unless this claim is of a new device of the known account, and due. */
  check(contact: Contact, claimer: string, record: RecordOf<'claim'>): void {
    const { theirAccount, theirDevice, deviceId, recovery } = contact.keys
    const { accountKey, deviceId: device } = record
    need(theirAccount !== undefined && equalBytes(accountKey, theirAccount), 'account')
    need(theirDevice === undefined || !equalBytes(device, theirDevice), 'device')
    need(!equalBytes(device, deviceId), 'device')
    need(this.#timeOf(contact.claims.get(claimer)) > contact.card.resetSince, 'stale')
    need(recovery?.side !== 'claimer' || this.#yields(contact), 'order')
    need(this.#ports.recoveries.hasBudget(contact), 'budget')
  }

  /** The other side came back in this claim: when it was announced. Earlier ones are given up, a later one may come. */
  accept(contact: Contact, claimer: string): number {
    const at = this.#timeOf(contact.claims.get(claimer))
    for (const [other, reader] of contact.claims) {
      const isOver = other !== claimer && this.#timeOf(reader) <= at
      if (isOver) dropClaim(this.#ports.watch, contact, other)
    }
    return at
  }
}
