import { wipe } from '../crypto/index.ts'
import type { SeqRange } from './ranges.ts'
import type { StreamReader } from './reader.ts'
import type { StreamWriter } from './writer.ts'

/**
 * waiting: the other side has not been heard; exchanging: keys are under way; ready: texts flow; recovering: one of
 * the two came back as a new device, and texts wait for new keys; failed: the reason says why, and a new invitation is
 * the way on.
 */
export type ContactPhase = 'waiting' | 'exchanging' | 'ready' | 'recovering' | 'failed'

export type FailureReason =
  | 'already used'
  | 'expired'
  | 'refused by the key exchange'
  | 'equivocation'
  | 'cancelled'
  | 'restored from a backup'
  | 'keys lost'
  | 'card lost'

/** What a list of contacts shows: kept sealed, not secret in the sense of forward secrecy. */
export interface ContactCard {
  alias: string
  readonly role: 'inviter' | 'claimer'
  readonly inviteId: string
  readonly createdAt: number
  readonly inviteExpiresAt: number
  /** Generation of the store in which its streams were written; in another one they are rolled back. */
  storeEpoch: string
  phase: ContactPhase
  reason: string
  verified: boolean
  boxesDone: number
  lastHeardAt: number
  /** UTC day of publishing of the newest box. */
  heardDay: number
  /** UTC day from which boxes of the contact may be missing here: those of before it were asked for in two catch-ups. */
  missingSince: number
  /** The same, once the next catch-up is over. */
  missingNext: number
  /** UTC day since when acks tell the contact that this device was away for longer than boxes live; 0 if they need not. */
  awayDay: number
  /** Announcements of the other side that are not later than this were answered, or are of an earlier life. */
  resetSince: number
  /** When recoveries were begun or answered, by the clock of waits, the last `RESETS_PER_DAY`. */
  resets: readonly number[]
}

/** One MLS send group as this device holds it. */
export interface HeldGroup {
  readonly generation: number
  readonly epoch: number
  readonly state: Uint8Array
  /** The writer's mailbox root in this epoch. */
  readonly writerRoot: Uint8Array
}

/** A KeyPackage of ours that a Welcome may still answer. Its secret is erased on first use. */
export interface HeldKeyPackage {
  readonly keyPackage: Uint8Array
  readonly secret: Uint8Array
  readonly createdAt: number
}

/** A root that the other side announced, 32 bytes, and when by its clock. */
export interface Announced {
  readonly root: Uint8Array
  readonly at: number
}

/** Keys that are made anew inside a contact (SPEC §9). SECRET. */
export interface Recovery {
  readonly side: 'claimer' | 'inviter'
  /** Whether this device came back itself; it claims then, unless the other side came back too and goes first. */
  readonly isOurs: boolean
  /** R_C of the exchange, 32 bytes. */
  readonly claimerRoot: Uint8Array
  /** Seed of the root of our stream of the exchange: R_C, or R_A of the side that answers. */
  readonly ownSeed: Uint8Array
  /** Claimer: the claim of the other side that ours goes before. */
  readonly over: Announced | undefined
  /** Claimer: R_A of the answer that is read. */
  readonly answer: Announced | undefined
  /** The other side's device before the recovery. */
  readonly formerDevice: Uint8Array | undefined
  readonly startedAt: number
  /** Announcements so far, the slot of the first, and when the next is due. */
  announcements: number
  readonly firstSlot: number
  announceAt: number
}

/** Every long-lived secret of one conversation. Rests on the secret shelf: an overwritten state is gone. */
export interface ContactKeys {
  /** Erased when the contact has failed. */
  accountSeed: Uint8Array | undefined
  /** Fresh after every recovery of this device. */
  deviceId: Uint8Array
  /** The invitation's secret; erased when the contact is ready and the invitation is over. */
  inviteSecret: Uint8Array | undefined
  readonly inviterRoot: Uint8Array
  /** Seed of R_I (inviter) or R_C (claimer): writes our rendezvous stream. Goes with `inviteSecret`. */
  rendezvousSeed: Uint8Array | undefined
  conversation: Uint8Array | undefined
  theirAccount: Uint8Array | undefined
  theirDevice: Uint8Array | undefined
  /** Ours that no Welcome has answered, oldest first, at most `KEY_PACKAGES_MAX`. */
  keyPackages: readonly HeldKeyPackage[]
  /** The other side's newest KeyPackage, not yet used. */
  theirKeyPackage: Uint8Array | undefined
  ownGroup: HeldGroup | undefined
  peerGroup: HeldGroup | undefined
  /** Epoch authenticators of the first epochs: inviter's group, claimer's group. */
  authenticators: { inviterGroup: Uint8Array; claimerGroup: Uint8Array | undefined } | undefined
  /** H(R_C) of the claim that won, for the verdict. */
  wonBy: Uint8Array | undefined
  /** Announcements of our claim sent so far. */
  announcements: number
  /** Verdicts on later claims sent so far. */
  verdicts: number
  /** Known to the two sides alone; made when the first exchange is done, and kept as long as the contact. */
  resetSecret: Uint8Array | undefined
  recovery: Recovery | undefined
}

