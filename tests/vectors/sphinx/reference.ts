import { chacha20 } from '@noble/ciphers/chacha.js'
import { x25519 } from '@noble/curves/ed25519.js'
import { blake2b } from '@noble/hashes/blake2.js'
import { XWing } from '@noble/post-quantum/hybrid.js'
import { concat, type Rng, u32be } from '../../../src/base/index.ts'

/**
 * The packet format again, from src/sphinx/SPEC.md alone: slow, obvious, in pure JavaScript, and without a line
 * of the library's own cryptography. It draws its randomness in the library's order, so both make the same bytes.
 */

export interface RefKem {
  readonly suite: number
  readonly shareBytes: number
  /** [share, secret] from 32 random bytes. */
  encapsulate(fresh: Uint8Array, publicKey: Uint8Array): [Uint8Array, Uint8Array]
  decapsulate(seed: Uint8Array, share: Uint8Array): Uint8Array
  publicKey(seed: Uint8Array): Uint8Array
}

export const refX25519: RefKem = {
  suite: 1,
  shareBytes: 32,
  encapsulate: (fresh, publicKey) => [
    x25519.getPublicKey(fresh),
    x25519.getSharedSecret(fresh, publicKey),
  ],
  decapsulate: (seed, share) => x25519.getSharedSecret(seed, share),
  publicKey: (seed) => x25519.getPublicKey(seed),
}

// noble's X-Wing overwrites its arguments, hence the copies.
export const refXWing: RefKem = {
  suite: 2,
  shareBytes: 1120,
  encapsulate: (fresh, publicKey) => {
    const { cipherText, sharedSecret } = XWing.encapsulate(
      publicKey.slice(),
      concat(fresh, fresh.toReversed()),
    )
    return [cipherText, sharedSecret]
  },
  decapsulate: (seed, share) => XWing.decapsulate(share.slice(), seed.slice()),
  publicKey: (seed) => XWing.keygen(seed.slice()).publicKey,
}

export interface RefSizes {
  readonly kem: RefKem
  readonly hops: number
  readonly bodyBytes: number
}

export interface RefHop {
  readonly nodeId: Uint8Array
  readonly publicKey: Uint8Array
  readonly delayMs: number
}

const zeros = (length: number) => new Uint8Array(length)
const xor = (a: Uint8Array, b: Uint8Array) => a.map((byte, i) => byte ^ (b[i] as number))
const keyStream = (key: Uint8Array, length: number) => chacha20(key, zeros(12), zeros(length))

function lengths({ kem, hops, bodyBytes }: RefSizes) {
  const slot = 53 + kem.shareBytes + 16
  const block = (hops - 1) * slot + 53
  const header = 2 + kem.shareBytes + block + 16
  const surb = 32 + header + 32
  const payload = 32 + surb + bodyBytes
  return { slot, block, header, surb, payload }
}

export function refGeometryId(sizes: RefSizes): Uint8Array {
  const { slot, block, header, surb, payload } = lengths(sizes)
  const { kem, hops, bodyBytes } = sizes
  const numbers = [
    bodyBytes,
    kem.shareBytes,
    slot,
    block,
    header,
    surb,
    payload - 32,
    payload,
    header + payload,
  ]
  const part = concat(Uint8Array.of(1, kem.suite, hops), ...numbers.map(u32be))
  const label = Buffer.from('hearsay/v1/sphinx/geometry')
  const input = concat(Uint8Array.of(1, label.length), label, u32be(part.length), part)
  return blake2b(input, { dkLen: 32 })
}

