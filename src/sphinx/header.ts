import { HearsayError, NODE_ID_BYTES, type NodeId, type Rng } from '../base/index.ts'
import { KEM_RANDOM_BYTES, wipe } from '../crypto/index.ts'
import { type Command, encodeCommandInto } from './command.ts'
import { COMMAND_BYTES, HEADER_KEYS_BYTES, PREFIX_BYTES, SPHINX_VERSION } from './constants.ts'
import type { Geometry } from './geometry.ts'
import { headerMac, headerSpace, xorHeaderStream } from './header-stream.ts'
import { type HopKeys, hopKeys } from './hop-keys.ts'
import { requireLength } from './require-length.ts'
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
interface SealedHop {
  readonly command: Uint8Array
  readonly share: Uint8Array
  readonly keys: HopKeys
}

/**
 * Writes the header for `route` to the beginning of `out` and returns the payload keys of its hops, which the
 * caller erases.
 * @throws HearsayError `bad-length` for a route of another number of hops than the geometry's or a node id or
 * key of another length; `bad-value` for a delay out of range; `bad-key` for a key of small order.
 */
export function writeHeader(
  rng: Rng,
  geometry: Geometry,
  out: Uint8Array,
  route: readonly Hop[],
  last: LastCommand,
): Uint8Array[] {
  const { hops } = geometry
  if (route.length !== hops) throw new HearsayError('bad-length', 'a route has all hops', { hops })
  const sealed = sealHops(rng, geometry, route, last)
  const work = headerSpace(geometry)
  nestHops(geometry, out, sealed, fillerFor(geometry, sealed, work), work)
  work.fill(0)
  return sealed.map(({ keys }) => {
    wipe(keys.header)
    return keys.payload
  })
}

function sealHops(
  rng: Rng,
  geometry: Geometry,
  route: readonly Hop[],
  last: LastCommand,
): SealedHop[] {
  const { kem } = SUITES[geometry.suite]
  const perHop = COMMAND_BYTES + KEM_RANDOM_BYTES
  // One draw for all hops: asking the system costs more than the bytes.
  const random = rng.bytes(route.length * perHop)
  return route.map(({ nodeId, publicKey, delayMs }, i) => {
    requireLength('node id', nodeId, NODE_ID_BYTES)
    const own = random.subarray(i * perHop, (i + 1) * perHop)
    const command = own.subarray(0, COMMAND_BYTES)
    encodeCommandInto(command, commandFor(delayMs, route[i + 1], last))
    const { share, secret } = kem.encapsulate(own.subarray(COMMAND_BYTES), publicKey)
    return { command, share, keys: hopKeys(geometry, secret, share, publicKey) }
  })
}

function commandFor(delayMs: number, next: Hop | undefined, last: LastCommand): Command {
  return next === undefined ? { ...last, delayMs } : { kind: 'forward', delayMs, next: next.nodeId }
}

/** What the hops before the last append to the block, in the form in which the last one receives it. */
function fillerFor(
  { hops, blockBytes, slotBytes }: Geometry,
  sealed: readonly SealedHop[],
  work: Uint8Array,
): Uint8Array {
  const filler = new Uint8Array((hops - 1) * slotBytes)
  for (const [i, { keys }] of sealed.slice(0, -1).entries()) {
    const soFar = i * slotBytes
    work.fill(0)
    work.set(filler.subarray(0, soFar), HEADER_KEYS_BYTES + blockBytes - soFar)
    xorHeaderStream(work, keys.header)
    filler.set(work.subarray(work.length - soFar - slotBytes))
  }
  return filler
}

/** From the last hop to the first: each slot is put before the block of the next hop, and sealed. */
function nestHops(
  geometry: Geometry,
  out: Uint8Array,
  sealed: readonly SealedHop[],
  filler: Uint8Array,
  work: Uint8Array,
): void {
  const { suite, shareBytes, slotBytes, blockBytes, headerBytes } = geometry
  const blockAt = PREFIX_BYTES + shareBytes
  const macAt = blockAt + blockBytes
  const block = out.subarray(blockAt, macAt)
  const afterCommand = HEADER_KEYS_BYTES + COMMAND_BYTES
  out[0] = SPHINX_VERSION
  out[1] = SUITES[suite].byte
  for (const [i, { command, share, keys }] of [...sealed.entries()].reverse()) {
    const isLast = i === sealed.length - 1
    work.fill(0, 0, HEADER_KEYS_BYTES)
    work.set(command, HEADER_KEYS_BYTES)
    if (!isLast) {
      // `out` still holds the header of the next hop.
      work.set(out.subarray(PREFIX_BYTES, blockAt), afterCommand)
      work.set(out.subarray(macAt, headerBytes), afterCommand + shareBytes)
      work.set(block.subarray(0, blockBytes - slotBytes), HEADER_KEYS_BYTES + slotBytes)
    }
    const clear = work.subarray(0, isLast ? afterCommand : HEADER_KEYS_BYTES + blockBytes)
    xorHeaderStream(clear, keys.header)
    if (isLast) block.set(filler, COMMAND_BYTES)
    block.set(clear.subarray(HEADER_KEYS_BYTES))
    out.set(share, PREFIX_BYTES)
    out.set(headerMac(geometry, out, work), macAt)
  }
}
