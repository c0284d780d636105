import type { ErrorCode } from '../src/base/index.ts'

/** How one error of the public API looks; `details` names the fields that may join `data`. */
export interface RpcErrorKind {
  readonly code: number
  readonly message: string
  readonly retryable: boolean
  readonly retryAfterMs?: number
  readonly hint?: string
  readonly details?: readonly string[]
  /** The number is taken and no method of this release answers it. */
  readonly reserved?: true
}

const kind = (code: number, message: string, more: Partial<RpcErrorKind> = {}): RpcErrorKind => ({
  code,
  message,
  retryable: false,
  ...more,
})
const again = (retryAfterMs?: number): Partial<RpcErrorKind> =>
  retryAfterMs === undefined ? { retryable: true } : { retryable: true, retryAfterMs }

/** Every error that a reply may carry. Numbers and names never change meaning; docs/rpc.md lists them. */
export const RPC_ERRORS = {
  PARSE_ERROR: kind(-32700, 'not a JSON text in UTF-8'),
  INVALID_REQUEST: kind(-32600, 'not a JSON-RPC 2.0 request', {
    hint: '{"jsonrpc":"2.0","id":1,"method":"node.status","params":{}}',
  }),
  METHOD_NOT_FOUND: kind(-32601, 'no such method', { hint: 'rpc.discover lists the methods' }),
  INVALID_PARAMS: kind(-32602, 'params do not fit the method', {
    hint: 'rpc.discover has the schema of every method',
  }),
  INTERNAL: kind(-32603, 'internal error', { hint: 'search the log for ref' }),

  UNAUTHENTICATED: kind(1000, 'a valid token is needed', {
    hint: 'send the content of rpc.cookie as a bearer token',
  }),
  FORBIDDEN: kind(1001, 'the caller may not do this', {
    hint: 'use a token that has the scope, or the unix socket',
    details: ['scope'],
  }),
  LOCKED: kind(1002, 'the vault is locked', { reserved: true }),
  NOT_READY: kind(1003, 'the node is not ready', {
    ...again(500),
    hint: 'node.wait {for: "ready"}',
  }),
  SHUTTING_DOWN: kind(1004, 'the daemon is stopping', {
    ...again(2_000),
    hint: 'connect again when it is back; repeat mutations under the same idempotencyKey',
  }),
  RATE_LIMITED: kind(1005, 'too many failed attempts', again(60_000)),
  TOO_LARGE: kind(1006, 'too large', {
    hint: 'a text has at most 65536 bytes: send it in parts',
    details: ['limit'],
  }),
  OVERLOADED: kind(1007, 'too much at once', {
    ...again(1_000),
    hint: 'wait, and have fewer calls or subscriptions under way',
  }),
  STORAGE_FULL: kind(1008, 'the disk is full', {
    ...again(5_000),
    hint: 'free space: the node then goes on by itself; repeat mutations under the same idempotencyKey',
    details: ['field'],
  }),
  STORAGE_READONLY: kind(1009, 'the store does not accept writes', {
    ...again(5_000),
    hint: 'reading goes on, and the node goes on by itself once the disk takes writes; what was under way may have happened: repeat it under the same idempotencyKey',
  }),
  API_VERSION: kind(1010, 'this version of the API is not served', { reserved: true }),
  TIMEOUT: kind(1011, 'not reached in time', {
    ...again(),
    hint: 'it goes on in the background: ask again, or wait longer with timeoutMs',
  }),
  CANCELLED: kind(1012, 'cancelled', again()),
  NOT_FOUND: kind(1013, 'no such thing', { hint: 'it may have ended or been removed: list again' }),
  ADDRESS_IN_USE: kind(1014, 'the address is taken by another process', {
    hint: 'choose another port in listen (config.toml), or 0 for any',
  }),
  LISTEN_FAILED: kind(1015, 'the node cannot listen on its addresses', {
    hint: 'listen in config.toml takes addresses of this machine: /ip4/0.0.0.0/tcp/7760',
  }),

  CONTACT_NOT_FOUND: kind(1100, 'no such contact', { hint: 'contacts.list' }),
  CONTACT_NOT_READY: kind(1101, 'the key exchange with this contact is not finished', {
    ...again(5_000),
    hint: 'both nodes have to be online: contacts.get shows the progress, or why it failed',
  }),
  INVITE_INVALID: kind(1102, 'not a valid invitation', {
    hint: 'copy the whole URI, from hearsay:invite to its last character',
  }),
  INVITE_EXPIRED: kind(1103, 'the invitation has expired', {
    hint: 'ask for a new one; if it is fresh, the clock of this machine is ahead',
  }),
  INVITE_USED: kind(1104, 'the invitation was used already', { hint: 'ask for a new one' }),
  IDENTITY_CHANGED: kind(1105, 'the safety number does not match', {
    hint: 'compare it with the contact over another channel',
  }),
  BLOCKED: kind(1106, 'the contact is blocked', { reserved: true }),
  CONTACT_EXISTS: kind(1107, 'a contact of this name exists', {
    hint: 'choose another name; contacts.list shows those in use',
  }),

  MESSAGE_NOT_FOUND: kind(1200, 'no such message', { hint: 'messages.list' }),
  IDEMPOTENCY_CONFLICT: kind(1201, 'the idempotency key was used with other params', {
    hint: 'take a fresh key for every new request; keys are remembered for 30 days and longer',
  }),
  EXPIRED: kind(1202, 'the message has expired', { reserved: true }),
  QUOTA: kind(1203, 'the quota is used up', {
    ...again(60_000),
    hint: 'outbox.list shows what waits: let it be delivered, or take some of it back with messages.cancel; contacts.remove ends what waits for a contact that does not come back',
    details: ['limit', 'of'],
  }),
  TOO_LATE: kind(1204, 'the message has left or is final', {
    hint: 'only a message in the state queued can be taken back',
    details: ['alreadySent'],
  }),

  NETWORK_FILE_INVALID: kind(1300, 'not a valid network file', {
    hint: 'copy the file or URI again, complete; fault and field say what is wrong',
    details: ['fault', 'field'],
  }),
  NETWORK_MISMATCH: kind(1301, 'this is another network than expected', {
    hint: 'compare the words with those that network.inspect shows',
  }),
  ALREADY_JOINED: kind(1302, 'a network is joined already', { hint: 'network.leave first' }),
  NO_PEERS: kind(1303, 'no peer is reachable', {
    ...again(5_000),
    hint: 'node.doctor; the addresses of network.get have to be reachable from here',
  }),
  NOT_OPERATOR: kind(1304, 'only the operator of the network can do this', {
    hint: 'ask whoever created the network; its key is in the home of network.create',
  }),
  CLOCK_SKEW: kind(1305, 'the clock of this machine is wrong', {
    ...again(),
    hint: 'set the clock: timedatectl set-ntp true',
    details: ['skewMs'],
  }),
  NOT_JOINED: kind(1306, 'no network is joined', { hint: 'network.join' }),
  NOT_ADMITTED: kind(1307, 'the network admits nodes by invitation only', {
    hint: 'ask the operator for the URI of a network.invite',
  }),

  CURSOR_TOO_OLD: kind(1400, 'events after this position are gone', {
    hint: 'read the lists again and subscribe after asOfSeq; a consumer goes on after events.ack {consumer, seq: oldest - 1}',
    details: ['oldest'],
  }),
  CURSOR_AHEAD: kind(1401, 'this position does not exist yet in this epoch', {
    hint: 'the database was restored or is another one, and what came after the backup is gone: forget old numbers and subscribe anew; a consumer goes on where the backup left it, without one read the lists again',
    details: ['head', 'epoch'],
  }),
  CONSUMER_BUSY: kind(1402, 'the consumer has a subscription already', {
    ...again(1_000),
    hint: 'one reader per consumer: stop the other one, or create a consumer of your own',
  }),
  SLOW_CONSUMER: kind(1403, 'the consumer is too slow', { reserved: true }),
  CONSUMER_NOT_FOUND: kind(1404, 'no such consumer', { hint: 'events.consumers.create' }),
  CONSUMER_EXISTS: kind(1405, 'the consumer exists with other settings', {
    hint: 'choose another name, or events.consumers.delete',
  }),
} as const satisfies Record<string, RpcErrorKind>

