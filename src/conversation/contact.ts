import { HearsayError } from '../base/index.ts'
import { type CborValue, decodeCbor, encodeCbor } from '../wire/index.ts'
import { STORED_BYTES_MAX } from './constants.ts'
import { StreamReader, type ReaderOptions } from './reader.ts'
import { StreamWriter, type WriteEpoch, type WriterState } from './writer.ts'

/**
 * waiting: the other side has not been heard; exchanging: keys are under way; ready: texts flow; failed: the
 * reason says why, and a new invitation is the way on.
 */
export type ContactPhase = 'waiting' | 'exchanging' | 'ready' | 'failed'

export type FailureReason =
  | 'already used'
  | 'expired'
  | 'refused by the key exchange'
  | 'equivocation'
  | 'cancelled'

/** What a list of contacts shows: kept sealed, not secret in the sense of forward secrecy. */
export interface ContactCard {
  alias: string
  readonly role: 'inviter' | 'claimer'
  readonly inviteId: string
  readonly createdAt: number
  readonly inviteExpiresAt: number
  phase: ContactPhase
  reason: string
  verified: boolean
  boxesDone: number
  lastHeardAt: number
  /** UTC day from which boxes of the contact may be missing here. */
  heardDay: number
}

/** One MLS send group as this device holds it, and what its leaves are. */
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

/** Every long-lived secret of one conversation. Rests on the secret shelf: an overwritten state is gone. */
export interface ContactKeys {
  readonly accountSeed: Uint8Array
  readonly deviceId: Uint8Array
  /** The invitation's secret; erased when the contact is ready and the invitation is used up. */
  inviteSecret: Uint8Array | undefined
  readonly inviterRoot: Uint8Array
  /** Seed of R_I (inviter) or R_C (claimer): writes our rendezvous stream. */
  rendezvousSeed: Uint8Array | undefined
  conversation: Uint8Array | undefined
  theirAccount: Uint8Array | undefined
  theirDevice: Uint8Array | undefined
  keyPackage: HeldKeyPackage | undefined
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
  /** Readers of claims that compete for an invitation, by hexadecimal R_C. */
  readonly claims: Map<string, StreamReader>
  /** Wall clock at which an ack is due; undefined when nothing new was read. */
  ackDueAt: number | undefined
  /** An MLS job runs: later records wait. */
  busy: boolean
  /** Hashes of boxes learned by reconciliation that further peers have not confirmed: reactions wait. */
  readonly unconfirmed: Set<string>
  /** Boxes written in the present epoch of the own group and its age decide the refresh. */
  boxesInEpoch: number
  /** Bytes of texts accepted and not ended. */
  outboxBytes: number
}

/** CBOR of a card. */
export function encodeCard(c: ContactCard): Uint8Array {
  return encodeCbor([
    c.alias,
    c.role,
    c.inviteId,
    c.createdAt,
    c.inviteExpiresAt,
    c.phase,
    c.reason,
    c.verified,
    c.boxesDone,
    c.lastHeardAt,
    c.heardDay,
  ])
}

/** @throws HearsayError `storage-corrupt`. */
export function decodeCard(bytes: Uint8Array): ContactCard {
  const v = list(decodeStored(bytes), 11)
  return {
    alias: v[0] as string,
    role: v[1] as ContactCard['role'],
    inviteId: v[2] as string,
    createdAt: v[3] as number,
    inviteExpiresAt: v[4] as number,
    phase: v[5] as ContactPhase,
    reason: v[6] as string,
    verified: v[7] as boolean,
    boxesDone: v[8] as number,
    lastHeardAt: v[9] as number,
    heardDay: v[10] as number,
  }
}

export function encodeKeys(k: ContactKeys): Uint8Array {
  return encodeCbor([
    k.accountSeed,
    k.deviceId,
    k.inviteSecret ?? null,
    k.inviterRoot,
    k.rendezvousSeed ?? null,
    k.conversation ?? null,
    k.theirAccount ?? null,
    k.theirDevice ?? null,
    k.keyPackage ? [k.keyPackage.keyPackage, k.keyPackage.secret, k.keyPackage.createdAt] : null,
    k.theirKeyPackage ?? null,
    k.ownGroup ? groupItems(k.ownGroup) : null,
    k.peerGroup ? groupItems(k.peerGroup) : null,
    k.authenticators
      ? [k.authenticators.inviterGroup, k.authenticators.claimerGroup ?? null]
      : null,
    k.wonBy ?? null,
    k.announcements,
  ])
}

