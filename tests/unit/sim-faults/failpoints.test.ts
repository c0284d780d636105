import { beforeAll, describe, expect, it } from 'vitest'
import { FAILPOINTS, type FailpointName } from '../../../src/base/index.ts'
import { CryptoWatch } from '../../support/crypto-watch.ts'
import { type Fixture, makeFixture } from '../../sim/faults/fixture.ts'
import { runSeed } from '../../sim/faults/run-seed.ts'
import type { Schedule } from '../../sim/faults/schedule.ts'

const RUN_MS = 60_000
const BRIEF_MS = 12_000
const TEXT_EVERY_MS = 4_000
/** Beside other tests on a busy machine. */
const LIMIT_MS = 60_000
const crypto = CryptoWatch.install()
let fixture: Fixture

beforeAll(async () => {
  // A day old: the first texts make new keys.
  fixture = await makeFixture(3, { warmMs: 0, isAged: true })
}, LIMIT_MS)

/** Everybody writes, and a machine stops at each of `names`. */
function schedule(names: readonly FailpointName[], runMs: number): Schedule {
  const texts = Array.from({ length: runMs / TEXT_EVERY_MS }, (_, i) => {
    return { at: TEXT_EVERY_MS * i, from: i % 3, to: i % 2, bytes: 40 }
  })
  const faults = names.map((name) => {
    return { kind: 'failpoint', at: 0, name, after: 1, fate: 'lost', downMs: 1_000 } as const
  })
  return { faults, texts }
}

function run(names: readonly FailpointName[], runMs = RUN_MS) {
  return runSeed({ fixture, crypto }, { seed: 1, schedule: schedule(names, runMs), runMs })
}

describe('failpoints', () => {
  it(
    'are all reached, and no promise breaks where machines stop at them',
    async () => {
      const { counts, violations } = await run(FAILPOINTS)
      expect(violations).toEqual([])
      const stops = FAILPOINTS.map((name) => [name, counts[`failpoint ${name}`]])
      expect(stops).toEqual(FAILPOINTS.map((name) => [name, 1]))
    },
    LIMIT_MS,
  )

  it.each([
    ['before', 1],
    ['after', 0],
  ])(
    '%s a receipt stop a machine in every run alike, and its caller asks again %d times',
    async (when, asks) => {
      const name = `${when}-receipt` as FailpointName
      const [first, again] = [await run([name], BRIEF_MS), await run([name], BRIEF_MS)]
      expect(first.violations).toEqual([])
      expect(first.counts['answer of before'] ?? 0).toBe(asks)
      expect(again.trace).toBe(first.trace)
    },
    LIMIT_MS,
  )
})
