import type { NodeId } from '../base/index.ts'
import { constantTimeEqual, wipe } from '../crypto/index.ts'
import { decodeCommand } from './command.ts'
import {
  COMMAND_BYTES,
  HEADER_KEYS_BYTES,
  MAC_BYTES,
  PREFIX_BYTES,
  SPHINX_VERSION,
} from './constants.ts'
import type { Geometry } from './geometry.ts'
import { headerMac, headerSpace, replayTagOf, xorHeaderStream } from './header-stream.ts'
import { hopKeys } from './hop-keys.ts'
import type { MixKeyPair } from './mix-key.ts'
import { openTagged, removeLayerInto } from './payload.ts'
import { SUITES } from './suites.ts'
import type { PacketBytes } from './wrap.ts'

interface Held {
  /** 16 bytes; the same for every packet with this share. To be remembered before anything else is done. */
  readonly replayTag: Uint8Array
  /** How long the packet is held before it goes on, ms, 0 to 600000. */
  readonly delayMs: number
}

/** What a mix does with a packet. */
export type Unwrapped =
  | (Held & { readonly kind: 'forward'; readonly next: NodeId; readonly packet: PacketBytes })
  /** This mix is the courier. Without plaintext the payload was touched on its way. */
  | (Held & { readonly kind: 'arrive'; readonly plaintext: Uint8Array | undefined })
  /** This mix is the last of a reply: SURB id and payload go to the recipient, who alone can open it. */
  | (Held & {
      readonly kind: 'reply'
      readonly recipient: NodeId
      readonly surbId: Uint8Array
      readonly payload: Uint8Array
    })

/**
 * Takes off one layer. undefined for anything that was not made for this key under this geometry, for every
 * cause alike; never throws. `packet` is left as it is and the result shares no bytes with it.
 */
export function unwrapPacket(
  geometry: Geometry,
  keys: MixKeyPair,
  packet: Uint8Array,
): Unwrapped | undefined {
  const { shareBytes, blockBytes, headerBytes } = geometry
  if (
    packet.length !== geometry.packetBytes ||
    keys.suite !== geometry.suite ||
    packet[0] !== SPHINX_VERSION ||
    packet[1] !== SUITES[geometry.suite].byte
  ) {
    return undefined
  }
  const blockAt = PREFIX_BYTES + shareBytes
  const macAt = blockAt + blockBytes
  const share = packet.subarray(PREFIX_BYTES, blockAt)
  const secret = keys.decapsulate(share)
  if (secret === undefined) return undefined
  const hop = hopKeys(geometry, secret, share, keys.publicKey)

  const work = headerSpace(geometry)
  // The block grows by a slot of zeros, so that the next hop's is as long as this one's.
  work.fill(0)
  work.set(packet.subarray(blockAt, macAt), HEADER_KEYS_BYTES)
  xorHeaderStream(work, hop.header)
  const intact = constantTimeEqual(
    headerMac(geometry, packet, work),
    packet.subarray(macAt, headerBytes),
  )
  const unwrapped = intact ? obey(geometry, packet, work, hop.payload) : undefined
  work.fill(0)
  wipe(hop.header, hop.payload)
  return unwrapped
}

/** What the command says, of a header whose MAC is right. */
function obey(
  geometry: Geometry,
  packet: Uint8Array,
  work: Uint8Array,
  payloadKey: Uint8Array,
): Unwrapped | undefined {
  const slot = work.subarray(HEADER_KEYS_BYTES)
  const command = decodeCommand(slot)
  if (command === undefined) return undefined
  const replayTag = replayTagOf(work)
  const { shareBytes, slotBytes, headerBytes } = geometry
  const sealed = packet.subarray(headerBytes)
  if (command.kind !== 'forward') {
    const payload = new Uint8Array(geometry.payloadBytes)
    removeLayerInto(payload, sealed, payloadKey)
    return command.kind === 'arrive'
      ? { ...command, replayTag, plaintext: openTagged(payload) }
      : { ...command, replayTag, payload }
  }
  const out = new Uint8Array(geometry.packetBytes)
  out.set(packet.subarray(0, PREFIX_BYTES))
  out.set(slot.subarray(COMMAND_BYTES, COMMAND_BYTES + shareBytes), PREFIX_BYTES)
  out.set(slot.subarray(slotBytes), PREFIX_BYTES + shareBytes)
  out.set(slot.subarray(slotBytes - MAC_BYTES, slotBytes), headerBytes - MAC_BYTES)
  removeLayerInto(out.subarray(headerBytes), sealed, payloadKey)
  return { ...command, replayTag, packet: out as PacketBytes }
}
