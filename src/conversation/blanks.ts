import { toHex } from '../base/index.ts'
import type { Contact, ContactCard, ContactKeys } from './contact.ts'
import { RENDEZVOUS_TAG } from './epoch-tag.ts'
import type { WriterState } from './writer.ts'

/** What stands where a contact has nothing yet, or has lost it. */

/** Of a contact whose keys are not read yet. */
export const NO_KEYS: ContactKeys = {
  accountSeed: undefined,
  deviceId: new Uint8Array(),
  inviteSecret: undefined,
  inviterRoot: new Uint8Array(),
  rendezvousSeed: undefined,
  conversation: undefined,
  theirAccount: undefined,
  theirDevice: undefined,
  keyPackages: [],
  theirKeyPackage: undefined,
  ownGroup: undefined,
  peerGroup: undefined,
  authenticators: undefined,
  wonBy: undefined,
  announcements: 0,
  verdicts: 0,
  resetSecret: undefined,
  recovery: undefined,
}

/** In the place of a card that is lost: it is there to be ended. */
export const LOST_CARD: ContactCard = {
  alias: '',
  role: 'inviter',
  inviteId: '',
  createdAt: 0,
  inviteExpiresAt: 0,
  storeEpoch: '',
  phase: 'waiting',
  reason: '',
  verified: false,
  boxesDone: 0,
  lastHeardAt: 0,
  heardDay: 0,
  missingSince: 0,
  missingNext: 0,
  awayDay: 0,
  resetSince: 0,
  resets: [],
}

/** Of a writer that only holds what waits: nobody could read what it wrote. */
export function emptyWriter(): WriterState {
  return {
    epoch: {
      tag: RENDEZVOUS_TAG,
      chain: { index: 0, chainKey: new Uint8Array(32) },
      rootSeed: new Uint8Array(32),
      since: 0,
    },
    staged: undefined,
    nextSeq: 1,
    nextQueued: 1,
  }
}

/** A contact without streams. */
export function blankContact(id: Uint8Array, card: ContactCard, keys: ContactKeys): Contact {
  return {
    id,
    key: toHex(id),
    card,
    keys,
    writer: undefined,
    reader: undefined,
    formers: [],
    claims: new Map(),
    ackDueAt: undefined,
    isCardUnsaved: false,
    ackLeft: undefined,
    ackDay: 0,
    busy: false,
    jobsLost: 0,
    jobsAfter: 0,
    announceAt: 0,
    verdictDue: false,
    outboxBytes: 0,
  }
}
