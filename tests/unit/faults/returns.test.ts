import { describe, expect, it } from 'vitest'
import { Recorder, type SendRecord } from '../../faults/history.ts'
import { forgiver, isDoubtful, missingSince, strangeReturns } from '../../faults/returns.ts'

const LIFE = { node: 0, copiedAt: 100, backAt: 200 }

/** Node 0 has the contacts 1 and 2, which are contacts too, and comes back at 200 as it should. */
class Story {
  readonly history = new Recorder()
  readonly #seqs = new Map<number, number>()

  constructor() {
    const pairs = [
      [0, 1],
      [1, 0],
      [0, 2],
      [2, 0],
      [1, 2],
      [2, 1],
    ] as const
    for (const [from, to] of pairs) this.text(from, to, 50)
    this.history.returns.push(LIFE)
    this.event(0, 'contact.recovering', 210)
    for (const contact of [1, 2]) {
      this.event(0, 'contact.recovered', 220)
      this.event(contact, 'contact.reset', 220)
    }
    for (const [from, to] of pairs) this.text(from, to, 230)
  }

  event(node: number, type: string, at: number, text = ''): void {
    const epoch = node === LIFE.node && at >= LIFE.backAt ? 'new' : 'old'
    const seq = (this.#seqs.get(node) ?? 0) + 1
    this.#seqs.set(node, seq)
    const id = `${node}/${epoch}/${seq}`
    this.history.event({ node, at, seq, epoch, id, type, messageId: '', text })
  }

  /** Takes away what `match` says of the events. */
  without(match: (type: string, node: number, at: number) => boolean): this {
    const { events } = this.history
    const kept = events.filter(({ type, node, at }) => !match(type, node, at))
    events.splice(0, events.length, ...kept)
    return this
  }

  text(from: number, to: number, at: number): void {
    const text = `${from}>${to}@${at}`
    const send: SendRecord = {
      from,
      to,
      text,
      key: text,
      calledAt: at,
      acceptedAt: at + 1,
      messageIds: [text],
      tries: 1,
    }
    this.history.sends.push(send)
    this.event(to, 'message.received', at + 2, text)
  }
}

describe('the return of a node from a copy', () => {
  it('is complete when texts go both ways and each contact was told once', () => {
    const { history } = new Story()
    expect(missingSince(history, LIFE)).toEqual([])
    expect(strangeReturns(history)).toEqual([])
  })

  it('waits for a text in each direction with each contact', () => {
    const { history } = new Story().without(
      (type, node, at) => type === 'message.received' && node === 2 && at > LIFE.backAt,
    )
    expect(missingSince(history, LIFE)).toEqual(['nothing from 0 reaches 2'])
    history.sends.splice(0)
    expect(missingSince(history, LIFE)).toEqual([])
  })

  it('does not take a text from before the return for one that came after it', () => {
    const story = new Story().without((type, _node, at) => type === 'message.received' && at > 200)
    story.event(1, 'message.received', 240, '0>1@50')
    expect(missingSince(story.history, LIFE)).toContain('nothing from 0 reaches 1')
  })

  it('finds a contact that was told of no new device, or of two', () => {
    const silent = new Story().without((type, node) => type === 'contact.reset' && node === 2)
    expect(missingSince(silent.history, LIFE)).toEqual(['node 2 was not told of a new device'])
    expect(strangeReturns(silent.history)).toEqual([
      'node 2 was told of 0 new devices of node 0, not 1',
    ])
    const twice = new Story()
    twice.event(1, 'contact.reset', 260)
    expect(strangeReturns(twice.history)).toEqual([
      'node 1 was told of 2 new devices of node 0, not 1',
    ])
  })

  it('counts an event that is handed out again once', () => {
    const { history } = new Story()
    const reset = history.events.find(({ type }) => type === 'contact.reset')
    if (reset === undefined) throw new Error('nobody was told')
    history.event({ ...reset, at: 270 })
    expect(strangeReturns(history)).toEqual([])
  })

  it('finds a node that was told although it is no contact', () => {
    const story = new Story()
    story.text(1, 3, 300)
    story.event(3, 'contact.reset', 310)
    expect(strangeReturns(story.history)).toEqual([
      'node 3 was told of 1 new devices of node 0, not 0',
    ])
  })

  it('finds a node that recovered with too few contacts, or without an epoch of its own', () => {
    const { history } = new Story().without(
      (type, node, at) => node === 0 && (type === 'contact.recovered' || at < 200),
    )
    expect(strangeReturns(history)).toEqual(['node 0 recovered 0 times for 2 contacts'])
    const same = new Story().history
    for (const [i, event] of same.events.entries()) same.events[i] = { ...event, epoch: 'old' }
    expect(strangeReturns(same)).toEqual(['node 0 came back without an epoch of its own'])
  })

  it('keeps the returns of one node apart', () => {
    const story = new Story()
    const again = { node: 0, copiedAt: 300, backAt: 400 }
    story.history.returns.push(again)
    expect(strangeReturns(story.history)).toHaveLength(4)
    for (const contact of [1, 2]) {
      story.event(0, 'contact.recovered', 420)
      story.event(contact, 'contact.reset', 420)
    }
    expect(strangeReturns(story.history)).toEqual(['node 0 came back without an epoch of its own'])
    for (const [i, event] of story.history.events.entries()) {
      if (event.node === 0 && event.at > 400) story.history.events[i] = { ...event, epoch: 'newer' }
    }
    expect(strangeReturns(story.history)).toEqual([])
  })

  it('leaves open what a client asked of two lives', () => {
    const { history } = new Story()
    const [send] = history.sends
    if (send === undefined) throw new Error('nothing was sent')
    expect(isDoubtful(history, { ...send, calledAt: 150, acceptedAt: 250 })).toBe(true)
    expect(isDoubtful(history, { ...send, calledAt: 150, acceptedAt: undefined })).toBe(true)
    expect(isDoubtful(history, { ...send, calledAt: 150, acceptedAt: 160 })).toBe(false)
    expect(isDoubtful(history, { ...send, from: 1, calledAt: 150, acceptedAt: 250 })).toBe(false)
    expect(isDoubtful(history, { ...send, calledAt: 210, acceptedAt: 250 })).toBe(false)
  })
})

describe('a database that was put back', () => {
  it('may have forgotten what it acknowledged after the copy, and nothing that it held before', () => {
    const { history } = new Story()
    const send = history.sends.find(({ from, to }) => from === 1 && to === 0)
    if (send === undefined) throw new Error('nothing was sent')
    const told = { node: 1, at: 150, seq: 90, epoch: 'old', id: 'told', text: '' }
    history.event({ ...told, type: 'message.delivered', messageId: send.messageIds[0] ?? '' })
    expect(forgiver(history)(send)).toBe('recipient')
    history.returns.splice(0, 1, { ...LIFE, held: new Set([send.text]) })
    expect(forgiver(history)(send)).toBeUndefined()
  })
})

describe('what waits for a node', () => {
  it('is unread until its client saw it, and on its way until its sender knows the end', () => {
    const { history } = new Story()
    expect(history.waitingFor(0)).toEqual({ unread: 0, unacknowledged: 8 })
    const send = { ...history.sends[1], text: 'unseen', messageIds: ['unseen'] } as SendRecord
    history.sends.splice(0, history.sends.length, send)
    expect(history.waitingFor(0)).toEqual({ unread: 0, unacknowledged: 1 })
    const told = { node: 1, at: 60, seq: 90, epoch: 'old', id: 'told', text: '' }
    history.event({ ...told, type: 'message.delivered', messageId: 'unseen' })
    expect(history.waitingFor(0)).toEqual({ unread: 1, unacknowledged: 0 })
    history.event({ ...told, node: 0, type: 'message.received', messageId: 'in', text: 'unseen' })
    expect(history.waitingFor(0)).toEqual({ unread: 0, unacknowledged: 0 })
  })
})
