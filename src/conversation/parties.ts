import { HearsayError, type NetworkId } from '../base/index.ts'
import { signKeyPairFromSeed } from '../crypto/index.ts'
import type { Contact } from './contact.ts'
import { safetyNumber } from './identifiers.ts'
import type { Peer, Self } from './job-types.ts'

/** Who we are to this contact. @throws HearsayError `bug` when the contact has ended. */
export function selfOf(contact: Contact, networkId: NetworkId): Self {
  const { accountSeed, deviceId } = contact.keys
  if (accountSeed === undefined) throw new HearsayError('bug', 'the contact has ended')
  return { networkId, accountSeed, deviceId }
}

/** Who the contact is. @throws HearsayError `bug` before the other side is known. */
export function peerOf(contact: Contact): Peer {
  const { conversation, theirAccount, theirDevice } = contact.keys
  if (conversation === undefined || theirAccount === undefined || theirDevice === undefined) {
    throw new HearsayError('bug', 'the other side is not known yet')
  }
  return { conversation, accountKey: theirAccount, deviceId: theirDevice }
}

/** Undefined before the other side is known and after the contact has ended. */
export function safetyNumberOf(contact: Contact, networkId: NetworkId): string | undefined {
  const { accountSeed, theirAccount } = contact.keys
  if (theirAccount === undefined || accountSeed === undefined) return undefined
  return safetyNumber(networkId, signKeyPairFromSeed(accountSeed).publicKey, theirAccount)
}
