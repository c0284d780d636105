import { HearsayError, NODE_ID_BYTES } from '../base/index.ts'
import { hash, KEY_BYTES, LABELS } from '../crypto/index.ts'
import { Writer } from '../wire/index.ts'
import {
  COMMAND_BYTES,
  MAC_BYTES,
  MAX_BODY_BYTES,
  MAX_HOPS,
  PREFIX_BYTES,
  SPHINX_VERSION,
  ZERO_TAG_BYTES,
} from './constants.ts'
import { type MixSuite, SUITES } from './suites.ts'

/** Every length of a network's packets, in bytes. Made by `sphinxGeometry` only. */
export interface Geometry {
  readonly suite: MixSuite
  /** Mixes of every route, 1 to 10. */
  readonly hops: number
  /** What the user of a packet fills, beside the SURB. */
  readonly bodyBytes: number
  /** One key encapsulation. */
  readonly shareBytes: number
  /** What a hop takes from the routing block: command, next share, next MAC. */
  readonly slotBytes: number
  /** Routing block: a slot for each hop but the last, which needs a command only. */
  readonly blockBytes: number
  /** version 1 | suite 1 | share | block | MAC. */
  readonly headerBytes: number
  /** first hop 32 | header | payload key 32. */
  readonly surbBytes: number
  /** SURB and body: what `wrapPacket` takes and what arrives. */
  readonly plaintextBytes: number
  /** Zero tag and plaintext. */
  readonly payloadBytes: number
  readonly packetBytes: number
  /** BLAKE2b-256 over version, suite and all lengths; every key of a packet depends on it. */
  readonly id: Uint8Array
}

/**
 * The geometry of packets of this suite, number of hops and body: all lengths are derived here and nowhere
 * else, so two nodes that agree on the options agree on every byte.
 * @throws HearsayError `bad-value` for hops other than 1 to 10 or a body other than 1 to 65535 bytes.
 */
export function sphinxGeometry(options: {
  readonly suite: MixSuite
  readonly hops: number
  readonly bodyBytes: number
}): Geometry {
  const { suite, hops, bodyBytes } = options
  requireWithin('hops', hops, MAX_HOPS)
  requireWithin('bodyBytes', bodyBytes, MAX_BODY_BYTES)
  const { byte, kem } = SUITES[suite]
  const shareBytes = kem.shareBytes
  const slotBytes = COMMAND_BYTES + shareBytes + MAC_BYTES
  const blockBytes = (hops - 1) * slotBytes + COMMAND_BYTES
  const headerBytes = PREFIX_BYTES + shareBytes + blockBytes + MAC_BYTES
  const surbBytes = NODE_ID_BYTES + headerBytes + KEY_BYTES
  const plaintextBytes = surbBytes + bodyBytes
  const payloadBytes = ZERO_TAG_BYTES + plaintextBytes
  const packetBytes = headerBytes + payloadBytes
  const lengths = [
    bodyBytes,
    shareBytes,
    slotBytes,
    blockBytes,
    headerBytes,
    surbBytes,
    plaintextBytes,
    payloadBytes,
    packetBytes,
  ]
  const writer = new Writer(3 + 4 * lengths.length).u8(SPHINX_VERSION).u8(byte).u8(hops)
  for (const length of lengths) writer.u32(length)
  return Object.freeze({
    suite,
    hops,
    bodyBytes,
    shareBytes,
    slotBytes,
    blockBytes,
    headerBytes,
    surbBytes,
    plaintextBytes,
    payloadBytes,
    packetBytes,
    id: hash(LABELS.sphinxGeometry, writer.finish()),
  })
}

function requireWithin(field: string, value: number, max: number): void {
  if (!Number.isInteger(value) || value < 1 || value > max) {
    throw new HearsayError('bad-value', `${field} is out of range`, { field, max })
  }
}
