const POLYNOMIAL = 0x82f63b78
const SLICES = 4

/** Four tables: the checksum of a byte followed by 0 to 3 zero bytes. */
const tables = buildTables()

function buildTables(): readonly Int32Array[] {
  const first = new Int32Array(256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0)
    first[byte] = crc
  }
  const all = [first]
  for (let slice = 1; slice < SLICES; slice++) {
    const before = all[slice - 1] as Int32Array
    all.push(before.map((crc) => (crc >>> 8) ^ (first[crc & 0xff] as number)))
  }
  return all
}

/** CRC-32C (Castagnoli, RFC 3720 appendix B.4) of `bytes[from..to)`, unsigned. */
export function crc32c(bytes: Uint8Array, from = 0, to: number = bytes.length): number {
  const [t0, t1, t2, t3] = tables as [Int32Array, Int32Array, Int32Array, Int32Array]
  let crc = -1
  let at = from
  for (; at + 4 <= to; at += 4) {
    crc ^=
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)
    crc =
      (t3[crc & 0xff] as number) ^
      (t2[(crc >>> 8) & 0xff] as number) ^
      (t1[(crc >>> 16) & 0xff] as number) ^
      (t0[crc >>> 24] as number)
  }
  for (; at < to; at++) {
    crc = (crc >>> 8) ^ (t0[(crc ^ (bytes[at] as number)) & 0xff] as number)
  }
  return (crc ^ -1) >>> 0
}
