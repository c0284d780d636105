import { Level } from 'level'
import { HearsayError } from '../base/index.ts'
import { SYSTEM_BUCKETS } from './buckets.ts'
import type { Engine, EngineRange, Entry } from './engine.ts'
import { corrupt, isFullDisk } from './storage-error.ts'

// `level` types what Node and browsers share; these two exist in Node only.
interface LevelOfNode {
  compactRange(start: Uint8Array, end: Uint8Array): Promise<void>
  approximateSize(start: Uint8Array, end: Uint8Array): Promise<number>
}

/**
 * LevelDB maps every table that it has open, 2 MiB each, and by itself it keeps a thousand open: a store that is read
 * everywhere would be resident as a whole. Ten of these are for other files, and fewer than 74 it does not take: 64 tables,
 * 134 MB, and those that iterators hold. A single read takes twice the time, 0.1 ms: a node makes some tens a second.
 */
const MAX_OPEN_FILES = 74

const LOWEST = Uint8Array.of(SYSTEM_BUCKETS.meta)
const HIGHEST = Uint8Array.of(SYSTEM_BUCKETS.sentinel, 0xff)
const BEYOND = Uint8Array.of(0xff, 0xff, 0xff)
/** Entries, and bytes, that one trip to LevelDB brings: each waits for a thread, for 0.1 ms and more. */
const READ_AHEAD = 256
const READ_AHEAD_BYTES = 65_536

// Options of LevelDB in Node, which the shared types leave out.
const opening = { maxOpenFiles: MAX_OPEN_FILES }
const ahead = (range: EngineRange) => ({ ...range, highWaterMarkBytes: READ_AHEAD_BYTES })

/**
 * LevelDB takes a name that leads nowhere, and a table without its end, for errors of the disk. A disk that fails says
 * something else, and waiting may help then.
 */
function isDamage(cause: unknown): boolean {
  const { code, message = '' } = cause as { code?: string; message?: string }
  if (code === 'LEVEL_CORRUPTION') return true
  return (
    code === 'LEVEL_IO_ERROR' && /: (?:No such file or directory|Invalid argument)$/.test(message)
  )
}

function openingError(cause: unknown): HearsayError {
  const inner = (cause as { cause?: unknown }).cause ?? cause
  const code = (inner as { code?: string }).code
  if (code === 'LEVEL_LOCKED') {
    return new HearsayError('storage-locked', 'another process has this store open', {}, inner)
  }
  if (isFullDisk(inner)) {
    return new HearsayError('storage-full', 'no space left to open the store', {}, inner)
  }
  if (isDamage(inner)) {
    return new HearsayError('storage-corrupt', 'the database is damaged', {}, inner)
  }
  return new HearsayError('storage-failed', 'the database cannot be opened', {}, inner)
}

/** Reads fail when the store closes under them, and when the disk does. */
async function reading<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (cause) {
    const { code } = cause as { code?: string }
    if (code === 'LEVEL_DATABASE_NOT_OPEN' || code === 'LEVEL_ITERATOR_NOT_OPEN') {
      throw new HearsayError('not-running', 'the store is closed', {}, cause)
    }
    if (isDamage(cause)) throw corrupt('the database is damaged', {}, cause)
    throw new HearsayError('storage-failed', 'the database cannot be read', {}, cause)
  }
}

/**
 * Takes LevelDB's lock of the directory `path` and reads nothing that is there: it has to be empty but for a file LOCK,
 * which may be a link to that of another directory, because the file is locked and not its name. Resolves with what
 * releases it. @throws HearsayError `storage-locked` while another process has it; `storage-full`, `storage-failed`.
 */
export async function holdLock(path: string): Promise<() => Promise<void>> {
  const engine = await openLevelEngine(path)
  return () => engine.close()
}

/**
 * LevelDB in `path`, created when missing. Every write is synced.
 * @throws HearsayError `storage-locked`, `storage-full`, `storage-corrupt`, `storage-failed`.
 */
export async function openLevelEngine(path: string): Promise<Engine> {
  const level = new Level<Uint8Array, Uint8Array>(path, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    // Sealed values do not compress.
    compression: false,
    ...opening,
  })
  try {
    await level.open()
  } catch (cause) {
    throw openingError(cause)
  }
  const node = level as typeof level & LevelOfNode
  const pages = async function* (range: EngineRange): AsyncGenerator<Entry[]> {
    const iterator = await reading(async () => level.iterator(ahead(range)))
    // The thread of LevelDB reads on while the caller works on a page.
    const read = () => {
      const next = iterator.nextv(READ_AHEAD)
      // Whoever stops early does not ask what became of it.
      next.catch(() => undefined)
      return next
    }
    try {
      let next = read()
      for (;;) {
        const entries = await reading(() => next)
        if (entries.length === 0) return
        next = read()
        yield entries
      }
    } finally {
      await iterator.close()
    }
  }
  return {
    get: (key) => reading(() => level.get(key)),
    async *iterate(range) {
      for await (const entries of pages(range)) yield* entries
    },
    pages,
    async *keys(range) {
      const iterator = await reading(async () => level.keys(ahead(range)))
      try {
        for (;;) {
          const keys = await reading(() => iterator.nextv(READ_AHEAD))
          if (keys.length === 0) return
          yield* keys
        }
      } finally {
        await iterator.close()
      }
    },
    write: (operations) => level.batch([...operations], { sync: true }),
    async compact(range) {
      if (range !== undefined) return reading(() => node.compactRange(range.gte, range.lt))
      // The first pass moves the log into tables. LevelDB may put that table straight on the last level, where
      // nothing rewrites it, with all versions of a value inside. The second pass therefore starts from a
      // table that spans every key and so merges with whatever lies below.
      await node.compactRange(LOWEST, BEYOND)
      const empty = new Uint8Array(0)
      const sentinels = [LOWEST, HIGHEST].map((key) => ({
        type: 'put' as const,
        key,
        value: empty,
      }))
      await level.batch(sentinels, { sync: true })
      await node.compactRange(LOWEST, BEYOND)
    },
    approximateBytes: (gte, lt) => reading(() => node.approximateSize(gte, lt)),
    close: () => level.close(),
  }
}
