import { type Clock, type Rng, uniform } from '../../../src/base/index.ts'
import type { FilePort, MemoryDisk, OpenFile } from '../../../src/store/index.ts'
import type { Engine, EngineRange, Operation } from '../../../src/store/engine.ts'
import { DiskTroubles, type FileError, type WriteError } from './disk-troubles.ts'
import { type Bound, type Entry, SortedEntries } from './sorted-entries.ts'

/** What becomes of writes that were not synced when the machine stops. */
export type Fate = 'lost' | 'kept' | 'torn' | 'mixed'

export const FATES: readonly Fate[] = ['lost', 'kept', 'torn', 'mixed']

/** What a disk holds at one moment. Never changed: many disks may begin with it. */
export interface DiskImage {
  readonly entries: readonly Entry[]
  readonly files: ReadonlyMap<string, Uint8Array>
}

export interface FaultDiskPorts {
  readonly clock: Clock
  readonly rng: Rng
  /** Asked before and after each write and sync, with its kind: it may stop the machine. */
  readonly onStep: (kind: StepKind) => void
}

export const STEP_KINDS = ['write', 'written', 'file', 'sync', 'synced', 'name'] as const
export type StepKind = (typeof STEP_KINDS)[number]

interface Write {
  readonly offset: number
  readonly bytes: Uint8Array
}

interface File {
  /** What no copy of it has. */
  readonly inode: bigint
  durable: Uint8Array
  pending: Write[]
}

function applied(content: Uint8Array, { offset, bytes }: Write): Uint8Array {
  const out = new Uint8Array(Math.max(content.length, offset + bytes.length))
  out.set(content)
  out.set(bytes, offset)
  return out
}

/** What a stopped machine's promises are: whoever waits for one waits for ever. */
function never<T>(): Promise<T> {
  return new Promise(() => undefined)
}

/**
 * A disk whose machine can stop at every step, and that can be slow, fail once or be full. Batches of the database are
 * all or nothing, as in LevelDB; files keep, lose or tear what was not synced.
 */
export class FaultDisk {
  protected readonly clock: Clock
  readonly #ports: FaultDiskPorts
  readonly #entries = new SortedEntries()
  #files = new Map<string, File>()
  /** The names of files that a stop cannot take back. */
  #durableFiles = new Map<string, File>()
  #inodes = 0n
  /** Views of machines that have stopped do nothing any more. */
  #power = 0
  #inFlight: readonly Operation[] | undefined
  readonly #troubles = new DiskTroubles()
  /** Virtual milliseconds that a write or sync takes at most. */
  slowMs = 0
  steps = 0

  constructor(ports: FaultDiskPorts, image: DiskImage) {
    this.#ports = ports
    this.clock = ports.clock
    this.#entries.fill(image.entries)
    this.replace(image)
  }

  /** Errors that have happened, of all that the store cannot do without. */
  get errors(): number {
    return this.#troubles.errors
  }

  /** Errors of files that the store can do without. */
  get spareErrors(): number {
    return this.#troubles.spareErrors
  }

  /** The disk as the machine that is started now sees it. */
  attach(): MemoryDisk {
    const power = ++this.#power
    return {
      engine: this.#engine(power),
      files: this.#filesView(power),
      vaultKey: new Uint8Array(32).fill(7),
    }
  }

