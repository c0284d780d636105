import { Socket } from 'node:net'
import { systemClock } from '../../../src/base/index.ts'

type Write = (chunk: Uint8Array | string, ...rest: unknown[]) => boolean

/**
 * From now on what this process writes to a TCP socket comes later, in its order: on each socket by as many milliseconds
 * as `latency` gives for it, once. Returns what ends it.
 */
export function slowSockets(latency: () => number): () => void {
  const prototype = Socket.prototype as unknown as { write: Write }
  const { write } = prototype
  const latencies = new WeakMap<object, number>()
  prototype.write = function (this: Socket, chunk, ...rest) {
    const ms = latencies.get(this) ?? latency()
    latencies.set(this, ms)
    const later = typeof chunk === 'string' ? chunk : chunk.slice()
    systemClock.setTimer(ms, () => {
      if (this.writable) write.call(this, later, ...rest)
    })
    return true
  }
  return () => {
    prototype.write = write
  }
}
