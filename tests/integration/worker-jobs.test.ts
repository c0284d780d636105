import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../src/base/index.ts'
import { signKeyPairFromSeed } from '../../src/crypto/index.ts'
import { WorkerJobs } from '../../src/node/worker-jobs.ts'
import { NETWORK_ID } from '../support/devices.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const introduction = {
  self: {
    networkId: NETWORK_ID,
    accountSeed: new Uint8Array(32).fill(1),
    deviceId: new Uint8Array(16).fill(2),
  },
  context: new Uint8Array(32).fill(3),
  mailboxRoot: signKeyPairFromSeed(new Uint8Array(32).fill(4)).publicKey,
  now: Date.UTC(2026, 0, 15),
}

describe('the worker of conversation jobs', () => {
  it('ends when it has been idle, and another does the next job', async () => {
    const clock = new VirtualClock()
    const jobs = new WorkerJobs({ log: silentLogger, clock })
    const before = process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length
    const first = await jobs.introduce(introduction)
    await clock.advance(60_000)
    const second = await jobs.introduce(introduction)
    expect(first.keyPackage).not.toEqual(second.keyPackage)
    await jobs.stop()
    const after = process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length
    expect(after).toBeLessThanOrEqual(before)
  })

  it('refuses work after it was stopped', async () => {
    const jobs = new WorkerJobs({ log: silentLogger, clock: new VirtualClock() })
    await jobs.stop()
    await expect(jobs.introduce(introduction)).rejects.toMatchObject({ code: 'not-running' })
  })
})
