import { HearsayError } from '../base/index.ts'
import type { FindRows } from '../stream/index.ts'
import { type CborValue, encodeCbor } from '../wire/index.ts'
import type {
  Announced,
  Contact,
  ContactCard,
  ContactKeys,
  ContactPhase,
  FormerStream,
  HeldGroup,
  Recovery,
} from './contact.ts'
import { type ReaderOptions, StreamReader } from './reader.ts'
import { decodeStored } from './stored.ts'
import type { WriteEpoch, WriterState } from './writer.ts'

/** The stored forms of a contact. The store authenticates them, so decoding checks shape only. */

export function encodeCard(c: ContactCard): Uint8Array {
  return encodeCbor([
    c.alias,
    c.role,
    c.inviteId,
    c.createdAt,
    c.inviteExpiresAt,
    c.storeEpoch,
    c.phase,
    c.reason,
    c.verified,
    c.boxesDone,
    c.lastHeardAt,
    c.heardDay,
    c.resetSince,
    [...c.resets],
    c.missingSince,
    c.missingNext,
    c.awayDay,
  ])
}

/** @throws HearsayError `storage-corrupt`. */
export function decodeCard(bytes: Uint8Array): ContactCard {
  // Earlier stores lack the last three: whatever came after the newest box may be missing.
  const v = decodeStored(bytes, 14, 17)
  return {
    alias: v[0] as string,
    role: v[1] as ContactCard['role'],
    inviteId: v[2] as string,
    createdAt: v[3] as number,
    inviteExpiresAt: v[4] as number,
    storeEpoch: v[5] as string,
    phase: v[6] as ContactPhase,
    reason: v[7] as string,
    verified: v[8] as boolean,
    boxesDone: v[9] as number,
    lastHeardAt: v[10] as number,
    heardDay: v[11] as number,
    resetSince: v[12] as number,
    resets: v[13] as number[],
    missingSince: (v[14] ?? v[11]) as number,
    missingNext: (v[15] ?? v[11]) as number,
    awayDay: (v[16] ?? 0) as number,
  }
}

export function encodeKeys(k: ContactKeys): Uint8Array {
  return encodeCbor([
    k.accountSeed ?? null,
    k.deviceId,
    k.inviteSecret ?? null,
    k.inviterRoot,
    k.rendezvousSeed ?? null,
    k.conversation ?? null,
    k.theirAccount ?? null,
    k.theirDevice ?? null,
    k.keyPackages.map((held) => [held.keyPackage, held.secret, held.createdAt]),
    k.theirKeyPackage ?? null,
    groupItems(k.ownGroup),
    groupItems(k.peerGroup),
    k.authenticators
      ? [k.authenticators.inviterGroup, k.authenticators.claimerGroup ?? null]
      : null,
    k.wonBy ?? null,
    k.announcements,
    k.verdicts,
    k.resetSecret ?? null,
    recoveryItems(k.recovery),
  ])
}

function recoveryItems(r: Recovery | undefined): CborValue {
  if (r === undefined) return null
  return [
    r.side,
    r.isOurs,
    r.claimerRoot,
    r.ownSeed,
    announcedItems(r.over),
    announcedItems(r.answer),
    r.formerDevice ?? null,
    r.startedAt,
    r.announcements,
    r.firstSlot,
    r.announceAt,
  ]
}

function recoveryOf(value: unknown): Recovery | undefined {
  if (value === null) return undefined
  const v = list(value, 11)
  return {
    side: v[0] as Recovery['side'],
    isOurs: v[1] as boolean,
    claimerRoot: v[2] as Uint8Array,
    ownSeed: v[3] as Uint8Array,
    over: announcedOf(v[4]),
    answer: announcedOf(v[5]),
    formerDevice: (v[6] ?? undefined) as Uint8Array | undefined,
    startedAt: v[7] as number,
    announcements: v[8] as number,
    firstSlot: v[9] as number,
    announceAt: v[10] as number,
  }
}

function announcedItems(said: Announced | undefined): CborValue {
  return said === undefined ? null : [said.root, said.at]
}

function announcedOf(value: unknown): Announced | undefined {
  if (value === null) return undefined
  const [root, at] = list(value, 2)
  return { root: root as Uint8Array, at: at as number }
}

function groupItems(g: HeldGroup | undefined): CborValue {
  return g === undefined ? null : [g.generation, g.epoch, g.state, g.writerRoot]
}

