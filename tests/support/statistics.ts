/** Largest distance between two empirical distribution functions. */
export function ksDistance(a: readonly number[], b: readonly number[]): number {
  const x = a.toSorted((p, q) => p - q)
  const y = b.toSorted((p, q) => p - q)
  let i = 0
  let j = 0
  let largest = 0
  while (i < x.length && j < y.length) {
    const at = Math.min(x[i] ?? Number.POSITIVE_INFINITY, y[j] ?? Number.POSITIVE_INFINITY)
    while (i < x.length && (x[i] ?? at) <= at) i++
    while (j < y.length && (y[j] ?? at) <= at) j++
    largest = Math.max(largest, Math.abs(i / x.length - j / y.length))
  }
  return largest
}

/**
 * Two-sample Kolmogorov–Smirnov test: probability of a distance at least this large when both samples come
 * from one distribution. Stephens' approximation, good from about 8 values a side.
 */
export function ksTwoSample(a: readonly number[], b: readonly number[]): number {
  const n = (a.length * b.length) / (a.length + b.length)
  return kolmogorov(ksDistance(a, b), n)
}

/** One-sample Kolmogorov–Smirnov test against the uniform distribution on [0, 1). */
export function ksUniform(sample: readonly number[]): number {
  const sorted = sample.toSorted((p, q) => p - q)
  const n = sorted.length
  let largest = 0
  for (const [i, value] of sorted.entries()) {
    largest = Math.max(largest, (i + 1) / n - value, value - i / n)
  }
  return kolmogorov(largest, n)
}

function kolmogorov(distance: number, n: number): number {
  const root = Math.sqrt(n)
  const lambda = (root + 0.12 + 0.11 / root) * distance
  if (lambda < 0.2) return 1
  let sum = 0
  for (let k = 1; k <= 100; k++) {
    const term = (k % 2 === 1 ? 2 : -2) * Math.exp(-2 * k * k * lambda * lambda)
    sum += term
    if (Math.abs(term) < 1e-12) break
  }
  return Math.min(1, Math.max(0, sum))
}
