import { HearsayError, type NodeId, type Rng } from '../base/index.ts'
import { AEAD_NONCE_BYTES, chacha20XorInto, KEM_RANDOM_BYTES, KEY_BYTES, rawBlake2b, wipe } from '../crypto/index.ts'
import { type Command, encodeCommandInto } from './command.ts'
import {
  COMMAND_BYTES,
  HEADER_KEYS_BYTES,
  MAC_BYTES,
  PREFIX_BYTES,
  SPHINX_VERSION,
} from './constants.ts'
import type { Geometry } from './geometry.ts'
import { type HopKeys, hopKeys } from './hop-keys.ts'
import { SUITES } from './suites.ts'

/** One mix of a route. */
export interface Hop {
  readonly nodeId: NodeId
  /** Its mix key of this key epoch. */
  readonly publicKey: Uint8Array
  /** How long it holds the packet, whole milliseconds, 0 to 600000. */
  readonly delayMs: number
}

/** What the last hop is told; its delay comes with the hop. */
export type LastCommand =
  | { readonly kind: 'arrive' }
  | { readonly kind: 'reply'; readonly recipient: NodeId; readonly surbId: Uint8Array }

/** What the sender holds for one hop. */
interface Sent {
  readonly command: Uint8Array
  readonly share: Uint8Array
  readonly keys: HopKeys
}

// A header key is used once.
const ZERO_NONCE = new Uint8Array(AEAD_NONCE_BYTES)

// Working space, shared: the functions are synchronous, and whoever used it wipes it.
let space = new Uint8Array(0)

/** `length` bytes of zeros, valid until the next call. */
export function workspace(length: number): Uint8Array {
  if (space.length < length) space = new Uint8Array(length)
  return space.subarray(0, length)
}

/**
 * XORs the key stream of a header key over `work`: 64 zeros, then (a part of) the routing block. The zeros
 * become MAC key 32 | replay tag 16 | 16 unused, as RFC 8439 takes its one-time key from block 0.
 */
export function xorHeaderStream(key: Uint8Array, work: Uint8Array): void {
  chacha20XorInto(work, key, ZERO_NONCE, work)
}

/** The MAC of a packet's or a header's beginning: version, suite, share and block. */
export function headerMac(geometry: Geometry, work: Uint8Array, header: Uint8Array): Uint8Array {
  const covered = header.subarray(0, geometry.headerBytes - MAC_BYTES)
  return rawBlake2b(MAC_BYTES, covered, work.subarray(0, KEY_BYTES))
}

/**
 * Writes the header for `route` to the beginning of `out` and returns the payload keys of its hops, which the
 * caller erases.
 * @throws HearsayError `bad-length` for a route of another number of hops than the geometry's or a key of
 * another length; `bad-value` for a delay out of range; `bad-key`.
 */
export function writeHeader(
  rng: Rng,
  geometry: Geometry,
  out: Uint8Array,
  route: readonly Hop[],
  last: LastCommand,
): Uint8Array[] {
  const { hops, shareBytes, slotBytes, blockBytes } = geometry
  if (route.length !== hops) throw new HearsayError('bad-length', 'a route has all hops', { hops })
  const { byte, kem } = SUITES[geometry.suite]
  // One draw for all hops: asking the system costs more than the bytes.
  const fresh = rng.bytes(hops * (COMMAND_BYTES + KEM_RANDOM_BYTES))
  const sent = route.map(({ publicKey, delayMs }, i): Sent => {
    const at = i * (COMMAND_BYTES + KEM_RANDOM_BYTES)
    const command = fresh.subarray(at, at + COMMAND_BYTES)
    encodeCommandInto(command, commandOf(delayMs, route[i + 1], last))
    const random = fresh.subarray(at + COMMAND_BYTES, at + COMMAND_BYTES + KEM_RANDOM_BYTES)
    const { share, secret } = kem.encapsulate(random, publicKey)
    return { command, share, keys: hopKeys(geometry, secret, share, publicKey) }
  })

  const blockAt = PREFIX_BYTES + shareBytes
  const block = out.subarray(blockAt, blockAt + blockBytes)
  const mac = out.subarray(blockAt + blockBytes, geometry.headerBytes)
  out[0] = SPHINX_VERSION
  out[1] = byte

  // What the hops before the last append to the block, as the last one receives it.
  const work = workspace(HEADER_KEYS_BYTES + blockBytes + slotBytes)
  const filler = new Uint8Array((hops - 1) * slotBytes)
  for (let i = 0; i < hops - 1; i++) {
    work.fill(0)
    work.set(filler.subarray(0, i * slotBytes), HEADER_KEYS_BYTES + blockBytes - i * slotBytes)
    xorHeaderStream((sent[i] as Sent).keys.header, work)
    filler.set(work.subarray(work.length - (i + 1) * slotBytes))
  }

  for (let i = hops - 1; i >= 0; i--) {
    const { command, share, keys } = sent[i] as Sent
    const isLast = i === hops - 1
    const plain = work.subarray(0, HEADER_KEYS_BYTES + (isLast ? COMMAND_BYTES : blockBytes))
    plain.fill(0, 0, HEADER_KEYS_BYTES)
    plain.set(command, HEADER_KEYS_BYTES)
    if (!isLast) {
      // Share and MAC of the next hop still stand in `out`.
      let at = HEADER_KEYS_BYTES + COMMAND_BYTES
      plain.set(out.subarray(PREFIX_BYTES, blockAt), at)
      plain.set(mac, (at += shareBytes))
      plain.set(block.subarray(0, blockBytes - slotBytes), at + MAC_BYTES)
    }
    xorHeaderStream(keys.header, plain)
    if (isLast) block.set(filler, COMMAND_BYTES)
    block.set(plain.subarray(HEADER_KEYS_BYTES))
    out.set(share, PREFIX_BYTES)
    mac.set(headerMac(geometry, work, out))
  }
  work.fill(0)
  return sent.map(({ keys }) => {
    wipe(keys.header)
    return keys.payload
  })
}

function commandOf(delayMs: number, next: Hop | undefined, last: LastCommand): Command {
  return next === undefined ? { ...last, delayMs } : { kind: 'forward', delayMs, next: next.nodeId }
}