/** MAC key, replay tag and routing block's stream of the header key; the payload key. */
function hopKeys(sizes: RefSizes, secret: Uint8Array, share: Uint8Array, publicKey: Uint8Array) {
  const label = Buffer.from('hearsay/v1/sphinx/hop')
  const context = concat(refGeometryId(sizes), share, publicKey)
  const input = concat(
    Uint8Array.of(3, label.length),
    label,
    u32be(context.length),
    context,
    u32be(64),
    Uint8Array.of(1),
  )
  const out = blake2b(input, { dkLen: 64, key: secret })
  const { slot, block } = lengths(sizes)
  const stream = keyStream(out.subarray(0, 32), 64 + block + slot)
  return {
    macKey: stream.subarray(0, 32),
    replayTag: stream.subarray(32, 48),
    blockStream: stream.subarray(64),
    payloadKey: out.subarray(32),
  }
}

const mac = (key: Uint8Array, ...parts: Uint8Array[]) =>
  blake2b(concat(...parts), { dkLen: 16, key })

export function refLioness(
  direction: 'encrypt' | 'decrypt',
  key: Uint8Array,
  block: Uint8Array,
): Uint8Array {
  let left: Uint8Array = block.slice(0, 32)
  let right: Uint8Array = block.slice(32)
  const k = (i: number) => key.slice(i * 32, i * 32 + 32)
  const iv = (i: number) => key.slice(128 + i * 12, 128 + i * 12 + 12)
  const rounds = direction === 'encrypt' ? [0, 1, 2, 3] : [3, 2, 1, 0]
  for (const i of rounds) {
    if (i % 2 === 0) right = chacha20(xor(left, k(i)), iv(i), right)
    else left = xor(left, blake2b(right, { dkLen: 32, key: concat(k(i), iv(i)) }))
  }
  return concat(left, right)
}

const layer = (direction: 'encrypt' | 'decrypt', payloadKey: Uint8Array, payload: Uint8Array) =>
  refLioness(direction, keyStream(payloadKey, 176), payload)

export type RefCommand = { kind: number; node?: Uint8Array; surbId?: Uint8Array; delayMs: number }

function command({ kind, node, surbId, delayMs }: RefCommand, random: Uint8Array): Uint8Array {
  return concat(
    Uint8Array.of(kind),
    node ?? random.subarray(1, 33),
    u32be(delayMs),
    surbId ?? random.subarray(37, 53),
  )
}

/** The header for `route`; `last` is what the last hop is told, `edit` may falsify a command. */
export function refHeader(
  rng: Rng,
  sizes: RefSizes,
  route: readonly RefHop[],
  last: Omit<RefCommand, 'delayMs'>,
  edit: (command: Uint8Array, hop: number) => Uint8Array = (bytes) => bytes,
): { header: Uint8Array; payloadKeys: Uint8Array[] } {
  const { kem, hops } = sizes
  const { slot, block } = lengths(sizes)
  const prefix = Uint8Array.of(1, kem.suite)
  const sent = route.map((hop, i) => {
    const random = rng.bytes(53)
    const [share, secret] = kem.encapsulate(rng.bytes(32), hop.publicKey)
    const next = route[i + 1]
    const told = next === undefined ? last : { kind: 1, node: next.nodeId }
    const bytes = edit(command({ ...told, delayMs: hop.delayMs }, random), i)
    return { share, command: bytes, keys: hopKeys(sizes, secret, share, hop.publicKey) }
  })

  let filler: Uint8Array = zeros(0)
  for (const { keys } of sent.slice(0, -1)) {
    const grown = concat(filler, zeros(slot))
    filler = xor(grown, keys.blockStream.subarray(block + slot - grown.length))
  }

  let header: Uint8Array = zeros(0)
  for (let i = hops - 1; i >= 0; i--) {
    const { share, command: told, keys } = sent[i] as (typeof sent)[number]
    // After the first turn, `header` is the next hop's: prefix | share | block | MAC.
    const nextMac = header.subarray(header.length - 16)
    const nextBlock = header.subarray(2 + kem.shareBytes, header.length - 16)
    const routing =
      i === hops - 1
        ? concat(xor(told, keys.blockStream), filler)
        : xor(
            concat(
              told,
              header.subarray(2, 2 + kem.shareBytes),
              nextMac,
              nextBlock.subarray(0, block - slot),
            ),
            keys.blockStream,
          )
    header = concat(prefix, share, routing, mac(keys.macKey, prefix, share, routing))
  }
  return { header, payloadKeys: sent.map(({ keys }) => keys.payloadKey) }
}

