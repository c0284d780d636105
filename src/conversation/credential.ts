import { concat } from '../base/index.ts'
import {
  hash,
  LABELS,
  PUBLIC_KEY_BYTES,
  sign,
  SIGNATURE_BYTES,
  type SignKeyPair,
  verify,
} from '../crypto/index.ts'
import { Reader } from '../wire/index.ts'
import { CREDENTIAL_BYTES, CREDENTIAL_VERSION, DEVICE_ID_BYTES } from './constants.ts'

/** What a leaf's credential vouches for. */
export interface CredentialSubject {
  /** Ed25519 key that signs in MLS, 32 bytes. */
  readonly leafKey: Uint8Array
  /** The device's mailbox root R, 32 bytes. */
  readonly mailboxRoot: Uint8Array
  readonly deviceId: Uint8Array
  /** Conversation id, or the invitation's binding before that exists. 32 bytes. */
  readonly conversation: Uint8Array
}

export interface Credential {
  readonly accountKey: Uint8Array
  readonly deviceId: Uint8Array
}

function statement(subject: CredentialSubject, accountKey: Uint8Array): Uint8Array {
  return hash(
    LABELS.credential,
    accountKey,
    subject.leafKey,
    subject.mailboxRoot,
    subject.deviceId,
    subject.conversation,
  )
}

/** Signs a device's leaf into a conversation with the conversation's account key. `CREDENTIAL_BYTES`. */
export function createCredential(account: SignKeyPair, subject: CredentialSubject): Uint8Array {
  return concat(
    Uint8Array.of(CREDENTIAL_VERSION),
    account.publicKey,
    subject.deviceId,
    sign(statement(subject, account.publicKey), account.secretKey),
  )
}

/**
 * The account and device that a credential names, if its signature holds for exactly this leaf key, mailbox
 * root and conversation; otherwise undefined. Strict: any other length or version is undefined too.
 */
export function tryOpenCredential(
  bytes: Uint8Array,
  subject: Omit<CredentialSubject, 'deviceId'>,
): Credential | undefined {
  if (bytes.length !== CREDENTIAL_BYTES || bytes[0] !== CREDENTIAL_VERSION) return undefined
  const reader = new Reader(bytes)
  reader.u8('version')
  const accountKey = reader.bytes(PUBLIC_KEY_BYTES, 'accountKey')
  const deviceId = reader.bytes(DEVICE_ID_BYTES, 'deviceId')
  const signature = reader.bytes(SIGNATURE_BYTES, 'signature')
  if (!verify(signature, statement({ ...subject, deviceId }, accountKey), accountKey))
    return undefined
  return { accountKey: accountKey.slice(), deviceId: deviceId.slice() }
}
