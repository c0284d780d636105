import type { Stream } from '@libp2p/interface'
import { HearsayError } from '../base/index.ts'
import { FRAME_HEADER_BYTES } from './constants.ts'
import { FrameReader } from './frame-reader.ts'

/**
 * Resolves with the one frame of a stream and rejects when the stream ends, is reset, announces more than
 * `maxBytes`, or carries a second frame. Call it synchronously when the stream is handed over: a v3 stream
 * without a listener fills its read buffer and is reset.
 */
export function readOnlyFrame(
  stream: Stream,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const reader = new FrameReader({ minBytes: 0, maxBytes })
  stream.maxReadBufferLength = maxBytes + 2 * FRAME_HEADER_BYTES
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void) => {
      stream.removeEventListener('message', onMessage)
      stream.removeEventListener('remoteCloseWrite', onEnd)
      stream.removeEventListener('close', onEnd)
      signal.removeEventListener('abort', onAbort)
      outcome()
    }
    const fail = (error: Error) => settle(() => reject(error))
    const onMessage = (event: { data: Uint8Array | { subarray(): Uint8Array } }) => {
      try {
        const [frame, second] = reader.push(event.data.subarray())
        if (second !== undefined || (frame !== undefined && !reader.idle)) {
          throw new HearsayError('trailing-bytes', 'bytes after the only frame')
        }
        if (frame !== undefined) settle(() => resolve(frame))
      } catch (error) {
        fail(error as Error)
      }
    }
    const onEnd = () => {
      // Bytes that came before the end are dispatched first; what is still buffered will follow.
      if (stream.readBufferLength > 0 && stream.status !== 'reset' && stream.status !== 'aborted') {
        return
      }
      fail(new HearsayError('request-failed', 'stream ended before a whole frame'))
    }
    const onAbort = () => fail(signal.reason as Error)
    if (signal.aborted) {
      reject(signal.reason as Error)
      return
    }
    stream.addEventListener('message', onMessage)
    stream.addEventListener('remoteCloseWrite', onEnd)
    stream.addEventListener('close', onEnd)
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
