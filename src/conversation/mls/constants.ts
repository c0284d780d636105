import type { CiphersuiteName } from 'ts-mls'

/** SPEC §2. The library's private number for X-Wing, ChaCha20-Poly1305, SHA-512 and Ed25519. */
export const MLS_CIPHER_SUITE_ID = 84
/** The same suite by the library's name; a test compares the two. */
export const MLS_CIPHER_SUITE: CiphersuiteName = 'MLS_256_XWING_CHACHA20POLY1305_SHA512_Ed25519'
/** Leaf-node extension that carries the mailbox root R, in the private range of RFC 9420 §17.3. */
export const MAILBOX_ROOT_EXTENSION = 0xf4b1
export const MAILBOX_ROOT_BYTES = 32

/** The only leaf that may commit: the writer of the stream. */
export const OWNER_LEAF = 0
/** Devices of one conversation in one send group (design: larger conversations share one group). */
export const MAX_GROUP_LEAVES = 8
export const GROUP_ID_BYTES = 32
export const MAX_CREDENTIAL_BYTES = 1024
export const MAX_PSK_ID_BYTES = 64
export const PSK_SECRET_BYTES = 32

export const SIGNATURE_SEED_BYTES = 32
export const SIGNATURE_KEY_BYTES = 32
export const HPKE_PUBLIC_KEY_BYTES = 1216
export const HPKE_PRIVATE_KEY_BYTES = 32
/** Output length of SHA-512, which is also the length of every MLS secret and of a PSK nonce. */
export const MLS_HASH_BYTES = 64

export const STREAM_SECRET_BYTES = 32
export const STREAM_EXPORTER_LABEL = 'hearsay/stream'

export const MAX_KEY_PACKAGE_LIFETIME_S = 30 * 86_400
export const KEY_PACKAGE_CLOCK_SKEW_S = 3_600

export const MAX_KEY_PACKAGE_BYTES = 8_192
export const MAX_COMMIT_BYTES = 65_536
export const MAX_WELCOME_BYTES = 65_536
export const MAX_STATE_BYTES = 65_536

export const STATE_VERSION = 1
export const KEY_PACKAGE_SECRET_VERSION = 1
