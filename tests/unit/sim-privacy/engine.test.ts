import { describe, expect, it } from 'vitest'
import { EventQueue } from '../../sim/privacy/event-queue.ts'
import { FastRng } from '../../sim/privacy/fast-rng.ts'
import { TimingKernel } from '../../sim/privacy/timing-kernel.ts'
import { VectorPool } from '../../sim/privacy/vector-pool.ts'

describe('the event queue', () => {
  it('gives events in the order of their times, also while others come in', () => {
    const rng = new FastRng('queue')
    const queue = new EventQueue()
    const waiting: number[] = []
    const wrong: number[] = []
    for (let n = 0; n < 5_000; n++) {
      const time = rng.float()
      queue.push(time, n)
      waiting.push(time)
      if (n % 3 !== 2) continue
      const earliest = Math.min(...waiting)
      if (queue.nextTime !== earliest) wrong.push(n)
      queue.pop()
      waiting.splice(waiting.indexOf(earliest), 1)
    }
    expect(wrong).toEqual([])
    let last = 0
    while (queue.size > 0) {
      expect(queue.nextTime).toBeGreaterThanOrEqual(last)
      last = queue.nextTime
      queue.pop()
    }
    expect(queue.nextTime).toBe(Number.POSITIVE_INFINITY)
    expect(() => queue.pop()).toThrow(RangeError)
  })
})

describe('the fast generator', () => {
  it('repeats itself by its seed, and differs with another', () => {
    const bytes = (seed: string) => [...new FastRng(seed).bytes(40_000 % 4_096)]
    expect(bytes('a')).toEqual(bytes('a'))
    expect(bytes('a')).not.toEqual(bytes('b'))
  })

  it('gives bytes that the caller owns', () => {
    const rng = new FastRng('own')
    const first = rng.bytes(8)
    const copy = [...first]
    for (let n = 0; n < 10_000; n++) rng.bytes(8)
    expect([...first]).toEqual(copy)
  })

  it('is uniform: 64 bins of 64,000 draws stay within five standard deviations', () => {
    const rng = new FastRng('uniform')
    const bins = new Int32Array(64)
    for (let n = 0; n < 64_000; n++) {
      const bin = Math.floor(rng.float() * 64)
      bins[bin] = (bins[bin] as number) + 1
    }
    for (const count of bins) expect(Math.abs(count - 1_000)).toBeLessThan(5 * Math.sqrt(1_000))
  })
})

describe('the density of a latency', () => {
  it('integrates to 1 and falls to 0 where it ends', () => {
    const rng = new FastRng('kernel')
    const samples = Float64Array.from(
      { length: 20_000 },
      () => 100 - 50 * Math.log(1 - rng.float()),
    )
    const kernel = new TimingKernel(samples, 50)
    let sum = 0
    for (let at = 0; at < kernel.longest + 50; at++) sum += kernel.at(at + 0.5)
    expect(sum).toBeCloseTo(1, 2)
    expect(kernel.at(50)).toBe(0)
    expect(kernel.at(110)).toBeGreaterThan(kernel.at(200))
    expect(kernel.after(-1)).toBe(1)
    expect(kernel.after(90)).toBeCloseTo(1, 2)
    expect(kernel.after(100 + 50 * Math.LN2)).toBeCloseTo(0.5, 1)
    expect(kernel.after(kernel.longest + 100)).toBe(0)
  })
})

describe('the pool of vectors', () => {
  it('keeps contents while it grows and widens, and reuses what was freed', () => {
    const pool = new VectorPool(2, 1)
    const [a, b] = [pool.allocate(), pool.allocate()]
    pool.data.set([1, 2], a * 2)
    pool.data.set([3, 4], b * 2)
    const wide = pool.widened(3)
    expect([...wide.data.subarray(a * 3, a * 3 + 3)]).toEqual([1, 2, 0])
    expect([...wide.data.subarray(b * 3, b * 3 + 3)]).toEqual([3, 4, 0])
    wide.clearColumn(0)
    expect([...wide.data.subarray(b * 3, b * 3 + 3)]).toEqual([0, 4, 0])
    wide.release(a)
    expect(wide.allocate()).toBe(a)
    expect(wide.allocate()).not.toBe(b)
  })
})
