/** stream: boxes, address chains, records in boxes, and the reader's window. Pure: no time, disk or net. */
export { AddressMap } from './address-map.ts'
export {
  asBox,
  assembleBox,
  boxHash,
  coverBox,
  openBox,
  openSaltedBox,
  parseBox,
  sealBox,
  sealSaltedBox,
  verifyBox,
} from './box.ts'
export type { Box, SealOptions } from './box.ts'
export {
  addressOf,
  advanceChain,
  copyChain,
  decodeChain,
  encodeChain,
  firstChain,
  wipeBoxKeys,
} from './chain.ts'
export type { BoxKeys, ChainState } from './chain.ts'
export {
  BOX_BYTES,
  BOX_PAYLOAD_BYTES,
  BOX_SALT_BYTES,
  BOX_SEALED_BYTES,
  BOX_SIGNED_BYTES,
  BOX_VERSION,
  MAX_PADDED_BYTES,
  MAX_PARTIAL_BYTES,
  MAX_RECORD_BYTES,
  MAX_WHOLE_BYTES,
  MAX_WINDOW_SIZE,
  SALTED_PAYLOAD_BYTES,
  WHOLE_HEADER_BYTES,
} from './constants.ts'
export { restoreRecord } from './partial.ts'
export { ReadWindow } from './read-window.ts'
export type { WatchedAddress } from './read-window.ts'
export { Reassembler } from './reassembler.ts'
export type { RecordIn } from './reassembler.ts'
export { isPaddedLength, paddedLength } from './record-classes.ts'
export { RecordRows, RowChanges } from './record-rows.ts'
export type { FindRows, GoneRows, NewRow } from './record-rows.ts'
export { Segmenter } from './segmenter.ts'
export type { Filled, RecordOut } from './segmenter.ts'
