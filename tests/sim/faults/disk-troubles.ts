/** After `afterWrites` further writes of the database one fails, and takes effect or not. */
export interface WriteError {
  readonly afterWrites: number
  readonly kept: boolean
}

/** The same of a file: of the shelf, or of any. */
export interface FileError {
  readonly on: 'write' | 'sync'
  readonly of: 'shelf' | 'any'
  readonly after: number
  /** It took effect, though it says that it did not; else what was not synced waits for the next sync. */
  readonly kept: boolean
}

interface Failure {
  readonly error: Error
  readonly kept: boolean
}

const SHELF = /\/secrets\.shelf$/
/** Whose loss the store promises to live with: `src/store/SPEC.md` section 2. */
const SPARE = /\/(watermark|clean|probe)$/

/** What a disk does not do: each planned error happens once, and what does not fit is refused until there is room. */
export class DiskTroubles {
  #write: { left: number; readonly kept: boolean } | undefined
  #file: (FileError & { left: number }) | undefined
  /** Bytes that still fit. */
  room = Number.POSITIVE_INFINITY
  /** Errors that have happened, of all that the store cannot do without. */
  errors = 0
  /** Errors of files that the store can do without. */
  spareErrors = 0

  failWrite({ afterWrites, kept }: WriteError): void {
    this.#write = { left: afterWrites, kept }
  }

  failFile(error: FileError): void {
    this.#file = { ...error, left: error.after }
  }

  /** A planned error that has not happened will not. */
  disarm(): void {
    this.#write = undefined
    this.#file = undefined
  }

  /** A write of the database. Its log grows with every one. */
  ofWrite(bytes: () => number): Failure | undefined {
    const planned = this.#write
    if (planned !== undefined && planned.left-- <= 0) {
      this.#write = undefined
      return this.#failure('EIO', planned.kept)
    }
    return this.#fits(bytes) ? undefined : this.#failure('ENOSPC', false)
  }

  ofFile(path: string, growth: () => number): Failure | undefined {
    const failure = this.#planned('write', path)
    if (failure !== undefined || this.#fits(growth)) return failure
    return this.#failure('ENOSPC', false, path)
  }

  ofSync(path: string): Failure | undefined {
    return this.#planned('sync', path)
  }

  #planned(on: FileError['on'], path: string): Failure | undefined {
    const planned = this.#file
    if (planned?.on !== on || (planned.of === 'shelf' && !SHELF.test(path))) return undefined
    if (planned.left-- > 0) return undefined
    this.#file = undefined
    return this.#failure('EIO', planned.kept, path)
  }

  #fits(bytes: () => number): boolean {
    if (this.room === Number.POSITIVE_INFINITY) return true
    const wanted = bytes()
    if (wanted > this.room) return false
    this.room -= wanted
    return true
  }

  #failure(code: 'EIO' | 'ENOSPC', kept: boolean, path = ''): Failure {
    if (SPARE.test(path)) this.spareErrors++
    else this.errors++
    const what = code === 'EIO' ? 'i/o error' : 'no space left on device'
    return { error: Object.assign(new Error(`${code}: ${what}`), { code }), kept }
  }
}