/** @throws HearsayError `storage-corrupt`. */
export function decodeKeys(bytes: Uint8Array): ContactKeys {
  const v = decodeStored(bytes, 18)
  const maybe = (at: number) => (v[at] ?? undefined) as Uint8Array | undefined
  const auth = v[12] === null ? undefined : list(v[12], 2)
  return {
    accountSeed: maybe(0),
    deviceId: v[1] as Uint8Array,
    inviteSecret: maybe(2),
    inviterRoot: v[3] as Uint8Array,
    rendezvousSeed: maybe(4),
    conversation: maybe(5),
    theirAccount: maybe(6),
    theirDevice: maybe(7),
    keyPackages: (v[8] as unknown[]).map((item) => {
      const [keyPackage, secret, createdAt] = list(item, 3)
      return {
        keyPackage: keyPackage as Uint8Array,
        secret: secret as Uint8Array,
        createdAt: createdAt as number,
      }
    }),
    theirKeyPackage: maybe(9),
    ownGroup: groupOf(v[10]),
    peerGroup: groupOf(v[11]),
    authenticators: auth && {
      inviterGroup: auth[0] as Uint8Array,
      claimerGroup: (auth[1] ?? undefined) as Uint8Array | undefined,
    },
    wonBy: maybe(13),
    announcements: v[14] as number,
    verdicts: v[15] as number,
    resetSecret: maybe(16),
    recovery: recoveryOf(v[17]),
  }
}

function groupOf(value: unknown): HeldGroup | undefined {
  if (value === null) return undefined
  const [generation, epoch, state, writerRoot] = list(value, 4)
  return {
    generation: generation as number,
    epoch: epoch as number,
    state: state as Uint8Array,
    writerRoot: writerRoot as Uint8Array,
  }
}

export function encodeWriter(state: WriterState): Uint8Array {
  const epoch = (e: WriteEpoch) => [e.tag, e.chain.index, e.chain.chainKey, e.rootSeed, e.since]
  const { staged } = state
  return encodeCbor([
    epoch(state.epoch),
    staged ? [epoch(staged.epoch), staged.afterQueued, staged.stagedAt] : null,
    state.nextSeq,
    state.nextQueued,
  ])
}

/** @throws HearsayError `storage-corrupt`. */
export function decodeWriter(bytes: Uint8Array): WriterState {
  const v = decodeStored(bytes, 4)
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
    epoch: epoch(v[0]),
    staged: staged && {
      epoch: epoch(staged[0]),
      afterQueued: staged[1] as number,
      stagedAt: staged[2] as number,
    },
    nextSeq: v[2] as number,
    nextQueued: v[3] as number,
  }
}

/** @throws HearsayError `bug` when rows of its readers are not stored. */
export function encodeReader(contact: Contact): Uint8Array {
  return encodeCbor([
    contact.reader?.encode() ?? null,
    contact.ackDueAt ?? null,
    contact.formers.length === 0
      ? null
      : contact.formers.flatMap(({ reader, until }) => [reader.encode(), until]),
  ])
}

/** @throws HearsayError `storage-corrupt`. */
export function decodeReader(
  options: ReaderOptions,
  bytes: Uint8Array,
  find: FindRows,
): Pick<Contact, 'reader' | 'ackDueAt' | 'formers'> {
  const v = decodeStored(bytes, 3, 4)
  return {
    reader: v[0] === null ? undefined : StreamReader.decode(options, v[0], find),
    ackDueAt: (v[1] ?? undefined) as number | undefined,
    // Earlier stores have an item before it: boxes that were read and that one peer alone was known to have.
    formers: formersOf(options, v.at(-1), find),
  }
}

/** Pairs of a reader and the time of its end, flat. */
function formersOf(options: ReaderOptions, value: unknown, find: FindRows): FormerStream[] {
  const items = value === null ? [] : value
  if (!Array.isArray(items) || items.length % 2 !== 0) {
    throw new HearsayError('storage-corrupt', 'former streams do not decode')
  }
  return Array.from({ length: items.length / 2 }, (_, i) => ({
    reader: StreamReader.decode(options, items[2 * i], find),
    until: items[2 * i + 1] as number,
  }))
}

function list(value: unknown, ...lengths: readonly number[]): unknown[] {
  if (!Array.isArray(value) || !lengths.includes(value.length)) {
    throw new HearsayError('storage-corrupt', 'a stored contact does not decode')
  }
  return value
}
