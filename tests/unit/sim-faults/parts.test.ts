import { describe, expect, it } from 'vitest'
import { type Fate, FaultDisk } from '../../sim/faults/disk.ts'
import { NodeClock } from '../../sim/faults/node-clock.ts'
import { drawSchedule, type Fault } from '../../sim/faults/schedule.ts'
import { shrink } from '../../sim/faults/shrink.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const KEY = Uint8Array.of(1)
const [OLD, NEW] = [Uint8Array.of(7, 7, 7, 7), Uint8Array.of(8, 8, 8, 8)]
const EMPTY = { entries: [], files: new Map<string, Uint8Array>() }

function diskThatStops(stopsAt: string, fate: Fate): FaultDisk {
  const ports = {
    clock: new VirtualClock(),
    rng: seededRng('disk'),
    onStep: (kind: string) => {
      if (kind === stopsAt) disk.cut(fate)
    },
  }
  const disk: FaultDisk = new FaultDisk(ports, EMPTY)
  return disk
}

async function settled(work: Promise<unknown>): Promise<boolean> {
  const nothing = Symbol('nothing')
  const later = new Promise((resolve) => setImmediate(resolve, nothing))
  return (await Promise.race([work, later])) !== nothing
}

describe('a disk of the simulator', () => {
  it.each([
    ['write', 'lost', undefined],
    ['write', 'kept', OLD],
    ['written', 'lost', OLD],
  ] as const)('that stops at the step "%s" with the fate "%s" holds %s', async (at, fate, held) => {
    const disk = diskThatStops(at, fate)
    const write = disk.attach().engine.write([{ type: 'put', key: KEY, value: OLD }])
    expect(await settled(write)).toBe(false)
    expect(await disk.attach().engine.get(KEY)).toEqual(held)
  })

  it.each([
    ['lost', OLD],
    ['kept', NEW],
    ['torn', Uint8Array.of(8, 8, 7, 7)],
  ] as const)('makes of an unsynced write, when it is %s, %s', async (fate, held) => {
    const disk = diskThatStops('', 'lost')
    const { files } = disk.attach()
    const file = await files.create('/a/b')
    await file.write(0, OLD)
    await file.sync()
    await files.syncDirectory('/a')
    await file.write(0, NEW)
    disk.cut(fate)
    const found = await disk.attach().files.open('/a/b')
    expect(await found?.read(0, 4)).toEqual(held)
  })

  it.each([
    ['write', true, NEW],
    ['write', false, OLD],
    ['sync', true, NEW],
    ['sync', false, OLD],
  ] as const)(
    'whose %s of a file fails, kept: %s, holds %s after a stop',
    async (on, kept, held) => {
      const disk = diskThatStops('', 'lost')
      const { files } = disk.attach()
      const file = await files.create('/a/secrets.shelf')
      await file.write(0, OLD)
      await file.sync()
      await files.syncDirectory('/a')
      disk.failFile({ on, of: 'shelf', after: 0, kept })
      const change = async (): Promise<void> => {
        await file.write(0, NEW)
        await file.sync()
      }
      await expect(change()).rejects.toMatchObject({ code: 'EIO' })
      expect(disk.errors).toBe(1)
      if (on === 'write') await file.sync()
      disk.cut('lost')
      const found = await disk.attach().files.open('/a/secrets.shelf')
      expect(await found?.read(0, 4)).toEqual(held)
    },
  )

  it('that is full takes what fits, and all once there is room', async () => {
    const disk = diskThatStops('', 'lost')
    const { engine, files } = disk.attach()
    const full = { code: 'ENOSPC' }
    disk.fill(10)
    expect(await files.freeBytes('/a')).toBe(10)
    const put = () => engine.write([{ type: 'put', key: KEY, value: OLD }])
    await put()
    await put()
    await expect(put()).rejects.toMatchObject(full)
    const file = await files.create('/a/watermark')
    await expect(file.write(0, OLD)).rejects.toMatchObject(full)
    expect([disk.errors, disk.spareErrors]).toEqual([1, 1])
    disk.free()
    await put()
    await file.write(0, OLD)
    disk.fill(0)
    await file.write(0, NEW)
    expect(await file.read(0, 4)).toEqual(NEW)
  })

  it('forgets a file whose directory was not synced', async () => {
    const disk = diskThatStops('', 'lost')
    const file = await disk.attach().files.create('/a/b')
    await file.sync()
    disk.cut('lost')
    expect(await disk.attach().files.open('/a/b')).toBeUndefined()
  })

  it('fails one write, as planned, and no other', async () => {
    const disk = diskThatStops('', 'lost')
    const { engine } = disk.attach()
    const write = (value: Uint8Array) => engine.write([{ type: 'put', key: KEY, value }])
    disk.failWrite({ afterWrites: 1, kept: false })
    await write(OLD)
    await expect(write(NEW)).rejects.toMatchObject({ code: 'EIO' })
    expect(await engine.get(KEY)).toEqual(OLD)
    await write(NEW)
    expect(await engine.get(KEY)).toEqual(NEW)
  })
})

describe('the clock of a machine', () => {
  it('steps its wall clock alone, runs at its own rate, and fires nothing once it is off', async () => {
    const base = new VirtualClock(1_000_000)
    const clock = new NodeClock(base, { rate: 1, stepMs: 0 })
    clock.step(-5_000)
    expect([clock.now(), clock.monotonic()]).toEqual([995_000, 0])
    clock.drift(2)
    let fired = 0
    clock.setTimer(100, () => fired++)
    await base.advance(51)
    expect([clock.monotonic(), fired]).toEqual([102, 1])
    clock.setTimer(100, () => fired++)
    clock.off()
    await base.advance(1_000)
    expect([clock.pendingTimers, fired]).toEqual([0, 1])
  })

  it('fires no timer before its time, at whatever rate: a rounding error would be waited for for ever', async () => {
    const base = new VirtualClock(1_000_000)
    await base.advance(123_456.789)
    for (let i = 1; i <= 200; i++) {
      const clock = new NodeClock(base, { rate: 1 + i / 30_011, stepMs: 0 })
      const due = clock.monotonic() + i / 7
      let at: number | undefined
      clock.setTimer(due - clock.monotonic(), () => {
        at = clock.monotonic()
      })
      await base.advance(100)
      expect(at).toBeGreaterThanOrEqual(due)
    }
  })
})

describe('shrinking a schedule', () => {
  it('leaves the two faults that it takes, and the texts', async () => {
    const schedule = drawSchedule(seededRng('shrink'), 5)
    const many = [...schedule.faults, ...schedule.faults.map((fault) => ({ ...fault }))]
    const [one, two] = [many[1], many.at(-1)] as [Fault, Fault]
    const fails = async ({ faults }: { faults: readonly Fault[] }) =>
      faults.includes(one) && faults.includes(two)
    const short = await shrink({ ...schedule, faults: many }, fails)
    expect(short.faults).toEqual([one, two])
    expect(short.texts).toBe(schedule.texts)
  })
})