export function refWrap(
  rng: Rng,
  sizes: RefSizes,
  route: readonly RefHop[],
  plaintext: Uint8Array,
  edit?: (command: Uint8Array, hop: number) => Uint8Array,
  tag: Uint8Array = zeros(32),
): Uint8Array {
  const { header, payloadKeys } = refHeader(rng, sizes, route, { kind: 2 }, edit)
  let payload = concat(tag, plaintext)
  for (const key of payloadKeys.toReversed()) payload = layer('encrypt', key, payload)
  return concat(header, payload)
}

export interface RefUnwrapped {
  readonly replayTag: Uint8Array
  readonly kind: number
  readonly node: Uint8Array
  readonly delayMs: number
  readonly surbId: Uint8Array
  /** The routing block in clear, a slot longer than on the wire. */
  readonly opened: Uint8Array
  readonly packet: Uint8Array
  readonly payload: Uint8Array
}

/** One hop; undefined when the MAC is wrong. Says what the command is and obeys none. */
export function refUnwrap(
  sizes: RefSizes,
  seed: Uint8Array,
  packet: Uint8Array,
): RefUnwrapped | undefined {
  const { kem } = sizes
  const { slot, block, header } = lengths(sizes)
  const share = packet.slice(2, 2 + kem.shareBytes)
  const routing = packet.slice(2 + kem.shareBytes, header - 16)
  const secret = kem.decapsulate(seed, share)
  const keys = hopKeys(sizes, secret, share, kem.publicKey(seed))
  const wanted = mac(keys.macKey, packet.slice(0, 2), share, routing)
  if (Buffer.compare(wanted, packet.slice(header - 16, header)) !== 0) return undefined
  const opened = xor(concat(routing, zeros(slot)), keys.blockStream)
  const payload = layer('decrypt', keys.payloadKey, packet.slice(header))
  return {
    replayTag: keys.replayTag,
    kind: opened[0] as number,
    node: opened.slice(1, 33),
    delayMs: Buffer.from(opened).readUInt32BE(33),
    surbId: opened.slice(37, 53),
    opened,
    packet: concat(
      packet.slice(0, 2),
      opened.slice(53, 53 + kem.shareBytes),
      opened.slice(slot, slot + block),
      opened.slice(slot - 16, slot),
      payload,
    ),
    payload,
  }
}

export function refSurb(
  rng: Rng,
  sizes: RefSizes,
  route: readonly RefHop[],
  recipient: Uint8Array,
): { bytes: Uint8Array; id: Uint8Array; keys: Uint8Array[] } {
  const id = rng.bytes(16)
  const own = rng.bytes(32)
  const { header, payloadKeys } = refHeader(rng, sizes, route, {
    kind: 3,
    node: recipient,
    surbId: id,
  })
  const bytes = concat((route[0] as RefHop).nodeId, header, own)
  return { bytes, id, keys: [own, ...payloadKeys] }
}

export function refUseSurb(
  surb: Uint8Array,
  plaintext: Uint8Array,
  tag: Uint8Array = zeros(32),
): Uint8Array {
  const payload = layer('encrypt', surb.slice(-32), concat(tag, plaintext))
  return concat(surb.slice(32, -32), payload)
}

/** The payload behind all layers, zero tag included. */
export function refOpenReply(keys: readonly Uint8Array[], payload: Uint8Array): Uint8Array {
  const [own, ...hops] = keys
  let opened = payload
  for (const key of hops.toReversed()) opened = layer('encrypt', key, opened)
  return layer('decrypt', own as Uint8Array, opened)
}
