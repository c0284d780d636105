import { type Contact, hasMet } from './contact.ts'
import { accountKeyOf } from './reset-stream.ts'

/** What two sides share who make keys: an invitation or, when one of them came back, the reset secret. SECRET. */
export interface Meeting {
  readonly side: 'inviter' | 'claimer'
  /** Places, keys and the PSK come from it. */
  readonly secret: Uint8Array
  /** Names the exchange in credentials: R_I, or the account key of the side that answers. 32 bytes. */
  readonly inviterRoot: Uint8Array
  /** Seed of R_C on the claimer's side. */
  readonly claimerSeed: Uint8Array | undefined
}

/** The exchange that the contact is in; undefined when its secrets are gone. */
export function meetingOf(contact: Contact): Meeting | undefined {
  return hasMet(contact) ? resetMeeting(contact) : invitationMeeting(contact)
}

/** The exchange in which a claim of the other side would be answered. */
export function answeringMeeting(contact: Contact): Meeting | undefined {
  return hasMet(contact) ? answerToReset(contact) : invitationMeeting(contact)
}

function invitationMeeting({ card, keys }: Contact): Meeting | undefined {
  const { inviteSecret: secret, rendezvousSeed, inviterRoot } = keys
  if (secret === undefined || rendezvousSeed === undefined) return undefined
  const claimerSeed = card.role === 'claimer' ? rendezvousSeed : undefined
  return { side: card.role, secret, inviterRoot, claimerSeed }
}

function resetMeeting(contact: Contact): Meeting | undefined {
  const { resetSecret, theirAccount, recovery } = contact.keys
  if (recovery?.side !== 'claimer') return answerToReset(contact)
  if (resetSecret === undefined || theirAccount === undefined) return undefined
  const { side, ownSeed: claimerSeed } = recovery
  return { side, secret: resetSecret, inviterRoot: theirAccount, claimerSeed }
}

function answerToReset({ keys }: Contact): Meeting | undefined {
  const { resetSecret: secret, accountSeed } = keys
  if (secret === undefined || accountSeed === undefined) return undefined
  const inviterRoot = accountKeyOf(accountSeed)
  return { side: 'inviter', secret, inviterRoot, claimerSeed: undefined }
}
