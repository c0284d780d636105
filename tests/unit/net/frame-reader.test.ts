import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex, u32be } from '../../../src/base/index.ts'
import { encodeFrame, FrameReader } from '../../../src/net/frame-reader.ts'

describe('the frame reader', () => {
  it('finds the same frames however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 17 }), { minLength: 1, maxLength: 20 }),
        (frames, cuts) => {
          const reader = new FrameReader({ minBytes: 0, maxBytes: 40 })
          const whole = Buffer.concat(frames.map(encodeFrame))
          const found: Uint8Array[] = []
          for (let at = 0, i = 0; at < whole.length; i++) {
            const step = cuts[i % cuts.length] ?? 1
            found.push(...reader.push(new Uint8Array(whole.subarray(at, at + step))))
            at += step
          }
          expect(found.map(toHex)).toEqual(frames.map(toHex))
          expect(reader.idle).toBe(true)
        },
      ),
    )
  })

  it('refuses a length out of bounds at its fourth byte, before any content', () => {
    for (const length of [0, 9, 0xffff_ffff]) {
      const reader = new FrameReader({ minBytes: 1, maxBytes: 8 })
      const header = u32be(length)
      expect(reader.push(header.subarray(0, 3))).toEqual([])
      expect(() => reader.push(header.subarray(3))).toThrow('frame length out of bounds')
    }
  })

  it('is not idle in the middle of a frame', () => {
    const reader = new FrameReader({ minBytes: 0, maxBytes: 8 })
    reader.push(encodeFrame(Uint8Array.of(1, 2)).subarray(0, 5))
    expect(reader.idle).toBe(false)
  })
})
