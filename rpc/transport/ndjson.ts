import { isUtf8 } from 'node:buffer'
import type { Socket } from 'node:net'
import type { Clock, Timer } from '../../src/base/index.ts'
import { MAX_REQUEST_BYTES } from '../constants.ts'
import type { Connection, Wire } from '../server/connection.ts'

const NEWLINE = 0x0a
const PROBE_MS = 1_000

/**
 * Newline-delimited JSON on a stream socket. A line over MAX_REQUEST_BYTES ends the connection, because
 * where the next one starts is then unknown; bytes that are not UTF-8 are a parse error of their line.
 */
export function serveNdjson(
  { socket, clock }: { readonly socket: Socket; readonly clock: Clock },
  connect: (wire: Wire) => Connection,
): Connection {
  let pending = ''
  let scheduled = false
  const flush = () => {
    scheduled = false
    const text = pending
    pending = ''
    if (text !== '' && socket.writable) socket.write(text)
  }
  const wire: Wire = {
    // Answers that are ready in the same turn of the loop leave in one write.
    send(text) {
      pending += `${text}\n`
      if (scheduled) return
      scheduled = true
      setImmediate(flush)
    },
    backlog: () => pending.length + socket.writableLength,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    end: () =>
      new Promise((resolve) => {
        flush()
        socket.once('close', resolve)
        socket.end(() => socket.destroy())
      }),
  }
  const connection = connect(wire)
  const lines = new LineSplitter()
  socket.on('data', (chunk: Buffer) => {
    for (const line of lines.push(chunk)) {
      if (line.length > MAX_REQUEST_BYTES) return tooLong()
      if (!isUtf8(line)) connection.refuse('PARSE_ERROR')
      else if (!isBlank(line)) connection.receive(line.toString('utf8'))
    }
    if (lines.rest > MAX_REQUEST_BYTES) tooLong()
  })
  const tooLong = () => {
    connection.refuse('TOO_LARGE', { limit: MAX_REQUEST_BYTES })
    socket.removeAllListeners('data')
    connection.finish()
  }
  socket.on('drain', () => connection.drained())
  // A client may close its side after the last request and still read the answers.
  let probe: Timer | undefined
  socket.on('end', () => {
    connection.finish()
    probe = probing(clock, socket, (timer) => {
      probe = timer
    })
  })
  socket.on('error', () => socket.destroy())
  socket.on('close', () => {
    probe?.cancel()
    connection.closed()
  })
  return connection
}

/**
 * Whoever has closed its side may be gone altogether, and only a write tells: one that waits for an event would hold its
 * place, and its consumer, for minutes. A space before a line of JSON means nothing.
 */
function probing(clock: Clock, socket: Socket, next: (timer: Timer) => void): Timer {
  return clock.setTimer(PROBE_MS, () => {
    if (!socket.writable) return
    if (socket.writableLength === 0) socket.write(' ')
    next(probing(clock, socket, next))
  })
}

/** Cuts a byte stream at line feeds. Holds one unfinished line. */
export class LineSplitter {
  #parts: Buffer[] = []
  #rest = 0

  /** Bytes of the unfinished line. */
  get rest(): number {
    return this.#rest
  }

  /** The lines that `chunk` completes, without their line feed. */
  push(chunk: Buffer): Buffer[] {
    const lines: Buffer[] = []
    let start = 0
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, start)) {
      const head = chunk.subarray(start, at)
      lines.push(this.#parts.length === 0 ? head : Buffer.concat([...this.#parts, head]))
      this.#parts = []
      this.#rest = 0
      start = at + 1
    }
    if (start < chunk.length) {
      this.#parts.push(chunk.subarray(start))
      this.#rest += chunk.length - start
    }
    return lines
  }
}

function isBlank(line: Buffer): boolean {
  for (const byte of line) if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false
  return true
}
