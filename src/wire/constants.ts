/** Ends the content of a padded byte string; zeros follow. */
export const PAD_MARKER = 0x80
/** Nesting of arrays and maps that `decodeCbor` accepts: deeper is an attack on the stack. */
export const MAX_CBOR_DEPTH = 16
/** Keys of one map: each costs some µs to build and to sort, and a record could hold 60,000. */
export const MAX_CBOR_MAP_KEYS = 1024