/** What the other side has: everything up to a number, but for some. */
export interface Ack {
  readonly upTo: number
  readonly missing: readonly SeqRange[]
}

/** A stream of the other side that a recovery has ended. */
export interface FormerStream {
  readonly reader: StreamReader
  /** Until then it is listened to, and after it what waits there takes effect. */
  readonly until: number
}

/** A contact in memory. */
export interface Contact {
  readonly id: Uint8Array
  /** Hexadecimal id: the key of in-memory maps. */
  readonly key: string
  readonly card: ContactCard
  readonly keys: ContactKeys
  writer: StreamWriter | undefined
  reader: StreamReader | undefined
  /** Streams before the last recoveries, oldest first, at most `FORMER_STREAMS_MAX`: texts are still under way there. */
  formers: readonly FormerStream[]
  /** Readers of claims that compete for an invitation, by hexadecimal R_C. In memory only. */
  readonly claims: Map<string, StreamReader>
  /** When an ack is due, by the clock of waits as all below; undefined when nothing new was read. */
  ackDueAt: number | undefined
  /** A catch-up is over, and the disk does not know it yet. */
  isCardUnsaved: boolean
  /** The newest ack whose records have not all ended yet. */
  ackLeft: Ack | undefined
  /** UTC day of publishing of the newest ack of the present stream that was read since the start. */
  ackDay: number
  /** A job runs: later records wait. */
  busy: boolean
  /** Times in a row that the same job was lost, and the time before which none is begun. */
  jobsLost: number
  jobsAfter: number
  /** When our claim is announced next. */
  announceAt: number
  /** A claimer waits to hear that the invitation is used. */
  verdictDue: boolean
  /** Bytes of texts accepted and not ended. */
  outboxBytes: number
}

/** Whether the contact ended while somebody waited for a job or the disk. */
export function hasEnded(contact: Contact): boolean {
  return contact.card.phase === 'failed'
}

/** What is read of the other side: the present stream and those that recoveries have ended. */
export function streamsOf({ reader, formers }: Contact): StreamReader[] {
  const former = formers.map((each) => each.reader)
  return reader === undefined ? former : [reader, ...former]
}

/** Whether a recovery has ended this stream. */
export function isFormer({ formers }: Contact, reader: StreamReader | undefined): boolean {
  return formers.some((each) => each.reader === reader)
}

/** Whether keys were agreed on once: texts are accepted, and a lost state can be recovered from. */
export function hasMet(contact: Contact): boolean {
  const { phase } = contact.card
  return phase === 'ready' || phase === 'recovering'
}

/** Takes the place of a group; the old state is wiped. */
export function replaceGroup(
  keys: ContactKeys,
  which: 'ownGroup' | 'peerGroup',
  group: HeldGroup,
): void {
  const old = keys[which]
  if (old !== undefined && old.state !== group.state) wipe(old.state)
  keys[which] = group
}

/** Erases these KeyPackages of ours: they were used, or can be used no more. */
export function dropKeyPackages(keys: ContactKeys, gone: readonly HeldKeyPackage[]): void {
  keys.keyPackages = keys.keyPackages.filter((held) => !gone.includes(held))
  for (const { secret } of gone) wipe(secret)
}

/** Erases what came from the invitation; afterwards nobody can be answered about it. */
export function eraseInvitation(keys: ContactKeys): void {
  for (const secret of [keys.inviteSecret, keys.rendezvousSeed]) if (secret) wipe(secret)
  keys.inviteSecret = undefined
  keys.rendezvousSeed = undefined
}

/** Erases the keys between the two devices; the account and the reset secret stay. */
export function eraseGroups(keys: ContactKeys): void {
  dropKeyPackages(keys, keys.keyPackages)
  for (const group of [keys.ownGroup, keys.peerGroup]) if (group) wipe(group.state)
  if (keys.recovery) wipe(keys.recovery.ownSeed)
  keys.recovery = undefined
  keys.ownGroup = undefined
  keys.peerGroup = undefined
  keys.theirKeyPackage = undefined
  keys.authenticators = undefined
}

/** Erases every secret of the conversation. */
export function eraseKeys(keys: ContactKeys): void {
  eraseInvitation(keys)
  eraseGroups(keys)
  for (const secret of [keys.accountSeed, keys.resetSecret]) if (secret) wipe(secret)
  keys.accountSeed = undefined
  keys.resetSecret = undefined
  keys.wonBy = undefined
}
