import type { PeerId, Stream } from '@libp2p/interface'
import { HearsayError, type NodeId, toHex } from '../base/index.ts'
import { FrameReader } from './frame-reader.ts'
import { nodeIdOf } from './node-id.ts'

export type OnFrame = (peer: NodeId, frame: Uint8Array) => void

/**
 * The incoming streams of one link protocol. Of each peer one stream is read, the newest: a peer that lost its
 * connection without a word comes back while the old stream still looks alive here. So as many streams are read
 * as there are peers connected, each holding at most one frame and what one read brought.
 */
export class LinkReceiver {
  readonly #onFrame: OnFrame
  readonly #frameBytes: number
  readonly #reading = new Map<string, Stream>()

  constructor(ports: { onFrame: OnFrame }, options: { frameBytes: number }) {
    this.#onFrame = ports.onFrame
    this.#frameBytes = options.frameBytes
  }

  /** Call it in the turn in which the stream arrives: a v3 stream without a listener fills and is reset. */
  receive(stream: Stream, from: PeerId): void {
    const peer = nodeIdOf(from)
    if (peer === undefined) {
      stream.abort(new HearsayError('bad-key', 'not a node'))
      return
    }
    const key = toHex(peer)
    const older = this.#reading.get(key)
    this.#reading.set(key, stream)
    older?.abort(new HearsayError('aborted', 'a newer link of this peer'))
    const reader = new FrameReader({ minBytes: this.#frameBytes, maxBytes: this.#frameBytes })
    stream.inactivityTimeout = Number.POSITIVE_INFINITY
    stream.addEventListener('close', () => {
      if (this.#reading.get(key) === stream) this.#reading.delete(key)
    })
    stream.addEventListener('message', (event) => {
      try {
        for (const frame of reader.push(event.data.subarray())) this.#onFrame(peer, frame)
      } catch (error) {
        stream.abort(error as Error)
      }
    })
    stream.addEventListener('remoteCloseWrite', () => {
      stream.close().catch((error: Error) => stream.abort(error))
    })
  }
}
