import { type Rng, silentLogger, toHex } from '../../../src/base/index.ts'
import { KeyRing, type KeyTurn } from '../../../src/mix/key-ring.ts'
import { type MemoryDisk, memoryDisk } from '../../../src/store/index.ts'
import { RoughClock } from '../../support/rough-clock.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { countedStore } from './fixtures.ts'

export const EPOCH_MS = 3_600_000
export const START = Date.UTC(2026, 0, 15, 12)

interface RingOptions {
  readonly keyEpochMs?: number
  readonly clock?: RoughClock
  readonly disk?: MemoryDisk
  readonly rng?: Rng
  /** Where in the network's first epochs it is, milliseconds. */
  readonly ageMs?: number
}

let seeds = 0

export async function open(options: RingOptions = {}) {
  const { keyEpochMs = EPOCH_MS, ageMs = 10.5 * EPOCH_MS } = options
  const clock = options.clock ?? new RoughClock(new VirtualClock(START))
  const disk = options.disk ?? memoryDisk()
  const rng = options.rng ?? seededRng(`key ring ${seeds++}`)
  const counted = await countedStore(clock, { disk, rng })
  const ring = new KeyRing(
    { clock, rng, log: silentLogger, store: counted.store },
    { suite: 'x25519', originMs: START - ageMs, keyEpochMs },
  )
  const published: number[][] = []
  let turns = 0
  const stopper = new AbortController()
  return {
    clock,
    counted,
    disk,
    ring,
    published,
    turns: () => turns,
    run: () => {
      ring.announce()
      const turned = async ({ isOther }: KeyTurn) => {
        turns++
        if (isOther) published.push(ring.announce().map(({ epoch }) => epoch))
      }
      ring.run(stopper.signal, turned).catch(() => undefined)
    },
    stop: () => stopper.abort(),
    advance: (ms: number) => clock.virtual.advance(ms),
  }
}

export const epochsOf = (ring: KeyRing) => ring.publicKeys().map(({ epoch }) => epoch)
export const held = (ring: KeyRing) => ring.current().map(({ epoch }) => epoch)
export const keyOf = (ring: KeyRing, epoch: number) => {
  const found = ring.publicKeys().find((each) => each.epoch === epoch)
  return found && toHex(found.key)
}
