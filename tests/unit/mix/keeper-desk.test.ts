import { describe, expect, it } from 'vitest'
import { type NodeId, silentLogger, TaskGroup, toHex } from '../../../src/base/index.ts'
import {
  ANSWER_SPREAD_MS,
  ANSWERED_MAX,
  ANSWERS_MAX,
  ASK_REF_BYTES,
  SEALED_ANSWER_BYTES,
  SEALED_REQUEST_BYTES,
} from '../../../src/mix/constants.ts'
import { MixCounts } from '../../../src/mix/counts.ts'
import type { MixFrame } from '../../../src/mix/frame.ts'
import { KeeperDesk } from '../../../src/mix/keeper-desk.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { ksTwoSample, ksUniform } from '../../support/statistics.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { nodeAt } from './fixtures.ts'

const courier = nodeAt('courier')
const rng = seededRng('desk')

class Bench {
  readonly clock = new VirtualClock()
  readonly counts = new MixCounts()
  readonly tasks = new TaskGroup(silentLogger)
  readonly sent: { to: NodeId; frame: MixFrame & { kind: 'answer' }; at: number }[] = []
  readonly asked: Uint8Array[] = []
  linked = true
  answer: (sealed: Uint8Array) => Promise<Uint8Array> = async (sealed) => {
    const bytes = new Uint8Array(SEALED_ANSWER_BYTES)
    bytes.set(sealed)
    return bytes
  }
  readonly desk = new KeeperDesk({
    clock: this.clock,
    rng: seededRng('desk times'),
    counts: this.counts,
    keeper: {
      answer: (sealed) => {
        this.asked.push(sealed)
        return this.answer(sealed)
      },
    },
    deliver: (to, frame) => {
      if (this.linked && frame.kind === 'answer') {
        this.sent.push({ to, frame, at: this.clock.monotonic() })
      }
      return this.linked
    },
    spawn: (name, task) => this.tasks.spawn(name, task),
  })

  ask(): { ref: Uint8Array; sealed: Uint8Array } {
    const question = { ref: rng.bytes(ASK_REF_BYTES), sealed: rng.bytes(SEALED_REQUEST_BYTES) }
    this.desk.asked(courier, question.ref, question.sealed)
    return question
  }
}

describe('a keeper', () => {
  it('answers each question once, to who asked, under its name', async () => {
    const bench = new Bench()
    const { ref, sealed } = bench.ask()
    const copies = [ref, sealed].map(toHex)
    ref.fill(0)
    sealed.fill(0)
    await bench.clock.advance(10_000)
    expect(bench.sent).toHaveLength(1)
    const [sent] = bench.sent
    expect(toHex(sent?.to as NodeId)).toBe(toHex(courier))
    expect(toHex(sent?.frame.ref as Uint8Array)).toBe(copies[0])
    expect(toHex(sent?.frame.sealed.subarray(0, SEALED_REQUEST_BYTES) as Uint8Array)).toBe(
      copies[1],
    )
    expect(bench.counts.snapshot()).toEqual({ answered: 1 })
  })

  it('answers after a time that says nothing of its disk', async () => {
    const delays = async (diskMs: number) => {
      const bench = new Bench()
      const { answer } = bench
      bench.answer = async (sealed) => {
        await bench.clock.sleep(diskMs)
        return answer(sealed)
      }
      for (let i = 0; i < ANSWERS_MAX; i++) bench.ask()
      await bench.clock.advance(1_000)
      return bench.sent.map(({ at }) => at)
    }
    const quick = await delays(0)
    expect(await delays(ANSWER_SPREAD_MS - 1)).toEqual(quick)
    expect(ksUniform(quick.map((at) => at / ANSWER_SPREAD_MS - 1))).toBeGreaterThan(0.001)
    // A disk that is slower than that shows.
    expect(ksTwoSample(await delays(2 * ANSWER_SPREAD_MS + 1), quick)).toBeLessThan(0.001)
  })

  it('answers with random bytes of the same length when it fails', async () => {
    const bench = new Bench()
    bench.answer = async () => {
      throw new Error('the disk is gone')
    }
    bench.ask()
    bench.ask()
    await bench.clock.advance(1_000)
    const answers = bench.sent.map(({ frame }) => toHex(frame.sealed))
    expect(answers.map(({ length }) => length)).toEqual([1, 2].map(() => 2 * SEALED_ANSWER_BYTES))
    expect(new Set(answers).size).toBe(2)
  })

  it('answers so many at once and no more, and goes on when some are through', async () => {
    const bench = new Bench()
    for (let i = 0; i < ANSWERS_MAX + 4; i++) bench.ask()
    expect(bench.asked).toHaveLength(ANSWERS_MAX)
    expect(bench.counts.snapshot()).toEqual({ overloaded: 4 })
    await bench.clock.advance(2 * ANSWER_SPREAD_MS)
    bench.ask()
    await bench.clock.advance(2 * ANSWER_SPREAD_MS)
    expect(bench.counts.snapshot()).toEqual({ overloaded: 4, answered: ANSWERS_MAX + 1 })
  })

  it('answers a question no second time, under whatever name: a courier would see when the box came', async () => {
    const bench = new Bench()
    const { sealed } = bench.ask()
    await bench.clock.advance(1_000)
    bench.desk.asked(courier, rng.bytes(ASK_REF_BYTES), sealed)
    bench.desk.asked(nodeAt('another courier'), rng.bytes(ASK_REF_BYTES), sealed)
    await bench.clock.advance(1_000)
    expect(bench.asked).toHaveLength(1)
    expect(bench.counts.snapshot()).toEqual({ answered: 1, replay: 2 })
  })

  it('answers later what it had no time for', async () => {
    const bench = new Bench()
    for (let i = 0; i < ANSWERS_MAX; i++) bench.ask()
    const { ref, sealed } = bench.ask()
    await bench.clock.advance(1_000)
    bench.desk.asked(courier, ref, sealed)
    await bench.clock.advance(1_000)
    expect(bench.counts.snapshot()).toEqual({ overloaded: 1, answered: ANSWERS_MAX + 1 })
  })

  it('remembers so many questions and no more, the last ones', async () => {
    const bench = new Bench()
    const first = bench.ask()
    for (let i = 1; i <= ANSWERED_MAX; i++) {
      if (i % ANSWERS_MAX === 0) await bench.clock.advance(2 * ANSWER_SPREAD_MS)
      bench.ask()
    }
    await bench.clock.advance(1_000)
    const last = bench.ask()
    bench.desk.asked(courier, last.ref, last.sealed)
    expect(bench.counts.of('replay')).toBe(1)
    bench.desk.asked(courier, first.ref, first.sealed)
    await bench.clock.advance(1_000)
    expect(bench.counts.snapshot()).toEqual({ answered: ANSWERED_MAX + 3, replay: 1 })
  })

  it('that has no link to the courier loses the answer', async () => {
    const bench = new Bench()
    bench.linked = false
    bench.ask()
    await bench.clock.advance(1_000)
    expect(bench.counts.snapshot()).toEqual({ 'no-link': 1 })
  })

  it('says nothing any more once it stops', async () => {
    const bench = new Bench()
    bench.ask()
    await bench.clock.advance(1)
    await bench.tasks.stop()
    await bench.clock.advance(1_000)
    expect(bench.sent).toEqual([])
    expect(bench.clock.pendingTimers).toBe(0)
  })
})
