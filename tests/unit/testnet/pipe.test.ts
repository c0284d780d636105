import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { type LinkFaults, NO_FAULTS } from '../../../daemon/testnet/index.ts'
import {
  HELD_BYTES,
  Pipe,
  type PipeEnd,
  UNACKNOWLEDGED_BYTES,
} from '../../../daemon/testnet/relay/pipe.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

/** One end of a connection, in memory: what was written to it, and what became of it. */
class FakeEnd extends EventEmitter {
  readonly got: Buffer[] = []
  paused = true
  ended = false
  reset = false
  destroyed = false
  /** False: full, until `drain`. */
  roomy = true

  write(bytes: Uint8Array): boolean {
    this.got.push(Buffer.from(bytes))
    return this.roomy
  }
  end(): this {
    this.ended = true
    return this
  }
  pause(): this {
    this.paused = true
    return this
  }
  resume(): this {
    this.paused = false
    return this
  }
  resetAndDestroy(): this {
    this.reset = true
    this.destroyed = true
    return this
  }
  get text(): string {
    return Buffer.concat(this.got).toString()
  }
  get length(): number {
    return this.got.reduce((sum, bytes) => sum + bytes.length, 0)
  }
}

function rig(faults: Partial<LinkFaults> = {}) {
  const clock = new VirtualClock()
  const [source, target] = [new FakeEnd(), new FakeEnd()]
  const pipe = new Pipe({
    clock,
    rng: seededRng('pipe'),
    source: source as unknown as PipeEnd,
    target: target as unknown as PipeEnd,
  })
  pipe.start()
  const set = (change: Partial<LinkFaults>, backDown = false) =>
    pipe.set({ ...NO_FAULTS, ...change }, backDown)
  set(faults)
  const send = (text: string) => source.emit('data', Buffer.from(text))
  return { clock, source, target, set, send }
}

describe('a pipe of the relay', () => {
  it('passes bytes on at once and without a timer while the link is clean', () => {
    const { clock, target, send, source } = rig()
    send('one ')
    send('two')
    expect(target.text).toBe('one two')
    expect(clock.pendingTimers).toBe(0)
    source.emit('end')
    expect(target.ended).toBe(true)
  })

  it('delays bytes and the end behind them', async () => {
    const { clock, source, target, send } = rig({ delayMs: 50 })
    send('late')
    source.emit('end')
    await clock.advance(49)
    expect([target.text, target.ended]).toEqual(['', false])
    await clock.advance(1)
    expect([target.text, target.ended]).toEqual(['late', true])
  })

  it('keeps the order when a delay is taken away while bytes are under way', async () => {
    const { clock, target, set, send } = rig({ delayMs: 100 })
    send('first ')
    set({})
    send('second')
    await clock.advance(100)
    expect(target.text).toBe('first second')
  })

  it('holds everything while the link is down and hands it over when it heals', async () => {
    const { clock, source, target, set, send } = rig()
    set({ down: true })
    send('kept')
    source.emit('end')
    await clock.advance(3_600_000)
    expect([target.text, target.ended, clock.pendingTimers]).toEqual(['', false, 0])
    set({})
    expect([target.text, target.ended]).toEqual(['kept', true])
  })

  it('holds a bounded number of bytes and makes the sender wait', () => {
    const { source, target, set } = rig({ down: true })
    const block = Buffer.alloc(65_536)
    let sent = 0
    while (!source.paused) {
      source.emit('data', block)
      sent += block.length
    }
    expect(sent).toBeGreaterThan(HELD_BYTES)
    expect(sent).toBeLessThanOrEqual(HELD_BYTES + block.length)
    set({})
    expect(target.length).toBe(sent)
    expect(source.paused).toBe(false)
  })

  it('stops reading while the receiver is full and goes on when it has room', () => {
    const { source, target, send } = rig()
    target.roomy = false
    send('a')
    expect(source.paused).toBe(true)
    send('b')
    expect(target.text, 'nothing is pushed into a full receiver').toBe('a')
    target.roomy = true
    target.emit('drain')
    expect([target.text, source.paused]).toEqual(['ab', false])
  })

  it('lets a window of bytes across when only the way back is cut', () => {
    const { source, target, set } = rig()
    set({}, true)
    for (let i = 0; i < 20; i++) source.emit('data', Buffer.alloc(8_192))
    expect(target.length).toBe(UNACKNOWLEDGED_BYTES)
    set({})
    expect(target.length).toBe(20 * 8_192)
  })

  it('does not tell of a reset across a cut link before it heals', () => {
    const { source, target, set } = rig({ down: true })
    source.emit('close', true)
    expect(target.reset).toBe(false)
    set({})
    expect(target.reset).toBe(true)
  })

  it('passes a reset on after a clean end, and no reset for a clean close', () => {
    const clean = rig()
    clean.source.emit('end')
    clean.source.emit('close', false)
    expect([clean.target.ended, clean.target.reset]).toEqual([true, false])
    const broken = rig()
    broken.source.emit('end')
    broken.source.emit('close', true)
    expect(broken.target.reset).toBe(true)
  })

  it('drops what is meant for a receiver that is gone', async () => {
    const { clock, source, target, send } = rig({ delayMs: 10 })
    send('x'.repeat(HELD_BYTES + 1))
    expect(source.paused).toBe(true)
    target.destroyed = true
    await clock.advance(10)
    send('y')
    expect([target.length, source.paused, clock.pendingTimers]).toEqual([0, false, 0])
  })
})
