import { isHearsayError, toHex } from '../../src/base/index.ts'

/** What a refused input comes to: see `reencoded`. */
export const REFUSED = 'refused'

/** Code of the HearsayError that `run` throws, `none` without an error; any other error escapes. */
export function errorCode(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (isHearsayError(error)) return error.code
    throw error
  }
  return 'none'
}

/** Hexadecimal of what the decoded input encodes to, or `REFUSED`; a foreign error escapes. */
export function reencoded<T>(
  input: Uint8Array,
  decode: (bytes: Uint8Array) => T,
  encode: (value: T) => Uint8Array,
): string {
  let value: T
  try {
    value = decode(input)
  } catch (error) {
    if (isHearsayError(error)) return REFUSED
    throw error
  }
  return toHex(encode(value))
}
