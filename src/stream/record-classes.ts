/** The smallest class: a receipt and a short text look alike. */
export const MIN_CLASS_BYTES = 64

/**
 * The class a record of `length` bytes is padded to: room for the content and one marker byte, rounded up so
 * that only the leading bits of the length stay (Padmé: Nikitin et al., "Reducing metadata leakage from
 * encrypted files and communication with PURBs", 2019): at most 12 % more, and O(log log) bits of length
 * are visible to whoever counts boxes. At least 64.
 */
export function paddedLength(length: number): number {
  return classOf(length + 1)
}

/** True for the lengths that `paddedLength` gives. */
export function isPaddedLength(length: number): boolean {
  return Number.isSafeInteger(length) && length >= MIN_CLASS_BYTES && classOf(length) === length
}

function classOf(length: number): number {
  if (length <= MIN_CLASS_BYTES) return MIN_CLASS_BYTES
  const exponent = Math.floor(Math.log2(length))
  const kept = Math.floor(Math.log2(exponent)) + 1
  const step = 2 ** (exponent - kept)
  return Math.ceil(length / step) * step
}
