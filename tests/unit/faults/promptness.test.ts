import { describe, expect, it } from 'vitest'
import { Recorder, type SendRecord } from '../../faults/history.ts'
import { waits } from '../../faults/promptness.ts'

function send(to: number, text: string, acceptedAt: number | undefined): SendRecord {
  return { from: 0, to, text, key: text, calledAt: 0, messageIds: [], acceptedAt, tries: 1 }
}

/** Node 1 is there until 100, away until 300, there until 400, and then from 900 on. */
function story(): Recorder {
  const history = new Recorder()
  for (const [at, isUp] of [
    [0, true],
    [100, false],
    [300, true],
    [400, false],
    [900, true],
  ] as const) {
    history.presence.push({ node: 1, at, isUp })
  }
  return history
}

function shown(history: Recorder, text: string, at: number, node = 1): void {
  const event = { node, at, seq: 1, epoch: 'e', id: text, messageId: '', text }
  history.event({ ...event, type: 'message.received' })
}

const times = (history: Recorder) => waits(history).map(({ waitedMs }) => waitedMs)

describe('the wait of a message', () => {
  it('counts from its acceptance when the recipient is there', () => {
    const history = story()
    history.sends.push(send(1, 'a', 50), send(1, 'b', 350))
    shown(history, 'a', 80)
    shown(history, 'b', 1_000)
    // That the recipient left before it came does not stop the clock.
    expect(times(history)).toEqual([30, 650])
  })

  it('counts from the first return of a recipient that is away', () => {
    const history = story()
    history.sends.push(send(1, 'a', 150), send(1, 'b', 500))
    shown(history, 'a', 950)
    shown(history, 'b', 950)
    expect(times(history)).toEqual([650, 50])
  })

  it('is unknown for what never came, or came to somebody else, and ends at the first showing', () => {
    const history = story()
    history.sends.push(send(1, 'a', 10), send(1, 'b', 10), send(1, 'c', 10))
    shown(history, 'b', 20, 2)
    shown(history, 'c', 30)
    shown(history, 'c', 990)
    expect(times(history)).toEqual([undefined, undefined, 20])
  })

  it('leaves out what nobody said yes to, and takes a node that nobody watched as there', () => {
    const history = story()
    history.sends.push(send(1, 'a', undefined), send(7, 'b', 10))
    shown(history, 'b', 15, 7)
    expect(times(history)).toEqual([5])
  })
})
