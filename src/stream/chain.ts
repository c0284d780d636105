import { type Address, HearsayError } from '../base/index.ts'
import {
  type Blind,
  blind,
  blindFromBytes,
  constantTimeEqual,
  kdf,
  KEY_BYTES,
  LABELS,
  wipe,
  WIDE_SCALAR_BYTES,
} from '../crypto/index.ts'
import { Reader, Writer } from '../wire/index.ts'
import { CHAIN_STATE_BYTES, CHAIN_STEP_BYTES } from './constants.ts'

/** The position of a stream in one epoch. The chain key gives every later box, and none before. */
export interface ChainState {
  readonly index: number
  /** 32 bytes, secret; overwritten when the chain advances. */
  readonly chainKey: Uint8Array
}

/** What writer and readers know of one box before it exists. Secret. */
export interface BoxKeys {
  readonly index: number
  readonly blind: Blind
  /** 32 bytes, for one box only. */
  readonly key: Uint8Array
}

const NO_CONTEXT = new Uint8Array(0)
const ERASED = new Uint8Array(KEY_BYTES)

/**
 * The chain of one epoch from its exported secret, at index 0. The caller erases the secret.
 * @throws HearsayError `bad-length` unless the secret is 32 bytes.
 */
export function firstChain(secret: Uint8Array): ChainState {
  return { index: 0, chainKey: kdf(LABELS.streamFirst, secret, NO_CONTEXT, KEY_BYTES) }
}

/**
 * The keys of the box at `state.index` and the state after it. Takes the state: its chain key is zeroed, so
 * the next state must be durable before a box is sealed with the keys (a reused index is two boxes under
 * one address, which readers take for equivocation).
 * @throws HearsayError `bug` for a state that was taken before: what follows from zeros is known to anybody.
 */
export function advanceChain(state: ChainState): { next: ChainState; keys: BoxKeys } {
  if (constantTimeEqual(state.chainKey, ERASED)) {
    throw new HearsayError('bug', 'the chain was advanced from this state before')
  }
  const step = kdf(LABELS.streamChain, state.chainKey, NO_CONTEXT, CHAIN_STEP_BYTES)
  const wide = step.subarray(0, WIDE_SCALAR_BYTES)
  const keys = {
    index: state.index,
    blind: blindFromBytes(wide),
    key: step.slice(WIDE_SCALAR_BYTES, WIDE_SCALAR_BYTES + KEY_BYTES),
  }
  const next = { index: state.index + 1, chainKey: step.slice(WIDE_SCALAR_BYTES + KEY_BYTES) }
  wipe(step, state.chainKey)
  return { next, keys }
}

/** An independent copy: advancing one does not erase the other. */
export function copyChain(state: ChainState): ChainState {
  return { index: state.index, chainKey: state.chainKey.slice() }
}

/**
 * The address of the box with this blind in the stream of the writer with this mailbox root, 32 bytes.
 * @throws HearsayError `bad-key` for a root that is not a point of prime order.
 */
export function addressOf(root: Uint8Array, by: Blind): Address {
  return blind(root, by)
}

/** Erases the secrets of one box. */
export function wipeBoxKeys(keys: BoxKeys): void {
  wipe(keys.blind, keys.key)
}

/** index 8 | chain key 32. */
export function encodeChain(state: ChainState): Uint8Array {
  return new Writer(CHAIN_STATE_BYTES).u64(state.index).bytes(state.chainKey).finish()
}

/** Strict inverse of `encodeChain`; the chain key is a copy. @throws HearsayError on any other input. */
export function decodeChain(bytes: Uint8Array): ChainState {
  const reader = new Reader(bytes)
  const state = {
    index: reader.u64('index'),
    chainKey: reader.bytes(KEY_BYTES, 'chainKey').slice(),
  }
  reader.end()
  if (state.index >= Number.MAX_SAFE_INTEGER) {
    throw new HearsayError('bad-value', 'chain index is exhausted')
  }
  return state
}
