import { concat, HASH_BYTES, readU64be, u64be } from '../base/index.ts'
import { corrupt } from './storage-error.ts'

/** Where the database stands; rewritten in every group commit. */
export interface Head {
  /** Group commits so far: compared with the watermark to notice a database that went back. */
  readonly commits: number
  /** First commit number of the unbroken row of marks. */
  readonly marksFrom: number
  /** Last event, 0 before the first. */
  readonly seq: number
  /** First event that is kept; `seq + 1` when none is. */
  readonly oldest: number
  /** Chain value of the last event, zeros before the first. */
  readonly chain: Uint8Array
}

export const FIRST_HEAD: Head = {
  commits: 1,
  marksFrom: 1,
  seq: 0,
  oldest: 1,
  chain: new Uint8Array(HASH_BYTES),
}
const HEAD_BYTES = 32 + HASH_BYTES

/** commits 8 | marks from 8 | seq 8 | oldest 8 | chain 32. */
export function encodeHead(head: Head): Uint8Array {
  return concat(
    u64be(head.commits),
    u64be(head.marksFrom),
    u64be(head.seq),
    u64be(head.oldest),
    head.chain,
  )
}

/** @throws HearsayError `storage-corrupt`. */
export function decodeHead(bytes: Uint8Array): Head {
  if (bytes.length !== HEAD_BYTES) throw corrupt('the head record is damaged')
  const head = {
    commits: readU64be(bytes, 0),
    marksFrom: readU64be(bytes, 8),
    seq: readU64be(bytes, 16),
    oldest: readU64be(bytes, 24),
    chain: bytes.slice(32),
  }
  if (head.oldest < 1 || head.oldest > head.seq + 1) throw corrupt('the head record is damaged')
  return head
}
