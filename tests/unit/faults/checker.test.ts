import { describe, expect, it } from 'vitest'
import { check, losses } from '../../faults/checker.ts'
import type { EventRecord, Recorder, SendRecord } from '../../faults/history.ts'
import { cleanRun } from './clean-run.ts'

const LIMITS = { readyMs: 2_000 }

function listed(history: Recorder, node: number) {
  const list = history.lists.get(node)
  if (list === undefined) throw new Error(`no list of node ${node}`)
  return list
}

const promises = (history: Recorder) => check(history, LIMITS).map(({ promise }) => promise)

describe('the checker', () => {
  it('finds nothing in a clean run', () => {
    const history = cleanRun()
    expect(check(history, LIMITS)).toEqual([])
    expect(history.open).toEqual([])
    expect(losses(history)).toEqual({
      accepted: 6,
      delivered: 6,
      lost: 0,
      gone: 0,
      reported: 0,
      duplicates: 0,
    })
  })

  it('finds a message that never arrived', () => {
    const history = cleanRun()
    history.lists.set(
      1,
      listed(history, 1).filter(({ text }) => text !== '0>1#1'),
    )
    expect(check(history, LIMITS)).toEqual([{ promise: 'B', what: '"0>1#1" never arrived' }])
    expect(losses(history)).toMatchObject({ lost: 1, delivered: 5 })
  })

  it('finds a message that the sender has forgotten after it was accepted', () => {
    const history = cleanRun()
    history.lists.set(
      0,
      listed(history, 0).filter(({ messageId }) => messageId !== 'out-0>1#2'),
    )
    expect(promises(history)).toEqual(['A'])
  })

  it('finds a message that stays on its way for ever', () => {
    const history = cleanRun()
    history.lists.set(
      0,
      listed(history, 0).map((each) =>
        each.messageId === 'out-0>1#2' ? { ...each, state: 'sent' } : each,
      ),
    )
    expect(promises(history)).toEqual(['A'])
  })

  it('finds a failure that nobody was told of, and accepts one that was reported', () => {
    const history = cleanRun()
    const expired = (of: Recorder) => {
      of.lists.set(
        0,
        listed(of, 0).map((each) =>
          each.messageId === 'out-0>1#2' ? { ...each, state: 'expired' } : each,
        ),
      )
      of.lists.set(
        1,
        listed(of, 1).filter(({ text }) => text !== '0>1#2'),
      )
    }
    expired(history)
    expect(promises(history)).toEqual(['A', 'B'])
    const told = cleanRun()
    expired(told)
    told.event({
      node: 0,
      at: 20,
      seq: 10,
      epoch: 'epoch-0',
      id: 'epoch-0/10',
      type: 'message.expired',
      messageId: 'out-0>1#2',
      text: '',
    })
    expect(promises(told)).toEqual([])
    expect(losses(told)).toMatchObject({ lost: 0, reported: 1 })
  })

  it('finds a message that is listed twice', () => {
    const history = cleanRun()
    const copy = listed(history, 1).find(({ text }) => text === '0>1#0')
    if (copy === undefined) throw new Error('not listed')
    history.lists.set(1, [...listed(history, 1), { ...copy, messageId: 'another' }])
    expect(promises(history)).toEqual(['B'])
    expect(losses(history).duplicates).toBe(1)
  })

  it('finds a message that two events showed, and not one that was handed out again', () => {
    const again = cleanRun()
    const shown = again.events.find(({ text }) => text === '0>1#2')
    if (shown === undefined) throw new Error('not shown')
    again.event({ ...shown, at: 99 })
    expect(promises(again)).toEqual([])
    const twice = cleanRun()
    const seq = Math.max(...eventsOf(twice, 1).map((event) => event.seq)) + 1
    twice.event({ ...shown, seq, id: `epoch-1/${seq}` })
    expect(promises(twice)).toEqual(['B'])
  })

  it('finds a gap in a stream of events', () => {
    const history = cleanRun()
    const at = history.events.findIndex(({ node, seq }) => node === 1 && seq === 4)
    history.events.splice(at, 1)
    expect(check(history, LIMITS)).toContainEqual({
      promise: 'C',
      what: 'node 1 skipped the events 4 to 4',
    })
  })

  it('finds that the first events of a stream are missing', () => {
    const history = cleanRun()
    history.cursors.set(0, 0)
    expect(promises(history)).toEqual([])
    history.events.splice(
      history.events.findIndex(({ node }) => node === 0),
      1,
    )
    expect(promises(history)).toEqual(['C'])
  })

  it('accepts redelivery from an earlier number, and finds a gap behind it', () => {
    const history = cleanRun()
    const events = eventsOf(history, 1)
    for (const event of events.slice(3)) history.event(event)
    expect(promises(history)).toEqual([])
    const last = events.at(-1)
    if (last === undefined) throw new Error('no events')
    history.event({ ...last, seq: last.seq + 2, id: 'later' })
    expect(promises(history)).toContain('C')
  })

  it('finds two events with one number', () => {
    const history = cleanRun()
    const [first] = eventsOf(history, 0)
    if (first === undefined) throw new Error('no events')
    history.event({ ...first, id: 'another', type: 'message.queued' })
    expect(promises(history)).toEqual(['C'])
  })

  it('finds a new epoch, unless the node was restored on purpose', () => {
    const history = cleanRun()
    const [first] = eventsOf(history, 0)
    if (first === undefined) throw new Error('no events')
    history.event({ ...first, epoch: 'new', id: 'new/1', type: 'node.restored' })
    expect(promises(history)).toEqual(['C'])
    history.returns.push({ node: 0, copiedAt: 4, backAt: 9 })
    expect(promises(history)).toEqual([])
    history.event({ ...first, epoch: 'newer', id: 'newer/1', type: 'node.restored' })
    expect(promises(history)).toEqual(['C'])
  })

  it('lets a restored node show again in a new epoch, and forget what it had acknowledged since the copy', () => {
    const shownAgain = cleanRun()
    shownAgain.returns.push({ node: 1, copiedAt: 4, backAt: 20 })
    const shown = shownAgain.events.find(({ text }) => text === '0>1#2')
    if (shown === undefined) throw new Error('not shown')
    shownAgain.event({ ...shown, at: 30, epoch: 'new', seq: 1, id: 'new/1' })
    expect(promises(shownAgain)).toEqual([])

    const forgot = (copiedAt: number) => {
      const history = cleanRun()
      history.lists.set(
        1,
        listed(history, 1).filter(({ text }) => text !== '0>1#2'),
      )
      history.returns.push({ node: 1, copiedAt, backAt: 20 })
      return history
    }
    // The sender was told of the delivery at 10.
    expect(promises(forgot(9))).toEqual([])
    expect(losses(forgot(9))).toMatchObject({ lost: 0, gone: 1, delivered: 5 })
    expect(promises(forgot(11))).toEqual(['B'])
    const sender = forgot(9)
    sender.lists.set(
      0,
      listed(sender, 0).filter(({ text }) => text !== '0>1#2'),
    )
    expect(promises(sender)).toEqual(['A'])
  })

  it('lets a restored node forget what it accepted after the copy, and nothing from before it', () => {
    const forgot = (copiedAt: number) => {
      const history = cleanRun()
      for (const node of [0, 1]) {
        history.lists.set(
          node,
          listed(history, node).filter(({ text }) => text !== '1>0#2'),
        )
      }
      history.returns.push({ node: 1, copiedAt, backAt: 20 })
      return history
    }
    // It was accepted at 2.
    expect(promises(forgot(1))).toEqual([])
    expect(promises(forgot(3))).toEqual(['A', 'B'])
    expect(promises(cleanRun())).toEqual([])
  })

  it('finds messages that arrived in another order', () => {
    const history = cleanRun()
    const list = [...listed(history, 1)]
    const [a, b] = ['0>1#0', '0>1#1'].map((text) => list.findIndex((each) => each.text === text))
    if (a === undefined || b === undefined) throw new Error('not listed')
    const [first, second] = [list[a], list[b]]
    if (first === undefined || second === undefined) throw new Error('not listed')
    list[a] = second
    list[b] = first
    history.lists.set(1, list)
    expect(promises(history)).toEqual(['D'])
  })

  it('lets as many texts come late as their recipient has told to be missing', () => {
    const late = (alias: string, missing: number, order: readonly number[]) => {
      const history = cleanRun()
      const gap = { node: 1, at: 20, messageId: '', text: '', type: 'message.gap', id: 'gap' }
      const seq = Math.max(...history.events.flatMap((each) => (each.node === 1 ? each.seq : [])))
      // Handed out twice, as to a consumer that had not acknowledged it.
      for (const at of [20, 30]) {
        history.event({ ...gap, at, seq: seq + 1, epoch: 'epoch-1', gap: { alias, missing } })
      }
      const list = listed(history, 1)
      const its = list.filter(({ text }) => text.startsWith('0>1'))
      const others = list.filter(({ text }) => !text.startsWith('0>1'))
      history.lists.set(1, [...others, ...order.flatMap((i) => its[i] ?? [])])
      return promises(history)
    }
    expect(late('node-0', 1, [1, 2, 0])).toEqual([])
    expect(late('node-0', 2, [2, 1, 0])).toEqual([])
    expect(late('node-0', 1, [2, 1, 0])).toEqual(['D'])
    expect(late('node-2', 1, [1, 2, 0])).toEqual(['D'])
  })

  it('finds a key that made two messages', () => {
    const history = cleanRun()
    history.sends[0]?.messageIds.push('out-another')
    expect(promises(history)).toEqual(['E'])
    const twice = cleanRun()
    const own = listed(twice, 0).find(({ messageId }) => messageId === 'out-0>1#0')
    if (own === undefined) throw new Error('not listed')
    twice.lists.set(0, [...listed(twice, 0), { ...own, messageId: 'out-another' }])
    expect(promises(twice)).toEqual(['E'])
  })

  it('finds crashes, internal errors and late starts', () => {
    const history = cleanRun()
    history.crashes.push({ node: 1, what: 'exit code 70' })
    history.errors.push({ node: 0, at: 3, method: 'messages.send', name: 'INTERNAL' })
    history.errors.push({ node: 0, at: 3, method: 'messages.send', name: 'STORAGE_FULL' })
    history.recoveries.push({ node: 1, at: 9, readyMs: 2_001 })
    expect(promises(history)).toEqual(['F', 'F', 'G'])
  })

  it('says what is still open while a run goes on', () => {
    const history = cleanRun()
    const send: SendRecord = {
      from: 0,
      to: 1,
      text: '0>1#3',
      key: '0>1#3',
      calledAt: 5,
      acceptedAt: undefined,
      messageIds: [],
      tries: 4,
    }
    history.sends.push(send)
    expect(history.open).toEqual([send])
  })
})

function eventsOf(history: Recorder, node: number): EventRecord[] {
  return history.events.filter((event) => event.node === node)
}
