import { type Branded, HearsayError, NODE_ID_BYTES, type NodeId, type Rng } from '../base/index.ts'
import { KEY_BYTES, randomKey, wipe } from '../crypto/index.ts'
import { SPHINX_VERSION, SURB_ID_BYTES, ZERO_TAG_BYTES } from './constants.ts'
import type { Geometry } from './geometry.ts'
import { type Hop, writeHeader } from './header.ts'
import { addLayer, openTagged, removeLayerInto } from './payload.ts'
import { requireLength } from './require-length.ts'
import { SUITES } from './suites.ts'
import type { PacketBytes } from './wrap.ts'

/** The maker's secret half of a SURB: its payload key, then those of the hops, 32 bytes each. */
export type SurbKeys = Branded<Uint8Array, 'SurbKeys'>

/** A single-use reply block: whoever has `bytes` can send one reply to a maker that stays unknown. */
export interface Surb {
  /** first hop 32 | header | payload key 32: goes into the request. */
  readonly bytes: Uint8Array
  /** 16 random bytes that come back with the reply; only the last mix and the maker see them. */
  readonly id: Uint8Array
  /** For `openReply`; erased by its owner when the reply came or is not expected any more. */
  readonly keys: SurbKeys
}

/**
 * A SURB over exactly these hops and delays; the last hop hands the reply to `recipient`. To the mixes its
 * packet is one like all others.
 * @throws HearsayError as `wrapPacket`.
 */
export function createSurb(
  rng: Rng,
  geometry: Geometry,
  route: readonly Hop[],
  recipient: NodeId,
): Surb {
  requireLength('node id', recipient, NODE_ID_BYTES)
  const id = rng.bytes(SURB_ID_BYTES)
  const payloadKey = randomKey(rng)
  const bytes = new Uint8Array(geometry.surbBytes)
  const headerEnd = NODE_ID_BYTES + geometry.headerBytes
  const header = bytes.subarray(NODE_ID_BYTES, headerEnd)
  const last = { kind: 'reply', recipient, surbId: id } as const
  const layers = writeHeader(rng, geometry, header, route, last)
  bytes.set((route[0] as Hop).nodeId)
  bytes.set(payloadKey, headerEnd)
  const keys = new Uint8Array(KEY_BYTES * (1 + layers.length)) as SurbKeys
  for (const [i, key] of [payloadKey, ...layers].entries()) keys.set(key, i * KEY_BYTES)
  wipe(payloadKey, ...layers)
  return { bytes, id, keys }
}

/**
 * The reply packet for whoever made the SURB, and the mix to hand it to. Of two replies with one SURB the
 * second dies at the first mix, by its replay tag.
 * @throws HearsayError `bad-length` for a SURB other than `surbBytes` or a plaintext other than
 * `plaintextBytes`; `bad-version` for another version or suite.
 */
export function useSurb(
  geometry: Geometry,
  surb: Uint8Array,
  plaintext: Uint8Array,
): { readonly firstHop: NodeId; readonly packet: PacketBytes } {
  requireLength('SURB', surb, geometry.surbBytes)
  requireLength('plaintext', plaintext, geometry.plaintextBytes)
  const headerEnd = NODE_ID_BYTES + geometry.headerBytes
  const header = surb.subarray(NODE_ID_BYTES, headerEnd)
  if (header[0] !== SPHINX_VERSION || header[1] !== SUITES[geometry.suite].byte) {
    throw new HearsayError('bad-version', 'a SURB of another version or suite')
  }
  const packet = new Uint8Array(geometry.packetBytes)
  packet.set(header)
  const payload = packet.subarray(geometry.headerBytes)
  payload.set(plaintext, ZERO_TAG_BYTES)
  addLayer(payload, surb.subarray(headerEnd))
  return {
    firstHop: new Uint8Array(surb.subarray(0, NODE_ID_BYTES)) as NodeId,
    packet: packet as PacketBytes,
  }
}

/**
 * The plaintext of a reply, `plaintextBytes`; undefined for a payload of another length, of another SURB or
 * touched on its way. Leaves `payload` as it is.
 * @throws HearsayError `bad-length` for keys of another geometry.
 */
export function openReply(
  geometry: Geometry,
  keys: SurbKeys,
  payload: Uint8Array,
): Uint8Array | undefined {
  requireLength('SURB keys', keys, KEY_BYTES * (1 + geometry.hops))
  if (payload.length !== geometry.payloadBytes) return undefined
  const opened = new Uint8Array(payload)
  for (let i = geometry.hops; i > 0; i--) addLayer(opened, keyAt(keys, i))
  removeLayerInto(opened, opened, keyAt(keys, 0))
  return openTagged(opened)
}

function keyAt(keys: SurbKeys, index: number): Uint8Array {
  return keys.subarray(index * KEY_BYTES, (index + 1) * KEY_BYTES)
}
