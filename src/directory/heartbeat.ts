import {
  asNodeId,
  concat,
  HearsayError,
  type NetworkId,
  type NodeId,
  u64be,
} from '../base/index.ts'
import { hash, LABELS, SIGNATURE_BYTES, verifyByCheckedKey } from '../crypto/index.ts'
import { Reader, Writer } from '../wire/index.ts'
import { DIRECTORY_VERSION } from './constants.ts'

/** A node says that it is here, or that it is about to go. */
export interface Heartbeat {
  readonly nodeId: NodeId
  readonly isLeaving: boolean
  /** Wall clock of the node, ms. Of one `HEARTBEAT_TURN_MS` one heartbeat counts. */
  readonly at: number
}

/** version 1 | node id 32 | leaving 1 | at 8 | signature 64. */
export const HEARTBEAT_BYTES = 1 + 32 + 1 + 8 + SIGNATURE_BYTES

function digestOf(networkId: NetworkId, beat: Heartbeat): Uint8Array {
  const state = Uint8Array.of(beat.isLeaving ? 1 : 0)
  return hash(LABELS.heartbeat, networkId, concat(beat.nodeId, state, u64be(beat.at)))
}

/** `signDigest` is the node key's Ed25519 over 32 bytes. */
export function encodeHeartbeat(
  networkId: NetworkId,
  beat: Heartbeat,
  signDigest: (digest: Uint8Array) => Uint8Array,
): Uint8Array {
  return new Writer(HEARTBEAT_BYTES)
    .u8(DIRECTORY_VERSION)
    .bytes(beat.nodeId)
    .u8(beat.isLeaving ? 1 : 0)
    .bytes(u64be(beat.at))
    .bytes(signDigest(digestOf(networkId, beat)))
    .finish()
}

/** Strict; the signature is not checked yet. @throws HearsayError of the class `peer`. */
export function readHeartbeat(bytes: Uint8Array): Heartbeat {
  const reader = new Reader(bytes)
  if (reader.u8('version') !== DIRECTORY_VERSION) {
    throw new HearsayError('bad-version', 'unknown heartbeat version')
  }
  const nodeId = asNodeId(reader.bytes(32, 'nodeId').slice())
  const state = reader.u8('leaving')
  const at = reader.u64('at')
  reader.bytes(SIGNATURE_BYTES, 'signature')
  reader.end()
  if (state > 1) throw new HearsayError('bad-value', 'not a heartbeat', { field: 'leaving' })
  return { nodeId, isLeaving: state === 1, at }
}

/** True when the node signed these bytes. Its key is one of the directory: a checked point. */
export function isHeartbeatSigned(
  networkId: NetworkId,
  beat: Heartbeat,
  bytes: Uint8Array,
): boolean {
  const signature = bytes.subarray(HEARTBEAT_BYTES - SIGNATURE_BYTES)
  return verifyByCheckedKey(signature, digestOf(networkId, beat), beat.nodeId)
}
