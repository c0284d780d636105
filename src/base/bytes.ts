import { HearsayError } from './errors.ts'

/** Byte strings of a fixed meaning. The brand keeps an address from being passed where a key is due. */
export type Branded<T, Name extends string> = T & { readonly __brand: Name }

/** An Ed25519 node key, 32 bytes: the raw public key inside a node's libp2p peer id. */
export type NodeId = Branded<Uint8Array, 'NodeId'>
/** The one-time address of a box, 32 bytes: a blinded Ed25519 public key. */
export type Address = Branded<Uint8Array, 'Address'>
/** BLAKE2b-256 of the signed network file's parameters, 32 bytes. */
export type NetworkId = Branded<Uint8Array, 'NetworkId'>
/** A whole box, exactly `BOX_BYTES` long. */
export type BoxBytes = Branded<Uint8Array, 'BoxBytes'>

export const NODE_ID_BYTES = 32
export const ADDRESS_BYTES = 32
export const NETWORK_ID_BYTES = 32
export const HASH_BYTES = 32

const branded =
  <Name extends string>(name: Name, length: number) =>
  (bytes: Uint8Array): Branded<Uint8Array, Name> => {
    if (bytes.length !== length) {
      throw new HearsayError('bad-length', `${name} has the wrong length`, { length: bytes.length })
    }
    return bytes as Branded<Uint8Array, Name>
  }

/** Checks the length (32) and brands. @throws HearsayError `bad-length`. */
export const asNodeId = branded('NodeId', NODE_ID_BYTES)
/** Checks the length (32) and brands. @throws HearsayError `bad-length`. */
export const asAddress = branded('Address', ADDRESS_BYTES)
/** Checks the length (32) and brands. @throws HearsayError `bad-length`. */
export const asNetworkId = branded('NetworkId', NETWORK_ID_BYTES)

// Short byte strings go through here: V8 keeps them inside their object until somebody asks for the memory behind
// them, and then they cost several times as much, to make and to collect.
const space = Buffer.alloc(64)
const spaceBytes = new Uint8Array(space.buffer, space.byteOffset, space.length)

/** Lower-case hexadecimal; the form used as a key of in-memory maps. */
export function toHex(bytes: Uint8Array): string {
  const { length } = bytes
  if (length > spaceBytes.length) {
    return Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('hex')
  }
  spaceBytes.set(bytes)
  const text = space.toString('hex', 0, length)
  // They may be secret: no copy stays.
  spaceBytes.fill(0, 0, length)
  return text
}

/** Strict inverse of `toHex`. @throws HearsayError `bad-encoding` for anything `toHex` does not write. */
export function fromHex(text: string): Uint8Array {
  const bytes = new Uint8Array(Buffer.from(text, 'hex'))
  if (toHex(bytes) !== text) throw new HearsayError('bad-encoding', 'not lower-case hexadecimal')
  return bytes
}

/** Unpadded base64url, the form of bytes in the RPC and in URIs. */
export function toBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
}

/** Strict inverse of `toBase64Url`. @throws HearsayError `bad-encoding` (padding, other alphabet, stray bits). */
export function fromBase64Url(text: string): Uint8Array {
  const bytes = new Uint8Array(Buffer.from(text, 'base64url'))
  if (toBase64Url(bytes) !== text) throw new HearsayError('bad-encoding', 'not unpadded base64url')
  return bytes
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** Strict UTF-8. @throws HearsayError `bad-encoding`. */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new HearsayError('bad-encoding', 'not UTF-8')
  }
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    out.set(part, offset)
    offset += part.length
  }
  return out
}

/** Lexicographic order of unsigned bytes. Not constant time: for public values only. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b)
}

/** Equality of public values. Secrets are compared with `constantTimeEqual` of `crypto`. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0
}

/** XOR distance of two 32-byte ids, as bytes that `compareBytes` orders. */
export function xorDistance(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length)
  for (let i = 0; i < a.length; i++) out[i] = (a[i] ?? 0) ^ (b[i] ?? 0)
  return out
}

/** 4-byte big-endian. */
export function u32be(value: number): Uint8Array {
  const out = new Uint8Array(4)
  new DataView(out.buffer).setUint32(0, value)
  return out
}

/** 8-byte big-endian of a safe integer. */
export function u64be(value: number): Uint8Array {
  const out = new Uint8Array(8)
  new DataView(out.buffer).setBigUint64(0, BigInt(value))
  return out
}

const MAX_HIGH = 2 ** 21 - 1

/** Reads what `u64be` writes. @throws HearsayError `bad-value` above 2^53 - 1. */
export function readU64be(bytes: Uint8Array, offset = 0): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const high = view.getUint32(offset)
  const low = view.getUint32(offset + 4)
  if (high > MAX_HIGH) throw new HearsayError('bad-value', 'integer above 2^53 - 1')
  return high * 2 ** 32 + low
}
