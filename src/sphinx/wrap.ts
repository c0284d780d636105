import type { Branded, Rng } from '../base/index.ts'
import { wipe } from '../crypto/index.ts'
import { ZERO_TAG_BYTES } from './constants.ts'
import type { Geometry } from './geometry.ts'
import { type Hop, writeHeader } from './header.ts'
import { addLayer } from './payload.ts'
import { requireLength } from './require-length.ts'

/** A whole packet, exactly `packetBytes` of its geometry. */
export type PacketBytes = Branded<Uint8Array, 'PacketBytes'>

/**
 * A packet that carries `plaintext` over exactly `geometry.hops` mixes to the last of them. Fresh shares for
 * every packet: the same plaintext on the same route gives unrelated bytes.
 * @throws HearsayError `bad-length` for a plaintext other than `plaintextBytes` or a route of another number
 * of hops; `bad-value` for a delay other than 0 to 600000 ms; `bad-key` for a mix key of small order.
 */
export function wrapPacket(
  rng: Rng,
  geometry: Geometry,
  route: readonly Hop[],
  plaintext: Uint8Array,
): PacketBytes {
  requireLength('plaintext', plaintext, geometry.plaintextBytes)
  const packet = new Uint8Array(geometry.packetBytes)
  const layers = writeHeader(rng, geometry, packet, route, { kind: 'arrive' })
  const payload = packet.subarray(geometry.headerBytes)
  payload.set(plaintext, ZERO_TAG_BYTES)
  for (const key of layers.reverse()) addLayer(payload, key)
  wipe(...layers)
  return packet as PacketBytes
}