function groupItems(g: HeldGroup): CborValue[] {
  return [g.generation, g.epoch, g.state, g.writerRoot]
}

/** @throws HearsayError `storage-corrupt`. */
export function decodeKeys(bytes: Uint8Array): ContactKeys {
  const v = list(decodeStored(bytes), 15)
  const maybe = (at: number) => (v[at] ?? undefined) as Uint8Array | undefined
  const group = (at: number): HeldGroup | undefined => {
    if (v[at] === null) return undefined
    const g = list(v[at], 4)
    return {
      generation: g[0] as number,
      epoch: g[1] as number,
      state: g[2] as Uint8Array,
      writerRoot: g[3] as Uint8Array,
    }
  }
  const kp = v[8] === null ? undefined : list(v[8], 3)
  const auth = v[12] === null ? undefined : list(v[12], 2)
  return {
    accountSeed: v[0] as Uint8Array,
    deviceId: v[1] as Uint8Array,
    inviteSecret: maybe(2),
    inviterRoot: v[3] as Uint8Array,
    rendezvousSeed: maybe(4),
    conversation: maybe(5),
    theirAccount: maybe(6),
    theirDevice: maybe(7),
    keyPackage: kp && {
      keyPackage: kp[0] as Uint8Array,
      secret: kp[1] as Uint8Array,
      createdAt: kp[2] as number,
    },
    theirKeyPackage: maybe(9),
    ownGroup: group(10),
    peerGroup: group(11),
    authenticators: auth && {
      inviterGroup: auth[0] as Uint8Array,
      claimerGroup: (auth[1] ?? undefined) as Uint8Array | undefined,
    },
    wonBy: maybe(13),
    announcements: v[14] as number,
  }
}

/** The writer's chain and epochs, and how many boxes the present one has. */
export function encodeWriter(state: WriterState, boxesInEpoch: number): Uint8Array {
  const epoch = (e: WriteEpoch) => [e.tag, e.chain.index, e.chain.chainKey, e.rootSeed, e.since]
  const staged = state.staged
  return encodeCbor([
    epoch(state.epoch),
    staged ? [epoch(staged.epoch), staged.afterQueued, staged.stagedAt] : null,
    state.nextSeq,
    state.nextQueued,
    boxesInEpoch,
  ])
}

/** @throws HearsayError `storage-corrupt`. */
export function decodeWriter(bytes: Uint8Array): { state: WriterState; boxesInEpoch: number } {
  const v = list(decodeStored(bytes), 5)
  const epoch = (value: unknown): WriteEpoch => {
    const e = list(value, 5)
    return {
      tag: e[0] as string,
      chain: { index: e[1] as number, chainKey: e[2] as Uint8Array },
      rootSeed: e[3] as Uint8Array,
      since: e[4] as number,
    }
  }
  const staged = v[1] === null ? undefined : list(v[1], 3)
  return {
    state: {
      epoch: epoch(v[0]),
      staged: staged && {
        epoch: epoch(staged[0]),
        afterQueued: staged[1] as number,
        stagedAt: staged[2] as number,
      },
      nextSeq: v[2] as number,
      nextQueued: v[3] as number,
    },
    boxesInEpoch: v[4] as number,
  }
}

export function encodeReader(contact: Contact): Uint8Array {
  return encodeCbor([
    contact.reader?.encode() ?? null,
    [...contact.claims].map(([root, reader]) => [root, reader.encode()]),
    contact.ackDueAt ?? null,
  ])
}

/** @throws HearsayError `storage-corrupt`. */
export function decodeReader(
  options: ReaderOptions,
  bytes: Uint8Array,
): Pick<Contact, 'reader' | 'claims' | 'ackDueAt'> {
  const v = list(decodeStored(bytes), 3)
  const claims = new Map<string, StreamReader>()
  for (const entry of v[1] as unknown[]) {
    const [root, reader] = list(entry, 2)
    claims.set(root as string, StreamReader.decode(options, reader))
  }
  return {
    reader: v[0] === null ? undefined : StreamReader.decode(options, v[0]),
    claims,
    ackDueAt: (v[2] ?? undefined) as number | undefined,
  }
}

function decodeStored(bytes: Uint8Array): CborValue {
  return decodeCbor(bytes, { maxBytes: STORED_BYTES_MAX })
}

function list(value: unknown, length: number): unknown[] {
  if (!Array.isArray(value) || value.length !== length) {
    throw new HearsayError('storage-corrupt', 'a stored contact does not decode')
  }
  return value
}
