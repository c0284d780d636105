import { crc32c } from './crc32c.ts'
import { varint } from './level-varint.ts'

const FOOTER_BYTES = 48
const MAGIC = 0xdb4775248b80fb57n
const TRAILER_BYTES = 5
const UNCOMPRESSED = 0
const MASK_DELTA = 0xa282ead8

interface Handle {
  readonly offset: number
  readonly size: number
}

function handle(bytes: Uint8Array, at: number): [handle: Handle, next: number] {
  const [offset, middle] = varint(bytes, at)
  const [size, next] = varint(bytes, middle)
  return [{ offset, size }, next]
}

/** The block's content once its checksum is right: content | type 1 | masked CRC-32C of both 4. */
function block(table: Uint8Array, { offset, size }: Handle): Uint8Array {
  const end = offset + size
  if (end + TRAILER_BYTES > table.length - FOOTER_BYTES) throw new RangeError('malformed table')
  const view = new DataView(table.buffer, table.byteOffset + end + 1, 4)
  const unmasked = (view.getUint32(0, true) - MASK_DELTA) >>> 0
  const crc = ((unmasked >>> 17) | (unmasked << 15)) >>> 0
  if (crc !== crc32c(table, offset, end + 1) || table[end] !== UNCOMPRESSED)
    throw new RangeError('malformed table')
  return table.subarray(offset, end)
}

/** entries (shared, rest and value length as varints | rest of key | value) | restarts 4 each | count 4. */
function handlesOf(index: Uint8Array): Handle[] {
  const view = new DataView(index.buffer, index.byteOffset, index.length)
  const entriesEnd = index.length - 4 - 4 * view.getUint32(index.length - 4, true)
  const handles: Handle[] = []
  let at = 0
  while (at < entriesEnd) {
    const [, rest] = varint(index, at)
    const [restBytes, value] = varint(index, rest)
    const [valueBytes, key] = varint(index, value)
    handles.push(handle(index, key + restBytes)[0])
    at = key + restBytes + valueBytes
  }
  return handles
}

/**
 * Whether every block of a LevelDB table (uncompressed, as this store writes them) has its checksum. LevelDB
 * itself does not look unless it is told to, answers with what it finds, or stops the process by an assertion.
 * Total: never throws.
 */
export function isIntactTable(table: Uint8Array): boolean {
  try {
    if (table.length < FOOTER_BYTES) return false
    const footer = table.subarray(table.length - FOOTER_BYTES)
    const view = new DataView(footer.buffer, footer.byteOffset, FOOTER_BYTES)
    if (view.getBigUint64(FOOTER_BYTES - 8, true) !== MAGIC) return false
    const [metaIndex, next] = handle(footer, 0)
    const [index] = handle(footer, next)
    const meta = handlesOf(block(table, metaIndex))
    for (const data of [...meta, ...handlesOf(block(table, index))]) block(table, data)
    return true
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}
