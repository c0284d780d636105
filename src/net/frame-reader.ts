import { HearsayError, u32be } from '../base/index.ts'
import { FRAME_HEADER_BYTES } from './constants.ts'

/**
 * Cuts a byte stream into frames `length 4 | bytes`. The length is checked before anything is kept, so a
 * peer cannot make us hold more than `maxBytes` and one chunk.
 */
export class FrameReader {
  readonly #minBytes: number
  readonly #maxBytes: number
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES)
  #headerFill = 0
  #body: Uint8Array | undefined
  #bodyFill = 0

  constructor(options: { minBytes: number; maxBytes: number }) {
    this.#minBytes = options.minBytes
    this.#maxBytes = options.maxBytes
  }

  /** True between two frames: a stream that ends here lost nothing. */
  get idle(): boolean {
    return this.#headerFill === 0
  }

  /** Whole frames in order, owned by the caller. @throws HearsayError `bad-length`. */
  push(chunk: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = []
    let offset = 0
    while (offset < chunk.length) {
      if (this.#body === undefined) {
        this.#header[this.#headerFill++] = chunk[offset++] as number
        if (this.#headerFill === FRAME_HEADER_BYTES) this.#begin(frames)
        continue
      }
      const taken = Math.min(chunk.length - offset, this.#body.length - this.#bodyFill)
      this.#body.set(chunk.subarray(offset, offset + taken), this.#bodyFill)
      this.#bodyFill += taken
      offset += taken
      this.#finish(frames)
    }
    return frames
  }

  #begin(frames: Uint8Array[]): void {
    const length = new DataView(this.#header.buffer).getUint32(0)
    if (length < this.#minBytes || length > this.#maxBytes) {
      throw new HearsayError('bad-length', 'frame length out of bounds', { length })
    }
    this.#body = new Uint8Array(length)
    this.#bodyFill = 0
    this.#finish(frames)
  }

  #finish(frames: Uint8Array[]): void {
    if (this.#body === undefined || this.#bodyFill < this.#body.length) return
    frames.push(this.#body)
    this.#body = undefined
    this.#headerFill = 0
  }
}

/** `length 4 | bytes`, one buffer so that it leaves in one write. */
export function encodeFrame(payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payload.length)
  frame.set(u32be(payload.length))
  frame.set(payload, FRAME_HEADER_BYTES)
  return frame
}
