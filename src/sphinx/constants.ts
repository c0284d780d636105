import { NODE_ID_BYTES } from '../base/index.ts'
import { KEY_BYTES } from '../crypto/index.ts'

/** First byte of every packet. */
export const SPHINX_VERSION = 1
/** version 1 | suite 1. */
export const PREFIX_BYTES = 2
/** A route has always as many hops as the geometry says; more would only cost latency. */
export const MAX_HOPS = 10
/** Body of a packet; a box and its request need about 2.1 KB. */
export const MAX_BODY_BYTES = 65_535
/** Keyed BLAKE2b-128 under a key of one packet and hop: a forgery is one online trial of 2^-128. */
export const MAC_BYTES = 16
/** Chosen by the maker of a SURB, so that a reply finds its request. */
export const SURB_ID_BYTES = 16
/** kind 1 | node id 32 | delay 4 | SURB id 16. */
export const COMMAND_BYTES = 1 + NODE_ID_BYTES + 4 + SURB_ID_BYTES
/** Block 0 of the header's key stream: MAC key, replay tag, rest unused. */
export const HEADER_KEYS_BYTES = 64
/** An accidental or forged collision has probability 2^-128 per pair; a mix stores one for every packet. */
export const REPLAY_TAG_BYTES = 16
/** Zeros before the plaintext, checked in full: a payload that was touched has them with probability 2^-256. */
export const ZERO_TAG_BYTES = 32
/** Longest delay that a mix obeys, ms: ten times the longest mean that a network may set. */
export const MAX_DELAY_MS = 600_000
/** Header key 32 | payload key 32, of one hop. */
export const HOP_KEYS_BYTES = 2 * KEY_BYTES
