import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { emptyTrace, type Trace } from '../analysis/trace.ts'

// at f64 | from u8 | to u8 | reserved u16 | bytes u32, little-endian: 16 bytes
const RECORD_BYTES = 16
const BUFFERED_RECORDS = 4_096

/** Writes chunks to a file as they come, in blocks. */
export class TraceWriter {
  readonly #file: number
  readonly #buffer = Buffer.alloc(RECORD_BYTES * BUFFERED_RECORDS)
  #used = 0

  constructor(path: string) {
    this.#file = openSync(path, 'w', 0o600)
  }

  add(at: number, from: number, to: number, bytes: number): void {
    const buffer = this.#buffer
    buffer.writeDoubleLE(at, this.#used)
    buffer.writeUInt8(from, this.#used + 8)
    buffer.writeUInt8(to, this.#used + 9)
    buffer.writeUInt32LE(bytes, this.#used + 12)
    this.#used += RECORD_BYTES
    if (this.#used === buffer.length) this.#flush()
  }

  close(): void {
    this.#flush()
    closeSync(this.#file)
  }

  #flush(): void {
    writeSync(this.#file, this.#buffer, 0, this.#used)
    this.#used = 0
  }
}

/** Reads a file of `TraceWriter`: in order of time, as one process with one clock has written it. */
export function readTrace(path: string): Trace {
  const buffer = readFileSync(path)
  const length = Math.floor(buffer.length / RECORD_BYTES)
  const trace = emptyTrace(length)
  for (let i = 0; i < length; i++) {
    const offset = i * RECORD_BYTES
    trace.at[i] = buffer.readDoubleLE(offset)
    trace.from[i] = buffer.readUInt8(offset + 8)
    trace.to[i] = buffer.readUInt8(offset + 9)
    trace.bytes[i] = buffer.readUInt32LE(offset + 12)
  }
  return trace
}
