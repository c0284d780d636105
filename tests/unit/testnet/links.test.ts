import { describe, expect, it } from 'vitest'
import {
  changeLinks,
  type LinkFaults,
  type LinkTable,
  NO_FAULTS,
} from '../../../daemon/testnet/index.ts'
import { faultsOf } from '../../../daemon/testnet/relay/link-faults.ts'
import { Owners, parseTcpTable } from '../../../daemon/testnet/relay/owners.ts'
import { type Segment, Shaper } from '../../../daemon/testnet/relay/shaper.ts'
import { seededRng } from '../../support/seeded-rng.ts'

const slow = (faults: Partial<LinkFaults>): LinkFaults => ({ ...NO_FAULTS, ...faults })

describe('the table of link faults', () => {
  it('holds what is not clean, each direction for itself', () => {
    const cut = changeLinks({}, [[0, 1]], (faults) => ({ ...faults, down: true }))
    expect(faultsOf(cut, 0, 1).down).toBe(true)
    expect(faultsOf(cut, 1, 0)).toEqual(NO_FAULTS)
    expect(changeLinks(cut, [[0, 1]], () => NO_FAULTS)).toEqual({})
  })

  it('keeps a delay when a partition comes and goes', () => {
    const delayed: LinkTable = changeLinks({}, [[2, 3]], () => slow({ delayMs: 50 }))
    const cut = changeLinks(delayed, [[2, 3]], (faults) => ({ ...faults, down: true }))
    const healed = changeLinks(cut, [[2, 3]], (faults) => ({ ...faults, down: false }))
    expect(healed).toEqual(delayed)
    expect(cut).not.toEqual(delayed)
  })
})

describe('the shaper of a link', () => {
  const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => i % 251)
  const joined = (segments: readonly Segment[]) =>
    Buffer.concat(segments.map((segment) => segment.bytes))
  const shaper = (seed = 'shaper') => new Shaper({ rng: seededRng(seed) })

  it('delays every byte by the delay, and keeps all bytes', () => {
    const segments = shaper().take(bytes(5_000), slow({ delayMs: 50 }), 1_000)
    expect(joined(segments)).toEqual(Buffer.from(bytes(5_000)))
    expect(new Set(segments.map(({ dueAt }) => dueAt))).toEqual(new Set([1_050]))
  })

  it('keeps the order under jitter, within its limits', () => {
    const link = shaper()
    const faults = slow({ delayMs: 50, jitterMs: 20 })
    const due = Array.from({ length: 500 }, (_, i) => link.take(bytes(100), faults, i * 100))
    const late = due.flat().map(({ dueAt }, i) => dueAt - i * 100)
    expect(Math.min(...late)).toBeGreaterThanOrEqual(30)
    expect(Math.max(...late)).toBeLessThanOrEqual(70)
    expect(Math.max(...late) - Math.min(...late)).toBeGreaterThan(30)
    const burst = link.take(bytes(100_000), faults, 100_000).map(({ dueAt }) => dueAt)
    expect(burst).toEqual(burst.toSorted((a, b) => a - b))
  })

  it('passes as many bits a second as the rate says', () => {
    const link = shaper()
    const faults = slow({ rateBps: 256_000 })
    const last = [...link.take(bytes(32_000), faults, 0), ...link.take(bytes(32_000), faults, 10)]
    expect(last.at(-1)?.dueAt).toBeCloseTo(2_000, 6)
    // A pause is not saved up for a burst later.
    expect(link.take(bytes(3_200), faults, 10_000).at(-1)?.dueAt).toBeCloseTo(10_100, 6)
  })

  it('lets lost segments come later and never loses one', () => {
    const link = shaper()
    const faults = slow({ delayMs: 20, loss: 0.1 })
    const took = Array.from({ length: 1_000 }, (_, i) => {
      const [segment] = link.take(bytes(10), faults, i * 100_000)
      return (segment?.dueAt ?? 0) - i * 100_000
    })
    const waits = new Set(took)
    expect(took).toHaveLength(1_000)
    // 200 ms and a round trip for the first retransmission, twice that for the second.
    expect([...waits].toSorted((a, b) => a - b).slice(0, 3)).toEqual([20, 260, 740])
    expect(took.filter((ms) => ms > 20).length).toBeGreaterThan(60)
    expect(took.filter((ms) => ms > 20).length).toBeLessThan(140)
  })

  it('comes through even when everything is lost at first', () => {
    const [segment] = shaper().take(bytes(1), slow({ loss: 1 }), 0)
    expect(segment?.dueAt).toBe(200 * (2 ** 6 - 1))
  })

  it('repeats segments when somebody tampers with the wire', () => {
    const segments = shaper().take(bytes(1_448 * 200), slow({ repeat: 0.2 }), 0)
    expect(segments.length).toBeGreaterThan(220)
    expect(segments.length).toBeLessThan(260)
  })

  it('does the same again from the same seed', () => {
    const faults = slow({ delayMs: 50, jitterMs: 20, loss: 0.05 })
    const run = (seed: string) => shaper(seed).take(bytes(50_000), faults, 0)
    expect(run('a')).toEqual(run('a'))
    expect(run('a')).not.toEqual(run('b'))
  })
})

describe('whose a connection is', () => {
  const TABLE = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    '   0: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 7001 1',
    '   1: 0100057F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7002 1',
    '   2: 0100007F:9C40 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 7003 1',
    '',
  ].join('\n')

  it('is read from the established connections of the kernel', () => {
    expect([...parseTcpTable(TABLE)]).toEqual([
      ['127.0.0.1:8080', '7001'],
      ['127.0.0.1:40000', '7003'],
    ])
  })

  it.runIf(process.platform === 'linux')('is nobody when no process has it', async () => {
    let looks = 0
    const owners = new Owners({
      running: () => {
        looks++
        return [{ index: 4, pid: process.pid }]
      },
    })
    const answers = await Promise.all([owners.ownerOf('127.0.0.9:1'), owners.ownerOf('?')])
    expect(answers).toEqual([undefined, undefined])
    expect(looks, 'one look for both').toBe(1)
  })
})
