const MAX_STEPS = 25
const TOLERANCE = 1e-8

/**
 * Logistic regression without intercept by Newton's method: the weights that maximise the likelihood of `labels`
 * (0 or 1) minus `ridge` / 2 times their square. Deterministic. Every row has the same length.
 */
export function fitLogistic(
  rows: readonly Float64Array[],
  labels: readonly number[],
  ridge: number,
): Float64Array {
  const size = rows[0]?.length ?? 0
  const weights = new Float64Array(size)
  for (let step = 0; step < MAX_STEPS; step++) {
    const gradient = new Float64Array(size)
    const hessian = new Float64Array(size * size)
    for (let j = 0; j < size; j++) {
      gradient[j] = -ridge * weights[j]!
      hessian[j * size + j] = ridge
    }
    for (const [i, row] of rows.entries()) {
      const p = 1 / (1 + Math.exp(-dot(row, weights)))
      const error = (labels[i] ?? 0) - p
      const weight = p * (1 - p)
      for (let j = 0; j < size; j++) {
        const x = row[j]!
        gradient[j]! += error * x
        const scaled = weight * x
        for (let k = 0; k <= j; k++) hessian[j * size + k]! += scaled * row[k]!
      }
    }
    const change = solve(hessian, gradient)
    let largest = 0
    for (let j = 0; j < size; j++) {
      weights[j]! += change[j]!
      largest = Math.max(largest, Math.abs(change[j]!))
    }
    if (largest < TOLERANCE) break
  }
  return weights
}

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/** Solves A x = b by Cholesky, for the lower triangle of a positive definite A, which is overwritten. */
function solve(a: Float64Array, b: Float64Array): Float64Array {
  const n = b.length
  for (let j = 0; j < n; j++) {
    for (let k = 0; k <= j; k++) {
      let sum = a[j * n + k]!
      for (let m = 0; m < k; m++) sum -= a[j * n + m]! * a[k * n + m]!
      a[j * n + k] = j === k ? Math.sqrt(sum) : sum / a[k * n + k]!
    }
  }
  const x = b.slice()
  for (let j = 0; j < n; j++) {
    for (let m = 0; m < j; m++) x[j]! -= a[j * n + m]! * x[m]!
    x[j]! /= a[j * n + j]!
  }
  for (let j = n - 1; j >= 0; j--) {
    for (let m = j + 1; m < n; m++) x[j]! -= a[m * n + j]! * x[m]!
    x[j]! /= a[j * n + j]!
  }
  return x
}
