import { describe, expect, it } from 'vitest'
import { FastRng } from '../../sim/privacy/fast-rng.ts'
import {
  Calibration,
  LinkedStream,
  NAMED_ABOVE,
  namedAfterQuantile,
} from '../../sim/privacy/linked-stream.ts'
import { fitTrust, posterior, type RehearsedCase, softmax } from '../../sim/privacy/rehearsal.ts'
import { ReplyMatching } from '../../sim/privacy/reply-matching.ts'
import { TimingKernel } from '../../sim/privacy/timing-kernel.ts'

describe('matching requests and replies', () => {
  const rng = new FastRng('match')
  const latencies = Float64Array.from(
    { length: 50_000 },
    () => 300 - 150 * Math.log((1 - rng.float()) * (1 - rng.float())),
  )
  const roundTrip = new TimingKernel(latencies, 150)

  /** Exact marginals: every way to give each request one delivery, weighed. */
  function exact(sent: readonly number[], delivered: readonly number[]): number[][] {
    const sums = sent.map(() => delivered.map(() => 0))
    let total = 0
    const assign = (taken: readonly number[], weight: number): void => {
      const i = taken.length
      if (i === sent.length) {
        total += weight
        for (const [row, column] of taken.entries()) {
          const line = sums[row] as number[]
          line[column] = (line[column] as number) + weight
        }
        return
      }
      for (const [j, at] of delivered.entries()) {
        if (taken.includes(j)) continue
        assign([...taken, j], weight * roundTrip.at(at - (sent[i] as number)))
      }
    }
    assign([], 1)
    return sums.map((line) => line.map((sum) => sum / total))
  }

  const options = { roundTrip, end: 1e6, silentCycleMs: undefined }

  /** What the matching believes, as a matrix. */
  function believed(sent: readonly number[], delivered: readonly number[]): number[][] {
    const matching = new ReplyMatching(sent, delivered, options)
    const lines = sent.map(() => delivered.map(() => 0))
    for (const [j, at] of delivered.entries()) {
      matching.competitors(j, 0, sent.length, (i, factor) => {
        const density = roundTrip.at(at - (sent[i] as number))
        const line = lines[i] as number[]
        line[j] = matching.request(i) * factor * density
      })
    }
    return lines
  }

  it('comes close to the exact marginals of all matchings', () => {
    const sent = [0, 60, 110, 190, 260, 330, 370]
    const delivered = [520, 580, 700, 760, 790, 900, 1_010]
    const found = believed(sent, delivered)
    for (const [i, line] of exact(sent, delivered).entries()) {
      for (const [j, probability] of line.entries()) {
        expect(Math.abs((found[i]?.[j] as number) - probability)).toBeLessThan(0.02)
      }
    }
  })

  it('uses every delivery about once', () => {
    const sent = Array.from({ length: 60 }, (_, i) => i * 200)
    const delivered = sent
      .map((at) => at + (latencies[Math.floor(rng.float() * latencies.length)] as number))
      .toSorted((a, b) => a - b)
    const found = believed(sent, delivered)
    for (const j of delivered.keys()) {
      const sum = found.reduce((total, line) => total + (line[j] as number), 0)
      expect(Math.abs(sum - 1)).toBeLessThan(0.1)
    }
  })

  it('finds the request of a cycle whose reply never came', () => {
    const sent = Array.from({ length: 24 }, (_, i) => i * 1_000)
    const silent = [2, 7, 10, 13, 19, 22]
    const delivered = sent.filter((_, i) => !silent.includes(i)).map((at) => at + 500)
    const matching = new ReplyMatching(sent, delivered, {
      roundTrip,
      end: 30_000,
      silentCycleMs: 4_000,
    })
    for (const i of silent) {
      const others = [0, 1, 2, 3].map((k) => i - (i % 4) + k).filter((k) => k !== i)
      expect(matching.silence(i)).toBeGreaterThan(3)
      for (const other of others) expect(matching.silence(other)).toBeLessThan(0.5)
    }
  })
})