  /** The machine stops. */
  cut(fate: Fate): void {
    this.#power++
    this.#troubles.disarm()
    if (this.#inFlight !== undefined && this.#isKept(fate)) this.#put(this.#inFlight)
    this.#inFlight = undefined
    this.#files = new Map(this.#isKept(fate) ? this.#files : this.#durableFiles)
    this.#durableFiles = new Map(this.#files)
    for (const file of this.#files.values()) {
      for (const write of file.pending) {
        if (fate === 'torn') {
          const half = write.bytes.subarray(0, write.bytes.length >> 1)
          file.durable = applied(file.durable, { ...write, bytes: half })
        } else if (this.#isKept(fate)) file.durable = applied(file.durable, write)
      }
      file.pending = []
    }
  }

  /** The write after `afterWrites` further ones fails; `kept`: though it took effect. */
  failWrite(error: WriteError): void {
    this.#troubles.failWrite(error)
  }

  /** The same for files. */
  failFile(error: FileError): void {
    this.#troubles.failFile(error)
  }

  /** From now on this many bytes fit and no more, until there is room again. */
  fill(bytes: number): void {
    this.#troubles.room = bytes
  }

  /** There is room again. */
  free(): void {
    this.#troubles.room = Number.POSITIVE_INFINITY
  }

  /** A planned error that has not happened will not. */
  disarm(): void {
    this.#troubles.disarm()
  }

  image(): DiskImage {
    const files = [...this.#files].map(([path, file]) => [path, visible(file)] as const)
    return { entries: this.#entries.all(), files: new Map(files) }
  }

  /** The machine is off, and an older state of the disk is put back. */
  replace(image: DiskImage): void {
    this.#entries.fill(image.entries)
    this.#files.clear()
    for (const [path, bytes] of image.files) this.#files.set(path, this.#newFile(bytes))
    this.#durableFiles = new Map(this.#files)
  }

  /** Overridden by a disk that says too early that it has written. */
  protected async commit(operations: readonly Operation[], power: number): Promise<void> {
    await this.wait()
    if (power === this.#power) this.#put(operations)
  }

  protected apply(operations: readonly Operation[]): void {
    this.#put(operations)
  }

  protected value(key: Uint8Array): Uint8Array | undefined {
    return this.#entries.get(key)
  }

  protected async wait(): Promise<void> {
    const { clock, rng } = this.#ports
    if (this.slowMs > 0) await clock.sleep(uniform(rng) * this.slowMs)
  }

  #newFile(bytes: Uint8Array): File {
    return { inode: ++this.#inodes, durable: bytes, pending: [] }
  }

  #isKept(fate: Fate): boolean {
    return fate === 'kept' || (fate === 'mixed' && uniform(this.#ports.rng) < 0.5)
  }

  /** Resolves unless the machine has stopped, or stops here. */
  #step(power: number, kind: StepKind): Promise<void> {
    if (power !== this.#power) return never()
    this.steps++
    this.#ports.onStep(kind)
    return power === this.#power ? Promise.resolve() : never()
  }

  #engine(power: number): Engine {
    const alive = async <T>(read: () => T): Promise<T> => (power === this.#power ? read() : never())
    const entries = (range: EngineRange): Entry[] => this.#range(range)
    return {
      get: (key) => alive(() => this.value(key)?.slice()),
      async *iterate(range) {
        for (const [key, value] of await alive(() => entries(range))) {
          yield [key.slice(), value.slice()] as const
        }
      },
      async *pages(range) {
        const found = await alive(() => entries(range))
        if (found.length > 0)
          yield found.map(([key, value]) => [key.slice(), value.slice()] as const)
      },
      async *keys(range) {
        for (const [key] of await alive(() => entries(range))) yield key.slice()
      },
      write: async (operations) => {
        this.#inFlight = operations
        await this.#step(power, 'write')
        const failure = this.#troubles.ofWrite(() => bytesOf(operations))
        if (failure === undefined || failure.kept) await this.commit(operations, power)
        this.#inFlight = undefined
        if (failure !== undefined) throw failure.error
        await this.#step(power, 'written')
      },
      compact: async () => {},
      approximateBytes: async (gte, lt) => {
        const sizes = entries({ gte, lt }).map(([key, value]) => key.length + value.length)
        return sizes.reduce((sum, size) => sum + size, 0)
      },
      close: async () => {},
    }
  }

  #filesView(power: number): FilePort {
    const status = (path: string) => {
      const file = this.#files.get(path)
      return file && { mode: 0o600, bytes: visible(file).length }
    }
    return {
      create: async (path) => {
        await this.#step(power, 'name')
        if (this.#files.has(path)) throw Object.assign(new Error('exists'), { code: 'EEXIST' })
        const file = this.#newFile(new Uint8Array(0))
        this.#files.set(path, file)
        return this.#handle(power, path, file)
      },
      open: async (path) => {
        const file = this.#files.get(path)
        return file && this.#handle(power, path, file)
      },
      status: async (path) => status(path),
      identity: async (path) => {
        const file = this.#files.get(path)
        return file && { inode: file.inode, birthNs: file.inode }
      },
      rename: async (from, to) => {
        await this.#step(power, 'name')
        const file = this.#files.get(from)
        if (file === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
        this.#files.delete(from)
        this.#files.set(to, file)
      },
      remove: async (path) => {
        await this.#step(power, 'name')
        const file = this.#files.get(path)
        if (file !== undefined) this.#troubles.room += visible(file).length
        this.#files.delete(path)
      },
      makeDirectory: async () => {},
      syncDirectory: async (path) => {
        await this.#step(power, 'sync')
        const failure = this.#troubles.ofSync(path)
        if (failure !== undefined) throw failure.error
        this.#durableFiles = new Map(this.#files)
        await this.#step(power, 'synced')
      },
      freeBytes: async () => Math.min(2 ** 40, this.#troubles.room),
      list: async (directory) =>
        [...this.#files.keys()]
          .filter((path) => path.startsWith(`${directory}/`))
          .map((path) => ({
            name: path.slice(directory.length + 1),
            bytes: status(path)?.bytes ?? 0,
          })),
    }
  }

  #handle(power: number, path: string, file: File): OpenFile {
    return {
      read: async (offset, length) => visible(file).slice(offset, offset + length),
      write: async (offset, bytes) => {
        const copy = bytes.slice()
        await this.#step(power, 'file')
        const growth = (): number => Math.max(0, offset + copy.length - visible(file).length)
        const failure = this.#troubles.ofFile(path, growth)
        if (failure === undefined || failure.kept) file.pending.push({ offset, bytes: copy })
        if (failure !== undefined) throw failure.error
      },
      sync: async () => {
        await this.#step(power, 'sync')
        await this.wait()
        if (power !== this.#power) await never()
        const failure = this.#troubles.ofSync(path)
        if (failure === undefined || failure.kept) {
          file.durable = visible(file)
          file.pending = []
        }
        if (failure !== undefined) throw failure.error
        await this.#step(power, 'synced')
      },
      size: async () => visible(file).length,
      close: async () => {},
    }
  }

  #put(operations: readonly Operation[]): void {
    for (const operation of operations) {
      const { key } = operation
      if (operation.type === 'put') this.#entries.set(key.slice(), operation.value.slice())
      else this.#entries.delete(key)
    }
  }

  #range(range: EngineRange): Entry[] {
    const { gt, gte, lt, lte, reverse = false, limit = Number.POSITIVE_INFINITY } = range
    const from = gt ? after(gt) : gte ? before(gte) : undefined
    const to = lt ? before(lt) : lte ? after(lte) : undefined
    return this.#entries.between(from, to, { reverse, limit })
  }
}

const before = (key: Uint8Array): Bound => ({ key, isAfter: false })
const after = (key: Uint8Array): Bound => ({ key, isAfter: true })

function bytesOf(operations: readonly Operation[]): number {
  return operations.reduce(
    (sum, operation) =>
      sum + operation.key.length + (operation.type === 'put' ? operation.value.length : 0),
    0,
  )
}

function visible(file: File): Uint8Array {
  return file.pending.reduce(applied, file.durable)
}

/** Copies what a disk of the store's own memory kind holds. */
export async function imageOf(disk: MemoryDisk): Promise<DiskImage> {
  const entries: Entry[] = []
  for await (const entry of disk.engine.iterate({})) entries.push(entry)
  const files = new Map<string, Uint8Array>()
  for (const { name, bytes } of await disk.files.list('/memory')) {
    const file = await disk.files.open(`/memory/${name}`)
    if (file !== undefined) files.set(`/memory/${name}`, await file.read(0, bytes))
  }
  return { entries, files }
}
