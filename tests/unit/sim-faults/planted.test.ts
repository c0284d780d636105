import { beforeAll, describe, expect, it } from 'vitest'
import { CryptoWatch } from '../../support/crypto-watch.ts'
import { type Fixture, makeFixture } from '../../sim/faults/fixture.ts'
import type { Planted } from '../../sim/faults/planted.ts'
import { runSeed, type SeedReport } from '../../sim/faults/run-seed.ts'
import type { Fault, Schedule } from '../../sim/faults/schedule.ts'

// Three nodes whose directory has not settled yet: enough to find these, and made in two seconds.
const NODES = 3
const crypto = CryptoWatch.install()
let fixture: Fixture

beforeAll(async () => {
  fixture = await makeFixture(NODES, { warmMs: 0 })
})

const SHORT_MS = 30_000
/** A window is as long as its network says: what it forgets comes up once it has moved on. */
const LONG_MS = 170_000
const TEXT_EVERY_MS = 2_000

/** The first node writes all the time, and is cut off when `on` says, just after some of its texts. */
function schedule(runMs: number, on?: 'now' | 'disk'): Schedule {
  const texts = Array.from({ length: runMs / TEXT_EVERY_MS }, (_, i) => {
    return { at: TEXT_EVERY_MS * i, from: 0, to: 0, bytes: 40 }
  })
  const faults = Array.from({ length: on === undefined ? 0 : 6 }, (_, i): Fault => {
    const at = TEXT_EVERY_MS * 2 * (i + 1) + (on === 'now' ? 100 : 0)
    const what = { kind: 'crash', on: on ?? 'now', after: 1 + i, fate: 'lost' } as const
    return { ...what, at, node: 0, downMs: 1_000 }
  })
  return { faults, texts }
}

function run(runMs: number, on?: 'now' | 'disk', planted?: Planted): Promise<SeedReport> {
  const options = { seed: 1, schedule: schedule(runMs, on), runMs, planted }
  return runSeed({ fixture, crypto }, options)
}

describe('the simulator of faults', () => {
  it('finds an acknowledgement before the sync', async () => {
    const { violations } = await run(SHORT_MS, 'now', 'ack-before-sync')
    expect(violations.join(' ')).toMatch(/are gone|has changed/)
  })

  it('finds an event outside the batch of its change', async () => {
    const { violations } = await run(SHORT_MS, 'disk', 'event-outside-batch')
    expect(violations.join(' ')).toContain('has the events')
  })

  it('finds a window that forgets an index', async () => {
    const { violations } = await run(LONG_MS, undefined, 'forgotten-index')
    expect(violations.join(' ')).toContain('stay unread')
  })

  it('finds the record of an idempotency key that is written after its effect', async () => {
    const { violations } = await run(SHORT_MS, 'disk', 'key-after-effect')
    expect(violations.join(' ')).toContain('one key made 2 messages')
  })

  it('finds packets that a node remembers for ever', async () => {
    const { violations } = await run(LONG_MS, undefined, 'kept-packets')
    expect(violations.join(' ')).toContain('ReplaySet.kept holds')
  })

  it('finds an acknowledgement ahead of its reader', async () => {
    const { violations } = await run(SHORT_MS, 'now', 'ack-ahead')
    expect(violations.join(' ')).toContain('which nobody has acknowledged')
  })

  it('finds nothing where disks are full and files fail, again and again', async () => {
    const { texts } = schedule(SHORT_MS)
    const at = (i: number): number => TEXT_EVERY_MS * i + 50
    const faults = [0, 1, 2].flatMap((i): Fault[] => [
      { kind: 'full-disk', at: at(5 * i), forMs: 3_000, node: i % 2, bytes: 500 * i },
      {
        kind: 'file-error',
        at: at(5 * i + 3),
        node: 0,
        on: i === 1 ? 'write' : 'sync',
        of: i === 2 ? 'any' : 'shelf',
        after: i,
        kept: i === 1,
      },
    ])
    const options = { seed: 1, schedule: { texts, faults }, runMs: SHORT_MS }
    const first = await runSeed({ fixture, crypto }, options)
    const again = await runSeed({ fixture, crypto }, options)
    expect(first.violations).toEqual([])
    expect(first.counts['healed of full']).toBeGreaterThan(0)
    expect(first.counts['healed of failed']).toBeGreaterThan(0)
    expect(again.trace).toBe(first.trace)
  })

  it('finds nothing where nothing is wrong, and runs a seed twice alike', async () => {
    const first = await run(SHORT_MS, 'disk')
    const again = await run(SHORT_MS, 'disk')
    expect(first.violations).toEqual([])
    expect(first.counts['answer of before']).toBeGreaterThan(0)
    expect(first.counts['consumer resumes']).toBeGreaterThan(0)
    expect(first.counts['retention trims']).toBeGreaterThan(0)
    expect(again.trace).toBe(first.trace)
  })
})
