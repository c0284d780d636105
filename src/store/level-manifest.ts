import { varint } from './level-varint.ts'

const BLOCK_BYTES = 32768
const HEADER_BYTES = 7
const [FULL, FIRST, , LAST] = [1, 2, 3, 4] as const

/** What a version edit's tags are followed by: numbers (n), byte strings (s). */
const TAGS: Readonly<Record<number, string>> = {
  1: 's', // comparator
  2: 'n', // log number
  3: 'n', // next file number
  4: 'n', // last sequence
  5: 'ns', // compaction pointer: level, key
  6: 'nn', // deleted table: level, number
  7: 'nnnss', // new table: level, number, size, smallest key, largest key
  9: 'n', // previous log number
}
const DELETED_TABLE = 6
const NEW_TABLE = 7

/** Records of LevelDB's log format: checksum 4 | length 2 | type 1 | data, in blocks of 32 KiB. */
function* records(log: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(log.buffer, log.byteOffset, log.length)
  let parts: Uint8Array[] = []
  for (let at = 0; at + HEADER_BYTES <= log.length; ) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES)
    if (left < HEADER_BYTES) {
      at += left
      continue
    }
    const length = view.getUint16(at + 4, true)
    const type = log[at + 6]
    const data = log.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length)
    at += HEADER_BYTES + length
    if (type === FULL || type === FIRST) parts = []
    parts.push(data)
    if (type === FULL || type === LAST) yield new Uint8Array(Buffer.concat(parts))
  }
}

/**
 * Numbers of the tables that belong to the database according to its MANIFEST. Others are left-overs of a flush
 * or compaction that was cut off; LevelDB deletes them unread. LevelDB checks the MANIFEST itself.
 * @throws RangeError for anything malformed.
 */
export function liveTables(manifest: Uint8Array): Set<number> {
  const live = new Set<number>()
  for (const edit of records(manifest)) {
    for (let at = 0; at < edit.length; ) {
      const [tag, next] = varint(edit, at)
      const fields = TAGS[tag]
      if (fields === undefined) throw new RangeError('unknown tag')
      const numbers: number[] = []
      at = next
      for (const field of fields) {
        const [value, after] = varint(edit, at)
        numbers.push(value)
        at = field === 's' ? after + value : after
      }
      if (at > edit.length) throw new RangeError('truncated edit')
      if (tag === NEW_TABLE) live.add(numbers[1] as number)
      if (tag === DELETED_TABLE) live.delete(numbers[1] as number)
    }
  }
  return live
}
