import { describe, expect, it } from 'vitest'
import { Drain } from '../../../src/mix/drain.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

/** `lab`: a calm is a second, two trips are six. */
const LAB = { layers: 3, mixDelayMs: 1_000 }
const STRONG = { layers: 6, mixDelayMs: 1_000 }
const SLOW = { layers: 3, mixDelayMs: 60_000 }
const SWIFT = { layers: 4, mixDelayMs: 125 }

/** Milliseconds until it resolves, at most 20 s, while frames come every `everyMs` up to `untilMs`. */
async function took(
  options: typeof LAB,
  frames: { everyMs: number; untilMs: number },
  owes: (now: number) => boolean = () => false,
): Promise<number | undefined> {
  const clock = new VirtualClock()
  const drain = new Drain({ clock }, options)
  if (frames.untilMs > 0) drain.took()
  let end: number | undefined
  const run = drain
    .run(() => owes(clock.monotonic()))
    .then(() => {
      end = clock.monotonic()
    })
  for (let at = 0; at < 20_000 && end === undefined; at += frames.everyMs) {
    await clock.advance(frames.everyMs)
    if (at < frames.untilMs) drain.took()
  }
  await (end === undefined ? undefined : run)
  return end
}

describe('a mix that goes', () => {
  it('is gone at once when nobody uses it', async () => {
    expect(await took(LAB, { everyMs: 100, untilMs: 0 })).toBe(0)
  })

  it('serves the others until nothing came for one mean delay', async () => {
    const end = await took(LAB, { everyMs: 100, untilMs: 2_000 })
    expect(end).toBeGreaterThanOrEqual(2_900)
    expect(end).toBeLessThanOrEqual(3_000)
  })

  it('waits for what it owes', async () => {
    const end = await took(LAB, { everyMs: 100, untilMs: 100 }, (now) => now < 4_000)
    expect(end).toBe(4_000)
  })

  it('ends after two trips, whoever goes on sending, and after two seconds where trips are short', async () => {
    expect(await took(LAB, { everyMs: 100, untilMs: 20_000 })).toBe(6_000)
    expect(await took(SWIFT, { everyMs: 100, untilMs: 20_000 })).toBe(2_000)
  })

  it('never keeps whoever stops it waiting for long, nor a wipe, however long the trips are', async () => {
    for (const options of [STRONG, SLOW]) {
      expect(await took(options, { everyMs: 100, untilMs: 20_000 })).toBe(8_000)
      expect(await took(options, { everyMs: 100, untilMs: 0 }, () => true)).toBe(8_000)
    }
  })
})
