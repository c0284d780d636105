import { beforeAll, describe, expect, it } from 'vitest'
import { CryptoWatch } from '../../sim/faults/crypto-watch.ts'
import { type Fixture, makeFixture } from '../../sim/faults/fixture.ts'
import type { Planted } from '../../sim/faults/planted.ts'
import { runSeed } from '../../sim/faults/run-seed.ts'

// Three nodes whose epochs have not settled yet: enough to find these, and made in two seconds.
const NODES = 3
const crypto = CryptoWatch.install()
let fixture: Fixture

beforeAll(async () => {
  fixture = await makeFixture(NODES, { warmMs: 0 })
})

async function violations(seed: number, planted?: Planted): Promise<string> {
  const report = await runSeed({ fixture, crypto }, { seed, planted })
  return report.violations.join('\n')
}

describe('the simulator of faults', () => {
  it('finds an acknowledgement before the sync', async () => {
    expect(await violations(1, 'ack-before-sync')).toMatch(/are gone|has changed/)
  })

  it('finds an event outside the batch of its change', async () => {
    expect(await violations(1, 'event-outside-batch')).toContain('has the events')
  })

  it('finds a window that forgets an index', async () => {
    expect(await violations(1, 'forgotten-index')).toContain('stay unread')
  })

  it('finds nothing where nothing is wrong, and runs a seed twice alike', async () => {
    const first = await runSeed({ fixture, crypto }, { seed: 1 })
    const again = await runSeed({ fixture, crypto }, { seed: 1 })
    expect(first.violations).toEqual([])
    expect(again.trace).toBe(first.trace)
  })
})
