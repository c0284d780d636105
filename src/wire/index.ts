/** wire: strict binary reader and writer, deterministic CBOR, padding. Total: errors are HearsayErrors. */
export { decodeCbor, encodeCbor } from './cbor.ts'
export type { CborMap, CborValue } from './cbor.ts'
export { padTo, unpad } from './padding.ts'
export { Reader } from './reader.ts'
export { Writer } from './writer.ts'
