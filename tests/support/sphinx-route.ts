import { asNodeId, type Rng } from '../../src/base/index.ts'
import {
  type Geometry,
  type Hop,
  type MixKeyPair,
  mixKeyPair,
  type MixSuite,
  type Unwrapped,
  unwrapPacket,
} from '../../src/sphinx/index.ts'

export interface TestRoute {
  readonly seeds: readonly Uint8Array[]
  readonly keys: readonly MixKeyPair[]
  readonly route: readonly Hop[]
}

/** Mixes with their secrets, and a route over them with delays of 0, 1001, 2002 … ms. */
export function sphinxRoute(rng: Rng, suite: MixSuite, hops: number): TestRoute {
  const seeds = Array.from({ length: hops }, () => rng.bytes(32))
  const keys = seeds.map((seed) => mixKeyPair(suite, seed))
  const route = keys.map(({ publicKey }, i) => ({
    nodeId: asNodeId(rng.bytes(32)),
    publicKey,
    delayMs: i * 1001,
  }))
  return { seeds, keys, route }
}

/** What each mix of the route sees; ends early where a mix drops the packet. */
export function travel(
  geometry: Geometry,
  keys: readonly MixKeyPair[],
  packet: Uint8Array,
): Unwrapped[] {
  const seen: Unwrapped[] = []
  let current: Uint8Array | undefined = packet
  for (const key of keys) {
    const unwrapped: Unwrapped | undefined = current && unwrapPacket(geometry, key, current)
    if (unwrapped === undefined) break
    seen.push(unwrapped)
    current = unwrapped.kind === 'forward' ? unwrapped.packet : undefined
  }
  return seen
}

/** `bytes` with one bit changed. */
export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const out = new Uint8Array(bytes)
  out[bit >> 3] = (out[bit >> 3] as number) ^ (1 << (bit & 7))
  return out
}