describe('the trust in evidence', () => {
  const rng = new FastRng('trust')
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - rng.float())) * Math.cos(2 * Math.PI * rng.float())
  const evidence = (scale: number) => Float64Array.from({ length: 20 }, () => scale * normal())
  const draw = (p: Float64Array) => {
    let left = rng.float()
    return Math.max(
      0,
      p.findIndex((value) => (left -= value) < 0),
    )
  }

  it('is found again where the truth follows it', () => {
    const cases = Array.from({ length: 3_000 }, (): RehearsedCase => {
      const [path, reply] = [evidence(0.5), evidence(0.5)]
      return { truth: draw(posterior(path, reply, { path: 1, reply: 0.5 })), path, reply }
    })
    const trust = fitTrust(cases)
    expect(trust.path).toBeCloseTo(1, 0)
    expect(Math.abs(trust.path - 1)).toBeLessThan(0.15)
    expect(Math.abs(trust.reply - 0.5)).toBeLessThan(0.15)
  })

  it('is never negative, and about 0 for evidence that says nothing', () => {
    const cases = Array.from({ length: 3_000 }, (): RehearsedCase => {
      const [path, reply] = [evidence(0.5), evidence(0.5)]
      return { truth: draw(posterior(path, reply, { path: 1, reply: -0.5 })), path, reply }
    })
    const trust = fitTrust(cases)
    expect(trust.reply).toBe(0)
    expect(Math.abs(trust.path - 1)).toBeLessThan(0.15)
  })
})

describe('a linked stream', () => {
  const logs = (...probabilities: number[]) => Float64Array.from(probabilities, Math.log)

  it('names its sender when the product of the evidence exceeds the threshold', () => {
    const stream = new LinkedStream(0, 2)
    // Odds 2, 4, 8, 16: above 9 with the fourth observation, the second box of two copies.
    stream.addBox([logs(2 / 3, 1 / 3), logs(2 / 3, 1 / 3)])
    expect(stream.isNamed).toBe(false)
    stream.addBox([logs(2 / 3, 1 / 3), logs(2 / 3, 1 / 3)])
    expect(stream.verdict()).toEqual({ namedAfter: 2, isWrong: false, boxes: 2 })
    expect(NAMED_ABOVE).toBe(0.9)
  })

  it('says when somebody else is named', () => {
    const stream = new LinkedStream(0, 2)
    stream.addBox([logs(0.01, 0.99)])
    expect(stream.verdict()).toEqual({ namedAfter: undefined, isWrong: true, boxes: 1 })
  })

  it('gives quantiles that say when they lie beyond the horizon', () => {
    const verdicts = [3, 5, 8, undefined, undefined].map((namedAfter) => ({
      namedAfter,
      isWrong: false,
      boxes: 10,
    }))
    expect(namedAfterQuantile(verdicts, 0.1, 10)).toEqual({ value: 3, censored: false })
    expect(namedAfterQuantile(verdicts, 0.5, 10)).toEqual({ value: 8, censored: false })
    expect(namedAfterQuantile(verdicts.slice(2), 0.5, 10)).toEqual({ value: 10, censored: true })
  })

  it('is judged calibrated when the truth is drawn from the posteriors', () => {
    const rng = new FastRng('calibration')
    const calibration = new Calibration()
    for (let n = 0; n < 20_000; n++) {
      const p = softmax(Float64Array.from({ length: 8 }, () => 2 * rng.float()))
      let left = rng.float()
      calibration.add(
        Math.max(
          0,
          p.findIndex((value) => (left -= value) < 0),
        ),
        p,
      )
    }
    expect(calibration.meanTruth).toBeCloseTo(calibration.meanSquares, 2)
    const entropy = calibration.entropies.reduce((a, b) => a + b, 0) / calibration.publications
    expect(calibration.maxBits).toBeCloseTo(3, 12)
    expect(calibration.meanBits).toBeCloseTo(3 - entropy, 1)
  })
})
