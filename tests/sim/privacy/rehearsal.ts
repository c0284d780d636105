/** Evidence of one publication of known origin. Columns are the candidates. */
export interface RehearsedCase {
  /** Index of the true origin among the candidates. */
  readonly truth: number
  /** Log of the path's probability, per candidate. */
  readonly path: Float64Array
  /** Log-likelihood ratio of the replies, per candidate; zeros where there are none. */
  readonly reply: Float64Array
}

/** How much the adversary trusts each kind of evidence. 1 is at its word, 0 not at all. */
export interface Trust {
  readonly path: number
  readonly reply: number
}

const STEPS = 25
const RIDGE = 1e-3

/**
 * The trust that makes the true origins of a rehearsal most probable: an adversary can simulate the network too, and
 * approximations of its own tracking then neither mislead it nor make it weaker. Conditional logit, by Newton's
 * method with a slight pull towards 0; negative trust is not allowed.
 */
export function fitTrust(cases: readonly RehearsedCase[]): Trust {
  const both = fit(cases, true, true)
  if (both.path >= 0 && both.reply >= 0) return both
  const single = both.path < 0 ? fit(cases, false, true) : fit(cases, true, false)
  return { path: Math.max(0, single.path), reply: Math.max(0, single.reply) }
}

function fit(cases: readonly RehearsedCase[], usesPath: boolean, usesReply: boolean): Trust {
  let [path, reply] = [usesPath ? 1 : 0, 0]
  for (let step = 0; step < STEPS; step++) {
    let [g0, g1, h00, h01, h11] = [-RIDGE * path, -RIDGE * reply, RIDGE, 0, RIDGE]
    for (const { truth, path: x, reply: y } of cases) {
      const p = posterior(x, y, { path, reply })
      let [mx, my, mxx, mxy, myy] = [0, 0, 0, 0, 0]
      for (let i = 0; i < p.length; i++) {
        const [w, a, b] = [p[i] as number, x[i] as number, y[i] as number]
        mx += w * a
        my += w * b
        mxx += w * a * a
        mxy += w * a * b
        myy += w * b * b
      }
      g0 += (x[truth] as number) - mx
      g1 += (y[truth] as number) - my
      h00 += mxx - mx * mx
      h01 += mxy - mx * my
      h11 += myy - my * my
    }
    if (!usesPath) [g0, h01] = [0, 0]
    if (!usesReply) [g1, h01] = [0, 0]
    const determinant = h00 * h11 - h01 * h01
    if (!(determinant > 0)) break
    const [d0, d1] = [(h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant]
    // A full step from a flat start may overshoot.
    const scale = Math.min(1, 0.5 / Math.max(Math.abs(d0), Math.abs(d1), 1e-12))
    path += scale * d0
    reply += scale * d1
    if (Math.abs(d0) + Math.abs(d1) < 1e-6) break
  }
  return { path, reply }
}

/** Probability of every candidate by one publication, with equal chances before it. */
export function posterior(path: Float64Array, reply: Float64Array, trust: Trust): Float64Array {
  const out = new Float64Array(path.length)
  for (let i = 0; i < out.length; i++) {
    out[i] = trust.path * (path[i] as number) + trust.reply * (reply[i] as number)
  }
  return softmax(out)
}

/** Turns logarithms into probabilities, in place. */
export function softmax(logs: Float64Array): Float64Array {
  let largest = Number.NEGATIVE_INFINITY
  for (const value of logs) if (value > largest) largest = value
  let total = 0
  for (let i = 0; i < logs.length; i++) {
    logs[i] = Math.exp((logs[i] as number) - largest)
    total += logs[i] as number
  }
  for (let i = 0; i < logs.length; i++) logs[i] = (logs[i] as number) / total
  return logs
}
