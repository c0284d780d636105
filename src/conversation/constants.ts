// Specification: changing one of these is a new protocol version.

/** version 1 | network tag 4 | expiry hour 4 | secret 32 | R_I 32 | checksum 4. */
export const INVITATION_VERSION = 1
export const INVITATION_NETWORK_TAG_BYTES = 4
export const INVITATION_SECRET_BYTES = 32
export const INVITATION_CHECKSUM_BYTES = 4
export const INVITATION_BYTES =
  1 + INVITATION_NETWORK_TAG_BYTES + 4 + INVITATION_SECRET_BYTES + 32 + INVITATION_CHECKSUM_BYTES
export const CREDENTIAL_VERSION = 1
export const DEVICE_ID_BYTES = 16
/** version 1 | account key 32 | device id 16 | signature 64. */
export const CREDENTIAL_BYTES = 1 + 32 + DEVICE_ID_BYTES + 64
export const SAFETY_NUMBER_DIGITS = 60
export const CONTACT_ID_BYTES = 16
export const MESSAGE_ID_BYTES = 16
export const TEXT_BYTES_MAX = 65_536
export const MLS_MESSAGE_BYTES_MAX = 65_536
export const AUTHENTICATOR_BYTES = 64
export const RECORD_DIGEST_BYTES = 16
export const ACK_RANGES_MAX = 16
export const OFFERS_MAX = 8
export const GAP_OFFERS_MAX = 8
export const ANNOUNCEMENTS_MAX = 1 + OFFERS_MAX
export const REFRESH_BOXES = 100
export const REFRESH_AGE_MS = 86_400_000
export const SWITCH_WAIT_MS = 3_600_000
export const KEY_PACKAGE_LIFETIME_MS = 28 * 86_400_000
export const RESET_SLOTS = 4

// Implementation: tunable without a new version.

export const CONTACTS_MAX = 10_000
export const OUTBOX_RECORDS_MAX = 10_000
export const OUTBOX_BYTES_MAX = 32 * 1024 * 1024
export const OUTBOX_TOTAL_RECORDS_MAX = 50_000
export const OUTBOX_TOTAL_BYTES_MAX = 64 * 1024 * 1024
export const OUTBOX_SHARE_MAX = 2
export const HELD_RECORDS_MAX = 512
export const HELD_BYTES_MAX = 256 * 1024
export const LATE_RANGES_MAX = 64
export const READ_EPOCHS_MAX = 3
export const FORMER_STREAMS_MAX = 2
export const KEY_PACKAGES_MAX = 4
export const CLAIMS_MAX = 4
export const RESETS_PER_DAY = 4
export const HEARD_MAX = 4096
export const BOXES_PER_TURN = 8
export const RECORDS_PER_TURN = 16
export const ROWS_PER_TURN = 64
export const ROWS_PER_ERASURE = 256
export const MESSAGES_PER_LOOK = 64
export const EVENTS_LOOKED_BACK = 10_000
export const ADDRESSES_PER_TURN = 8
export const TAKEN_MAX = 4096
export const EXCHANGE_BOXES = 12
export const PROBE_AHEAD = 15
export const CATCH_UP_MS = 86_400_000
export const GAP_ROUNDS_MAX = 4
export const GAP_LOOK_UPS_PER_HOUR = 64
export const GAP_WAIT_ROUND_TRIPS = 72
/** Of them so many while the node looked. */
export const GAP_AWAKE_ROUND_TRIPS = 12
/** Of these so many since it was last halted, or its clock leapt. */
export const GAP_CALM_ROUND_TRIPS = 2
export const AUDITS_MAX = 256
export const AUDIT_TRIES_MAX = 6
export const AUDIT_SAMPLES = 32
export const JOB_TRIES_MAX = 6
export const JOB_WAIT_MS = 1000
export const WAIT_CLOCK_SAVE_MS = 60_000
export const STORED_BYTES_MAX = 2 * 1024 * 1024
export const NUMBERS_SKIPPED = 1_048_576
export const ALIAS_BYTES_MAX = 64
export const INVITE_TTL_MS_MIN = 60_000
export const INVITE_TTL_MS_DEFAULT = 86_400_000
export const INVITE_TTL_MS_MAX = 14 * 86_400_000