export type RpcErrorName = keyof typeof RPC_ERRORS

/**
 * The public error of each library error. Decoder errors count as the caller's: only input reaches a
 * decoder inside a call, the store has codes of its own.
 */
export const ERROR_MAP: Readonly<Record<ErrorCode, RpcErrorName>> = {
  'bad-length': 'INVALID_PARAMS',
  'bad-encoding': 'INVALID_PARAMS',
  'bad-value': 'INVALID_PARAMS',
  'bad-version': 'INVALID_PARAMS',
  'trailing-bytes': 'INVALID_PARAMS',
  'too-large': 'TOO_LARGE',
  aborted: 'CANCELLED',
  timeout: 'TIMEOUT',
  overloaded: 'OVERLOADED',
  bug: 'INTERNAL',
  'open-failed': 'INTERNAL',
  'bad-signature': 'INTERNAL',
  'bad-key': 'INTERNAL',
  'storage-failed': 'STORAGE_READONLY',
  'storage-full': 'STORAGE_FULL',
  'storage-corrupt': 'STORAGE_READONLY',
  'storage-locked': 'STORAGE_READONLY',
  'storage-poisoned': 'STORAGE_READONLY',
  'storage-permissions': 'STORAGE_READONLY',
  'not-courier': 'INTERNAL',
  'storage-key-mismatch': 'STORAGE_READONLY',
  'storage-version': 'STORAGE_READONLY',
  'cursor-too-old': 'CURSOR_TOO_OLD',
  'cursor-ahead': 'CURSOR_AHEAD',
  'consumer-exists': 'CONSUMER_EXISTS',
  'consumer-not-found': 'CONSUMER_NOT_FOUND',
  'network-file-invalid': 'NETWORK_FILE_INVALID',
  'network-file-expired': 'NETWORK_FILE_INVALID',
  'network-mismatch': 'NETWORK_MISMATCH',
  'network-not-joined': 'NOT_JOINED',
  'network-already-joined': 'ALREADY_JOINED',
  'not-operator': 'NOT_OPERATOR',
  'not-admitted': 'NOT_ADMITTED',
  'clock-skew': 'CLOCK_SKEW',
  'no-peers': 'NO_PEERS',
  'not-found': 'NOT_FOUND',
  'address-in-use': 'ADDRESS_IN_USE',
  'invite-invalid': 'INVITE_INVALID',
  'invite-expired': 'INVITE_EXPIRED',
  'invite-used': 'INVITE_USED',
  'contact-not-found': 'CONTACT_NOT_FOUND',
  'contact-not-ready': 'CONTACT_NOT_READY',
  'contact-exists': 'CONTACT_EXISTS',
  'message-not-found': 'MESSAGE_NOT_FOUND',
  'message-too-late': 'TOO_LATE',
  'idempotency-conflict': 'IDEMPOTENCY_CONFLICT',
  'quota-exceeded': 'QUOTA',
  'identity-changed': 'IDENTITY_CHANGED',
  'mls-rejected': 'INTERNAL',
  'record-too-large': 'TOO_LARGE',
  equivocation: 'INTERNAL',
  'not-running': 'NOT_READY',
  'listen-failed': 'LISTEN_FAILED',
  'peer-unreachable': 'NO_PEERS',
  'request-failed': 'NO_PEERS',
}
