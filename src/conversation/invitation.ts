import {
  concat,
  equalBytes,
  fromBase64Url,
  HearsayError,
  HOUR_MS,
  isHearsayError,
  type NetworkId,
  toBase64Url,
  u32be,
} from '../base/index.ts'
import { hash, isValidPoint, LABELS } from '../crypto/index.ts'
import { Reader } from '../wire/index.ts'
import {
  INVITATION_BYTES,
  INVITATION_CHECKSUM_BYTES,
  INVITATION_NETWORK_TAG_BYTES,
  INVITATION_SECRET_BYTES,
  INVITATION_VERSION,
} from './constants.ts'

const PREFIX = 'hearsay:invite/'

/** A one-time invitation: whoever holds it may become this one contact, and nobody else after that. */
export interface Invitation {
  /** Shared secret, 32 bytes: rendezvous addresses, keys and the PSK of both send groups come from it. */
  readonly secret: Uint8Array
  /** R_I, 32 bytes: only its owner can write the inviter's rendezvous stream. */
  readonly inviterRoot: Uint8Array
  /** Milliseconds; rounded up to an hour in the URI. */
  readonly expiresAt: number
}

/** `hearsay:invite/<base64url>`: version | network tag | expiry hour | secret | R_I | checksum. SPEC §2. */
export function encodeInvitation(networkId: NetworkId, invitation: Invitation): string {
  const body = concat(
    Uint8Array.of(INVITATION_VERSION),
    networkId.subarray(0, INVITATION_NETWORK_TAG_BYTES),
    u32be(Math.ceil(invitation.expiresAt / HOUR_MS)),
    invitation.secret,
    invitation.inviterRoot,
  )
  return PREFIX + toBase64Url(concat(body, checksum(body)))
}

/**
 * Reads an invitation and names its fault: `invite-invalid` (reason: prefix, encoding, length, checksum,
 * version, root), `network-mismatch` when it is for another network, `invite-expired`.
 */
export function decodeInvitation(uri: string, networkId: NetworkId, now: number): Invitation {
  const text = uri.trim()
  if (!text.startsWith(PREFIX)) throw invalid('prefix', 'an invitation begins with hearsay:invite/')
  const bytes = decodeBody(text.slice(PREFIX.length))
  if (bytes.length !== INVITATION_BYTES)
    throw invalid('length', 'the invitation is cut or too long')
  const body = bytes.subarray(0, INVITATION_BYTES - INVITATION_CHECKSUM_BYTES)
  if (!equalBytes(checksum(body), bytes.subarray(body.length))) {
    throw invalid('checksum', 'the invitation was changed or mistyped')
  }
  const reader = new Reader(body)
  if (reader.u8('version') !== INVITATION_VERSION) {
    throw invalid('version', 'the invitation is of another version of Hearsay')
  }
  const tag = reader.bytes(INVITATION_NETWORK_TAG_BYTES, 'networkTag')
  const expiresAt = reader.u32('expiryHour') * HOUR_MS
  const secret = reader.bytes(INVITATION_SECRET_BYTES, 'secret').slice()
  const inviterRoot = reader.bytes(32, 'inviterRoot').slice()
  if (!equalBytes(tag, networkId.subarray(0, INVITATION_NETWORK_TAG_BYTES))) {
    throw new HearsayError('network-mismatch', 'the invitation is for another network')
  }
  if (!isValidPoint(inviterRoot)) throw invalid('root', 'the invitation names no key')
  if (expiresAt <= now) {
    throw new HearsayError('invite-expired', 'the invitation has expired; ask for a new one')
  }
  return { secret, inviterRoot, expiresAt }
}

function checksum(body: Uint8Array): Uint8Array {
  return hash(LABELS.invitationChecksum, body).subarray(0, INVITATION_CHECKSUM_BYTES)
}

function decodeBody(text: string): Uint8Array {
  try {
    return fromBase64Url(text)
  } catch (error) {
    if (isHearsayError(error)) throw invalid('encoding', 'the invitation has a wrong character')
    throw error
  }
}

function invalid(reason: string, message: string): HearsayError {
  return new HearsayError('invite-invalid', message, { reason })
}
