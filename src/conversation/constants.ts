// Specification: changing one of these is a new protocol version.

/** Layout of an invitation: version 1 | network tag 4 | expiry hour 4 | secret 32 | R_I 32 | checksum 4. */
export const INVITATION_VERSION = 1
export const INVITATION_NETWORK_TAG_BYTES = 4
export const INVITATION_SECRET_BYTES = 32
export const INVITATION_CHECKSUM_BYTES = 4
export const INVITATION_BYTES =
  1 +
  INVITATION_NETWORK_TAG_BYTES +
  4 +
  INVITATION_SECRET_BYTES +
  32 +
  INVITATION_CHECKSUM_BYTES

/** 60 decimal digits carry 199 bits of the safety number's hash. */
export const SAFETY_NUMBER_DIGITS = 60
export const CONTACT_ID_BYTES = 16
export const MESSAGE_ID_BYTES = 16
export const DEVICE_ID_BYTES = 16
export const CONVERSATION_ID_BYTES = 32
/** Longest text of one message, bytes of UTF-8; a frame and its record stay below 256 KiB. */
export const TEXT_BYTES_MAX = 65536
/** Missing record numbers that one ack may name. More would let a peer order unbounded repairs. */
export const ACK_MISSING_MAX = 16
/** A record is offered again at most this often, plus once for an authenticated gap report. */
export const OFFERS_MAX = 3
/** Boxes of one epoch after which the next sending refreshes the send group. */
export const REFRESH_BOXES = 100
/** Age of an epoch after which the next sending refreshes the send group, milliseconds. */
export const REFRESH_AGE_MS = 86_400_000
/** Texts stay in the old epoch at most this long without an ack of the new one, milliseconds. */
export const SWITCH_WAIT_MS = 3_600_000
/** Lifetime of a KeyPackage, milliseconds: the adapter's limit of 30 days less the clock tolerance. */
export const KEY_PACKAGE_LIFETIME_MS = 28 * 86_400_000

// Implementation: tunable without a new version.

/** Contacts of one home. */
export const CONTACTS_MAX = 10_000
/** Records accepted and not yet acknowledged, per contact: above it `messages.send` answers quota. */
export const OUTBOX_RECORDS_MAX = 10_000
/** Bytes of texts accepted and not yet acknowledged, per contact. */
export const OUTBOX_BYTES_MAX = 32 * 1024 * 1024
/** Records that a reader holds while an earlier one is missing. */
export const HELD_RECORDS_MAX = 512
/** Bytes that a reader holds while an earlier record is missing. */
export const HELD_BYTES_MAX = 1024 * 1024
/** Claims that an inviter follows at once; more would let holders of a leaked URI fill memory. */
export const CLAIMS_MAX = 4
/** Boxes of a whole key exchange, for the progress display. */
export const EXCHANGE_BOXES = 12
/** Probes beyond the first missing index, so that an index reserved before a crash hides nothing. */
export const PROBE_AHEAD = 3
/** Longest value of ours on disk: a reader with everything it may hold. */
export const STORED_BYTES_MAX = 8 * 1024 * 1024
export const ALIAS_BYTES_MAX = 64
export const INVITE_TTL_MS_DEFAULT = 86_400_000
export const INVITE_TTL_MS_MAX = 14 * 86_400_000
/** Audits waiting at once; older ones are dropped first, they only confirm storage. */
export const AUDITS_MAX = 256
