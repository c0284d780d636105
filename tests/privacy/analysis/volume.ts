import { firstAt, type Phase, type Trace } from './trace.ts'

/** Bytes per second on all links together, in one kind of phase. */
export function byteRate(trace: Trace, phases: readonly Phase[]): number {
  let bytes = 0
  let ms = 0
  for (const { from, to } of phases) {
    ms += to - from
    for (let i = firstAt(trace, from); i < trace.at.length && trace.at[i]! < to; i++) {
      bytes += trace.bytes[i]!
    }
  }
  return bytes / (ms / 1_000)
}
