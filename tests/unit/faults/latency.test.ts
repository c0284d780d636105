import { describe, expect, it } from 'vitest'
import { Recorder } from '../../faults/history.ts'
import { compare, latencies, latencyText } from '../../faults/latency.ts'

const OPTIONS = { node: 0, from: 1_000, to: 2_000, everyMs: 100 }

/** A call of `messages.send` on a node, answered after so many ms. */
function call(history: Recorder, at: number, tookMs: number | undefined, node = 0): void {
  const text = `${history.sends.length}`
  history.sends.push({
    from: node,
    to: 1,
    text,
    key: text,
    calledAt: at,
    messageIds: [],
    acceptedAt: tookMs === undefined ? undefined : at + tookMs,
    tries: 1,
  })
}

function event(history: Recorder, at: number, tookMs: number | undefined, node = 0): void {
  const its = { node, at, seq: 1, epoch: 'e', id: `${at}`, messageId: '', text: '' }
  history.event({
    ...its,
    type: 'message.delivered',
    ...(tookMs === undefined ? {} : { tookMs }),
  })
}

describe('what the users of a node waited for', () => {
  it('are its calls and its events within the span', () => {
    const history = new Recorder()
    for (const at of [999, 1_000, 1_500, 2_000]) {
      call(history, at, at / 100)
      event(history, at, at / 10)
    }
    call(history, 1_200, 7, 1)
    event(history, 1_200, 7, 1)
    event(history, 1_300, undefined)
    expect(latencies(history, OPTIONS)).toEqual({ calls: [10, 15], deliveries: [100, 150] })
  })

  it('counts the calls that a sender would have made while it waited', () => {
    const history = new Recorder()
    call(history, 1_100, 350)
    expect(latencies(history, OPTIONS).calls).toEqual([350, 250, 150, 50])
  })

  it('counts a call without an answer until the end', () => {
    const history = new Recorder()
    call(history, 1_750, undefined)
    expect(latencies(history, OPTIONS).calls).toEqual([250, 150, 50])
  })
})

describe('others', () => {
  const all = (ms: number, count = 200) => Array.from({ length: count }, () => ms)
  const both = (calls: number, deliveries = calls) => ({
    calls: all(calls),
    deliveries: all(deliveries),
  })

  it('are not disturbed by twice as long, or by what nobody notices', () => {
    const fine = { late: [], unsure: [] }
    expect(compare(both(300), both(600), 'it')).toEqual(fine)
    expect(compare(both(2), both(250), 'it')).toEqual(fine)
  })

  it('are disturbed when their calls or their events take longer than that', () => {
    expect(compare(both(10), both(251, 10), 'the storm').late).toEqual([
      'with the storm the calls of others take 251 ms at p99, and 10 ms before it',
    ])
    expect(compare(both(300), both(300, 601), 'the storm').late).toEqual([
      'with the storm the deliveries of others take 601 ms at p99, and 300 ms before it',
    ])
  })

  it('are disturbed by one long stop, which a hundred quick calls do not hide', () => {
    const history = new Recorder()
    for (let at = 1_000; at < 61_000; at += 100) call(history, at, 3)
    const calm = latencies(history, { ...OPTIONS, to: 61_000 })
    call(history, 61_000, 5_000)
    for (let at = 66_000; at < 121_000; at += 100) call(history, at, 3)
    const stopped = latencies(history, { ...OPTIONS, from: 61_000, to: 121_000 })
    const deliveries = all(1)
    const found = compare({ ...calm, deliveries }, { ...stopped, deliveries }, 'it')
    expect(found.late).toHaveLength(1)
  })

  it('cannot be compared with too few samples, before it or with it', () => {
    const few = { calls: all(1, 99), deliveries: all(1) }
    const words = ['too few calls of others with it, or before it']
    expect(compare(few, both(1), 'it')).toEqual({ late: [], unsure: words })
    expect(compare(both(1), few, 'it')).toEqual({ late: [], unsure: words })
  })

  it('are told of as half and 99 of a hundred', () => {
    expect(latencyText([...all(3), ...all(40, 100)])).toBe('3 / 40 ms')
    expect(latencyText([])).toBe('- / - ms')
  })
})
