/** Who is at fault decides the log level, the peer's score and whether a caller may retry. */
export type FaultClass = 'usage' | 'peer' | 'busy' | 'storage' | 'crypto' | 'trust' | 'bug'

/**
 * Every error code of the library and its fault class. `rpc/errors.ts` maps codes to the numbers of the
 * public API; `mailbox` and `directory` blame a peer for the class `peer`.
 */
export const ERROR_CODES = {
  // base and wire
  'bad-length': 'peer',
  'bad-encoding': 'peer',
  'bad-value': 'peer',
  'bad-version': 'peer',
  'trailing-bytes': 'peer',
  'too-large': 'usage',
  aborted: 'busy',
  timeout: 'busy',
  overloaded: 'busy',
  bug: 'bug',
  // crypto
  'open-failed': 'crypto',
  'bad-signature': 'crypto',
  'bad-key': 'crypto',
  // store
  'storage-failed': 'storage',
  'storage-full': 'storage',
  'storage-corrupt': 'storage',
  'storage-locked': 'storage',
  'storage-poisoned': 'storage',
  'storage-permissions': 'storage',
  'storage-key-mismatch': 'storage',
  'storage-version': 'storage',
  'cursor-too-old': 'usage',
  'cursor-ahead': 'usage',
  'consumer-exists': 'usage',
  'consumer-not-found': 'usage',
  // network and directory
  'network-file-invalid': 'trust',
  'network-file-expired': 'trust',
  'network-mismatch': 'trust',
  'network-not-joined': 'usage',
  'network-already-joined': 'usage',
  'not-operator': 'usage',
  'not-admitted': 'peer',
  'not-courier': 'busy',
  'clock-skew': 'busy',
  'no-peers': 'busy',
  'not-found': 'usage',
  'address-in-use': 'usage',
  'listen-failed': 'usage',
  'peer-unreachable': 'busy',
  'request-failed': 'peer',
  // conversations
  'invite-invalid': 'trust',
  'invite-expired': 'trust',
  'invite-used': 'trust',
  'contact-not-found': 'usage',
  'contact-not-ready': 'usage',
  'contact-exists': 'usage',
  'message-not-found': 'usage',
  'message-too-late': 'usage',
  'idempotency-conflict': 'usage',
  'quota-exceeded': 'busy',
  'identity-changed': 'trust',
  'mls-rejected': 'peer',
  'record-too-large': 'usage',
  equivocation: 'peer',
  'not-running': 'busy',
} as const satisfies Record<string, FaultClass>

export type ErrorCode = keyof typeof ERROR_CODES
