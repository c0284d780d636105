import { describe, expect, it } from 'vitest'
import { asNodeId, silentLogger } from '../../../src/base/index.ts'
import type { Network } from '../../../src/directory/index.ts'
import type { MemoryDisk } from '../../../src/store/index.ts'
import { FaultDisk } from '../../sim/faults/disk.ts'
import { Machine } from '../../sim/faults/machine.ts'
import { Watcher } from '../../sim/faults/watcher.ts'
import { MemoryNetwork } from '../../support/memory-net.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const EMPTY = { entries: [], files: new Map<string, Uint8Array>() }
/** Less than a machine waits before it starts its node again. */
const A_MOMENT_MS = 500

class BuggyDisk extends FaultDisk {
  override attach(): MemoryDisk {
    const disk = super.attach()
    const get = () => Promise.reject(new TypeError('a bug in the store'))
    return { ...disk, engine: { ...disk.engine, get } }
  }
}

/** What is violated a moment after a machine over this disk was switched on, and whether it still is. */
async function started(Disk: typeof FaultDisk, isFailing: boolean) {
  const clock = new VirtualClock(1_000_000)
  const watcher = new Watcher()
  const ports = { clock, rng: seededRng('disk'), onStep: () => undefined }
  const disk = new Disk(ports, EMPTY)
  if (isFailing) disk.failWrite({ afterWrites: 0, kept: false })
  const air = new MemoryNetwork({ clock, rng: seededRng('air') }, { latencyMs: [1, 1] })
  const seed = new Uint8Array(32)
  const machine = new Machine(
    {
      clock,
      air,
      watcher,
      disk,
      rng: () => seededRng('node'),
      log: silentLogger,
      job: (work) => work(),
    },
    {
      network: {} as Network,
      node: { name: 'alice', seed, requestSeed: seed, contacts: [], image: EMPTY },
      index: 0,
      nodeId: asNodeId(seed),
    },
  )
  machine.start()
  await clock.advance(A_MOMENT_MS)
  return { violations: watcher.violations, isOn: machine.isOn }
}

describe('a machine whose store cannot be opened', () => {
  it('ends its node when the disk failed a write, to start it again', async () => {
    expect(await started(FaultDisk, true)).toEqual({ violations: [], isOn: false })
  })

  it('forgives the store nothing else, whatever it says that it was', async () => {
    const { violations } = await started(BuggyDisk, false)
    expect(violations).toEqual([expect.stringContaining('storage-failed')])
  })
})
