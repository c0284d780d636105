import { describe, expect, it } from 'vitest'
import { climb } from '../../faults/climb.ts'
import { Recorder } from '../../faults/history.ts'

const DELAY_MS = 1_900

interface Network {
  /** Messages a second that senders get a yes for, and that arrive. */
  readonly accepts: number
  readonly carries: number
}

/** Some time after each send a message arrives, unless too many wait before it. */
function network({ accepts, carries }: Network) {
  const recorder = new Recorder()
  const load = { rate: 0 }
  const rates: number[] = []
  const waiting: { text: string; at: number }[] = []
  let time = 0
  let [sends, arrivals] = [0, 0]
  const tick = (ms: number) => {
    for (const end = time + ms; time < end; time += 10) {
      for (sends += Math.min(load.rate, accepts) / 100; sends >= 1; sends--) {
        const text = `${recorder.sends.length}`
        const send = { from: 0, to: 1, text, key: text, calledAt: time, acceptedAt: time, tries: 1 }
        recorder.sends.push({ ...send, messageIds: [text] })
        waiting.push({ text, at: time })
      }
      for (arrivals = Math.min(2, arrivals + carries / 100); arrivals >= 1; arrivals--) {
        const next = waiting[0]
        if (next === undefined || next.at > time - DELAY_MS) break
        waiting.shift()
        const event = { node: 1, at: time, seq: 1, epoch: 'e', id: next.text, text: next.text }
        recorder.event({ ...event, type: 'message.received', messageId: '' })
        recorder.event({ ...event, type: 'message.delivered', messageId: next.text })
      }
    }
  }
  const ports = {
    recorder,
    load,
    now: () => time,
    sleep: async (ms: number) => {
      if (rates.at(-1) !== load.rate) rates.push(load.rate)
      tick(ms)
    },
    progress: () => {},
  }
  return { ports, rates, waiting }
}

describe('the climb to the highest rate', () => {
  it('ends at the last rate that arrived, when what piled up is gone', async () => {
    const { ports, rates, waiting } = network({ accepts: 1_000, carries: 48 })
    const carried = await climb(ports, { from: 20, to: 1_000 })
    expect(rates).toEqual([20, 40, 80, 40])
    expect(carried).toBe(40)
    expect(ports.load.rate).toBe(40)
    expect(waiting.length).toBeLessThanOrEqual(40 * 4)
  })

  it('does not take a rate that nobody was told yes to', async () => {
    const { ports } = network({ accepts: 50, carries: 1_000 })
    expect(await climb(ports, { from: 20, to: 1_000 })).toBe(40)
  })

  it('stays at the first rate where nothing arrives, and says that it was not carried', async () => {
    const { ports } = network({ accepts: 99, carries: 0 })
    expect(await climb(ports, { from: 20, to: 1_000 })).toBe(0)
    expect(ports.load.rate).toBe(20)
  })

  it('stays at the last rate where all arrives', async () => {
    expect(await climb(network({ accepts: 999, carries: 99 }).ports, { from: 20, to: 50 })).toBe(40)
  })
})
