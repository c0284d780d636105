import { createCipheriv, createHash } from 'node:crypto'
import {
  asNodeId,
  type BoxBytes,
  type Clock,
  type NodeId,
  type Rng,
  silentLogger,
  uniform,
} from '../../../src/base/index.ts'
import type { Layers, MixPlace } from '../../../src/mix/index.ts'
import {
  type MemoryDisk,
  memoryDisk,
  openMemoryStore,
  type Store,
} from '../../../src/store/index.ts'
import { BOX_BYTES } from '../../../src/stream/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'

const DAY_MS = 86_400_000

export function nodeAt(index: number | string): NodeId {
  return asNodeId(new Uint8Array(createHash('sha256').update(`node ${index}`).digest()))
}

/** A node in a network of its own, or in `net`. */
export function placeAt(index: number | string, net = `net ${index}`): MixPlace {
  return { nodeId: nodeAt(index), nets: [net] }
}

/** Layers of different mixes; mix i of layer l is `placeAt('l.i')`. */
export function layersOf(sizes: readonly number[]): Layers {
  return sizes.map((size, layer) =>
    Array.from({ length: size }, (_, index) => placeAt(`${layer}.${index}`)),
  )
}

/** Bytes that look like a box of this moment to who reads its date; `kind` and `serial` tell it apart. */
export function paperBox(clock: Clock, kind: 'cover' | 'real', serial: number): BoxBytes {
  const box = new Uint8Array(BOX_BYTES) as BoxBytes
  const view = new DataView(box.buffer)
  box[0] = 1
  view.setUint32(1, Math.floor(clock.now() / DAY_MS) + 2)
  box[37] = kind === 'real' ? 1 : 0
  view.setUint32(38, serial)
  return box
}

export const isReal = (box: Uint8Array): boolean => box[37] === 1
export const serialOf = (box: Uint8Array): number =>
  new DataView(box.buffer, box.byteOffset).getUint32(38)

/** A busy main loop: most timers are on time, some are `worstMs` late at most. */
export function busyLoop(rng: Rng, worstMs: number): () => number {
  return () => (uniform(rng) < 0.9 ? 0 : uniform(rng) * worstMs)
}

/** χ² of counts against one mean, or against means of their own. */
export function chiSquared(counts: readonly number[], means?: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0)
  return counts.reduce((sum, count, i) => {
    const mean = means?.[i] ?? total / counts.length
    return sum + (count - mean) ** 2 / mean
  }, 0)
}

/** 99.99 % quantile of χ² (Wilson–Hilferty): a fair sample is above it once in ten thousand. */
export function chiSquaredLimit(degrees: number): number {
  const spread = 2 / (9 * degrees)
  return degrees * (1 - spread + 3.719 * Math.sqrt(spread)) ** 3
}

/** How often each value occurs, in the order of `values`. */
export function tally<Value>(sample: readonly Value[], values: readonly Value[]): number[] {
  const counts = new Map<Value, number>(values.map((value) => [value, 0]))
  for (const value of sample) counts.set(value, (counts.get(value) ?? 0) + 1)
  return values.map((value) => counts.get(value) as number)
}

/** As `seededRng`, many times faster: for tests that take millions of bytes. */
export function streamRng(seed: string): Rng {
  const key = createHash('sha256').update(seed).digest()
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16))
  return { bytes: (length) => new Uint8Array(cipher.update(Buffer.alloc(length))) }
}

/** A store over memory whose writes are counted and can fail. */
export async function countedStore(
  clock: Clock,
  options: { disk?: MemoryDisk; rng?: Rng } = {},
): Promise<{ store: Store; writes: number; fails: boolean }> {
  const disk = options.disk ?? memoryDisk()
  const counted = { store: undefined as unknown as Store, writes: 0, fails: false }
  const inner = disk.engine
  const engine: MemoryDisk['engine'] = {
    get: (key) => inner.get(key),
    iterate: (range) => inner.iterate(range),
    pages: (range) => inner.pages(range),
    keys: (range) => inner.keys(range),
    compact: () => inner.compact(),
    approximateBytes: (from, to) => inner.approximateBytes(from, to),
    close: () => inner.close(),
    write: async (operations) => {
      counted.writes++
      if (counted.fails) throw new Error('the disk is gone')
      await inner.write(operations)
    },
  }
  const rng = options.rng ?? seededRng('store')
  const ports = { clock, rng, log: silentLogger }
  counted.store = await openMemoryStore(ports, { disk: { ...disk, engine } })
  counted.writes = 0
  return counted
}
