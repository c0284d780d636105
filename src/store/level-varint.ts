const MAX_BYTES = 10

/** A little-endian base-128 number as LevelDB writes it, exact below 2^53. @throws RangeError. */
export function varint(bytes: Uint8Array, at: number): [value: number, next: number] {
  let value = 0
  for (let i = 0; i < MAX_BYTES; i++) {
    const byte = bytes[at + i]
    if (byte === undefined) break
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return [value, at + i + 1]
  }
  throw new RangeError('not a varint')
}
