import type { Batch } from '../store/index.ts'
import {
  KEY_PACKAGE_LIFETIME_MS,
  KEY_PACKAGES_MAX,
  REFRESH_AGE_MS,
  REFRESH_BOXES,
} from './constants.ts'
import {
  type Contact,
  dropKeyPackages,
  hasEnded,
  type HeldKeyPackage,
  replaceGroup,
} from './contact.ts'
import type { Ledger } from './ledger.ts'
import type { Outbox } from './outbox.ts'
import { peerOf, selfOf } from './parties.ts'
import type { ConversationOptions, ConversationPorts } from './ports.ts'
import { encodeRecord, type RecordOf } from './records.ts'
import { enterEpoch, writeEpochOf } from './stream-epochs.ts'
import type { WaitClock } from './wait-clock.ts'
import type { Watch } from './watch.ts'

export interface RenewalPorts
  extends Pick<ConversationPorts, 'clock' | 'store' | 'jobs' | 'failpoints'> {
  readonly waits: WaitClock
  readonly ledger: Ledger
  readonly outbox: Outbox
  readonly watch: Watch
}

/** Keys that heal: own refreshes, and following the other side's. Each step is one batch. */
export class Renewal {
  readonly #ports: RenewalPorts
  readonly #options: ConversationOptions

  constructor(ports: RenewalPorts, options: ConversationOptions) {
    this.#ports = ports
    this.#options = options
  }

  /** At the first sending after 100 boxes or a day, and only when the last refresh has been taken up. */
  isDue(contact: Contact): boolean {
    const { writer, keys, card } = contact
    if (card.phase !== 'ready' || writer === undefined || keys.ownGroup === undefined) return false
    if (writer.state.staged !== undefined) return false
    const now = this.#ports.waits.now()
    const { chain, since } = writer.state.epoch
    if (chain.index < REFRESH_BOXES && now - since < REFRESH_AGE_MS) return false
    return now >= (contact.ackDueAt ?? Infinity) || writer.wants(now, true)
  }

  /** A new path, leaf key and root; the stream moves there when the other side has followed. */
  async refresh(contact: Contact): Promise<void> {
    const { jobs, store, outbox, clock, waits, ledger, failpoints } = this.#ports
    const { keys } = contact
    if (keys.ownGroup === undefined) return
    this.#dropStale(contact)
    const { theirKeyPackage } = keys
    const done = await jobs.refresh({
      self: selfOf(contact, this.#options.networkId),
      peer: peerOf(contact),
      ownGroup: keys.ownGroup,
      theirKeyPackage,
      offersKeyPackage: keys.keyPackages.length < KEY_PACKAGES_MAX,
      now: clock.now(),
    })
    failpoints?.reach('ratchet-computed')
    if (hasEnded(contact)) return
    const batch = store.batch()
    replaceGroup(keys, 'ownGroup', done.ownGroup)
    if (keys.theirKeyPackage === theirKeyPackage) keys.theirKeyPackage = undefined
    const queued = outbox.enqueue(batch, contact, done.kind, done.record)
    if (done.keyPackage !== undefined) this.#offer(batch, contact, done.keyPackage)
    const now = waits.now()
    contact.writer?.stage(writeEpochOf(done.writeEpoch, now), queued, now)
    ledger.saveAll(batch, contact)
    await batch.commit()
    failpoints?.reach('ratchet-stored')
  }

  #offer(batch: Batch, contact: Contact, made: HeldKeyPackage): void {
    const { keys } = contact
    keys.keyPackages = [...keys.keyPackages, made]
    const record = encodeRecord({ kind: 'keyPackage', keyPackage: made.keyPackage })
    this.#ports.outbox.enqueue(batch, contact, 'keyPackage', record)
  }

  /** No box lives so long that a Welcome could still answer these. */
  #dropStale(contact: Contact): void {
    const { keys } = contact
    const oldest = this.#ports.clock.now() - 2 * KEY_PACKAGE_LIFETIME_MS
    const stale = keys.keyPackages.filter((held) => held.createdAt < oldest)
    dropKeyPackages(keys, stale)
  }

  /**
   * The other side refreshed: enters the epoch that its stream will move to.
   * @throws HearsayError `mls-rejected`; nothing has changed then.
   */
  async follow(
    contact: Contact,
    seq: number,
    body: RecordOf<'commit'> | RecordOf<'welcome'>,
  ): Promise<void> {
    const { jobs, store, ledger, watch, failpoints } = this.#ports
    const { keys, reader } = contact
    const { peerGroup, keyPackages } = keys
    if (peerGroup === undefined || reader === undefined) return
    const input = {
      self: selfOf(contact, this.#options.networkId),
      peer: peerOf(contact),
      peerGroup,
    }
    const done =
      body.kind === 'commit'
        ? { ...(await jobs.followCommit({ ...input, commit: body.commit })), used: -1 }
        : await jobs.followWelcome({
            ...input,
            welcome: body.welcome,
            generation: body.generation,
            keyPackages,
          })
    failpoints?.reach('ratchet-computed')
    if (hasEnded(contact)) return
    const batch = store.batch()
    replaceGroup(keys, 'peerGroup', done.peerGroup)
    // The other side's records are in order: no later Welcome answers an earlier KeyPackage.
    dropKeyPackages(keys, keyPackages.slice(0, done.used + 1))
    reader.applied(seq)
    enterEpoch(watch, contact, done.readEpoch)
    ledger.saveAll(batch, contact)
    await batch.commit()
    failpoints?.reach('ratchet-stored')
  }
}
