import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseTcpTable } from '../../privacy/live/proc-net.ts'
import { parseTicks } from '../../privacy/live/processor.ts'
import { schedule } from '../../privacy/live/schedule.ts'
import { readTrace, TraceWriter } from '../../privacy/live/trace-file.ts'
import { seededRng } from '../../support/seeded-rng.ts'

describe('the file of a trace', () => {
  it('gives back what was written, over many blocks', () => {
    const dir = mkdtempSync(join(tmpdir(), 'hs-trace-'))
    try {
      const file = join(dir, 'trace.bin')
      const writer = new TraceWriter(file)
      for (let i = 0; i < 10_000; i++) writer.add(i + 0.25, i % 12, 255, 70_000 + i)
      writer.close()
      const trace = readTrace(file)
      expect(trace.at).toHaveLength(10_000)
      expect(trace.at[9_999]).toBe(9_999.25)
      expect([trace.from[9_998], trace.to[9_998], trace.bytes[9_998]]).toEqual([2, 255, 79_998])
    } finally {
      rmSync(dir, { recursive: true })
    }
  })
})

describe('the tables of the system', () => {
  it('name the established connections', () => {
    const text = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 0100057F:2710 0100FF7F:D431 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0 20 4 30 10 -1
`
    expect(parseTcpTable(text)).toEqual([
      { local: '127.5.0.1:10000', remote: '127.255.0.1:54321', inode: '222' },
    ])
  })

  it('say how long the processors were free', () => {
    const text = 'cpu  100 5 50 800 40 1 2 2 7 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n'
    expect(parseTicks(text)).toEqual({ free: 845, all: 1_000 })
  })
})

describe('the schedule of phases', () => {
  const options = {
    from: 12_345,
    epochOrigin: -7_000,
    epochMs: 300_000,
    pairs: 40,
    phaseMs: 20_000,
    pauseMs: 12_000,
    marginMs: 10_000,
  }
  const phases = schedule(seededRng('phases'), options)
  const pairs = Array.from({ length: 40 }, (_, block) =>
    phases.filter((each) => each.block === block),
  )

  it('has an idle and a busy phase in each pair, in either order', () => {
    for (const pair of pairs) {
      expect(new Set(pair.map(({ busy }) => busy)).size).toBe(2)
      expect(pair).toHaveLength(2)
    }
    const busyFirst = pairs.filter(([first]) => first?.busy).length
    expect(busyFirst).toBeGreaterThan(8)
    expect(busyFirst).toBeLessThan(32)
  })

  it('keeps a pause before each phase', () => {
    let last = options.from
    for (const { from, to } of phases) {
      expect(from - last).toBeGreaterThanOrEqual(options.pauseMs)
      expect(to - from).toBe(options.phaseMs)
      last = to
    }
  })

  it('keeps every pair inside an epoch, away from its ends', () => {
    for (const [first, second] of pairs) {
      const begin = first!.from - options.pauseMs - options.epochOrigin
      const end = second!.to - options.epochOrigin
      expect(Math.floor(begin / options.epochMs)).toBe(Math.floor(end / options.epochMs))
      expect(begin % options.epochMs).toBeGreaterThanOrEqual(options.marginMs)
      expect(end % options.epochMs).toBeLessThanOrEqual(options.epochMs - options.marginMs)
    }
  })

  it('takes no notice of epochs that are too short for a pair', () => {
    const dense = schedule(seededRng('phases'), { ...options, epochMs: 60_000 })
    expect(dense.at(-1)!.to).toBe(options.from + 80 * 32_000)
  })
})
