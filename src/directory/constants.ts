/** First field of every encoded form of this folder. */
export const DIRECTORY_VERSION = 1
/** Protocol version this code speaks. */
export const PROTOCOL_VERSION = 1

/** Longest text that `inspectNetwork` looks at. */
export const MAX_NETWORK_FILE_BYTES = 16_384
export const MAX_NAME_LENGTH = 40
export const MAX_BOOTSTRAPS = 16
/** Multiaddr with a peer id, ASCII. */
export const MAX_BOOTSTRAP_BYTES = 192
/** Truncated hash behind the CBOR of a URI: finds typing errors, not attackers. */
export const CHECKSUM_BYTES = 4
export const URI_PREFIX = 'hearsay:join/'
/** 4 of 2048 words: 44 bits of the network id, to compare by voice. */
export const NETWORK_WORDS = 4

/** A descriptor with its signature. */
export const MAX_DESCRIPTOR_BYTES = 2_048
export const MAX_ADDRESSES = 8
/** Multiaddr without a peer id, ASCII. */
export const MAX_ADDRESS_BYTES = 128
/** This epoch's key, the next ones, and one that is still in its grace period. */
export const MAX_MIX_KEYS = 4
export const MIX_KEY_BYTES = 32
export const REQUEST_KEY_BYTES = 32
export const PNET_KEY_BYTES = 32

/** Most uses of one invitation. */
export const MAX_INVITATION_USES = 1_024
/** Invitations plus nodes in the operator's revocation list. */
export const MAX_REVOCATIONS = 512

/** A lower quota would punish a courier for chance. */
export const MIN_QUOTA = 8
/** A node may keep and mix from its second epoch on; the frozen set of epoch e is that of the end of e - 2. */
export const FREEZE_LAG_EPOCHS = 2
/** The diversity rule holds when the nodes are in at least this many networks (/16) per keeper. */
export const DIVERSITY_NETS_PER_KEEPER = 2
/** Keepers of one box within one /16, when the diversity rule holds. */
export const MAX_KEEPERS_PER_NET = 2
/** Keepers of one box on one host (/32 of IPv4), when the diversity rule holds. */
export const MAX_KEEPERS_PER_HOST = 1
