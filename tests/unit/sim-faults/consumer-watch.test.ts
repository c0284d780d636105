import { beforeEach, describe, expect, it } from 'vitest'
import type { EventView } from '../../../src/node/index.ts'
import { DAMAGED_EVENT } from '../../../src/store/index.ts'
import { ConsumerWatch } from '../../sim/faults/consumer-watch.ts'

const EPOCH = 'epoch'

let violations: string[]
let watch: ConsumerWatch

/** The node runs, ten events of before are removed, and the first feed of the consumer is open. */
beforeEach(() => {
  violations = []
  watch = new ConsumerWatch({ violation: (what) => violations.push(what) })
  watch.opened(EPOCH, 11)
  watch.made(10)
  watch.resumed(10)
})

function event(seq: number, text = 'text'): EventView {
  const id = `id of ${seq}`
  return { seq, epoch: EPOCH, id, type: 'test.event', time: '', data: { text } }
}

const give = (...seqs: readonly number[]): void => watch.given(seqs.map((seq) => event(seq)))
const acknowledge = (seq: number): void => {
  watch.asks(seq)
  watch.answered(seq, seq)
}
/** The node stops, its store is opened again, and so is a feed. */
const comeBack = (from: number, oldest = 11): void => {
  watch.left()
  watch.opened(EPOCH, oldest)
  watch.resumed(from)
}

describe('the watch of a consumer', () => {
  it('finds nothing when each feed begins behind the last answer and goes on without a gap', () => {
    give(11, 12, 13)
    acknowledge(12)
    give(14)
    comeBack(12)
    give(13, 14, 15)
    acknowledge(15)
    comeBack(15)
    give(16)
    expect(violations).toEqual([])
    expect(watch.position).toBe(16)
  })

  it.each([
    ['was written before the stop', 13],
    ['was not', 11],
  ])('lets an acknowledgement without an answer count that %s', (_, from) => {
    give(11, 12, 13)
    acknowledge(11)
    watch.asks(12)
    watch.asks(13)
    comeBack(from)
    give(from + 1)
    expect(violations).toEqual([])
  })

  it('takes several answers in whatever order they come', () => {
    give(11, 12, 13)
    for (const seq of [13, 11, 12]) watch.asks(seq)
    watch.answered(13, 13)
    watch.answered(11, 13)
    watch.answered(12, 12)
    comeBack(13)
    expect(violations).toEqual([])
  })

  it.each([11, 12, 13])('lets a stop take back answers from memory, here to %d', (from) => {
    give(11, 12, 13)
    acknowledge(11)
    watch.poisoned()
    acknowledge(12)
    acknowledge(13)
    comeBack(from)
    expect(violations).toEqual([])
  })

  it('begins anew with a restored home, which may have forgotten everything', () => {
    give(11, 12)
    acknowledge(12)
    watch.left()
    watch.opened('another epoch', 5)
    expect(watch.isMade).toBe(false)
    watch.found(7)
    watch.resumed(7)
    watch.given([{ ...event(8), epoch: 'another epoch' }])
    expect(violations).toEqual([])
  })

  it('lets the retention remove what is too old, or was acknowledged, and a reader behind it be told', () => {
    give(11, 12, 13, 14)
    acknowledge(12)
    watch.retains({ dropUpTo: 0, dropAckedUpTo: 14 })
    watch.retained(13)
    watch.left()
    watch.retains({ dropUpTo: 14, dropAckedUpTo: 14 })
    // Nobody was told: the node stopped.
    watch.opened(EPOCH, 15)
    expect(watch.overrun(15)).toBe(true)
    acknowledge(14)
    watch.resumed(14)
    give(15)
    expect(violations).toEqual([])
  })

  it.each([
    [
      'begins ahead of what it was given',
      'behind 12, which nobody has acknowledged',
      () => {
        give(11, 12)
        watch.left()
        watch.resumed(12)
      },
    ],
    [
      'begins between two acknowledgements',
      'behind 12, which nobody has acknowledged',
      () => {
        give(11, 12, 13)
        acknowledge(11)
        watch.asks(13)
        comeBack(12)
      },
    ],
    [
      'forgets an answer with a stop',
      'behind 11, and 12 is acknowledged',
      () => {
        give(11, 12)
        acknowledge(11)
        acknowledge(12)
        comeBack(11)
      },
    ],
    [
      'forgets an answer from memory while the node runs',
      'behind 10, and 12 is acknowledged',
      () => {
        give(11, 12)
        watch.poisoned()
        acknowledge(12)
        watch.left()
        watch.resumed(10)
      },
    ],
    [
      'forgets with a stop what the healing has written',
      'behind 10, and 12 is acknowledged',
      () => {
        give(11, 12)
        watch.poisoned()
        acknowledge(12)
        watch.healed(11)
        comeBack(10)
      },
    ],
    [
      'forgets with a stop where it has begun before',
      'behind 10, and 12 is acknowledged',
      () => {
        give(11, 12)
        watch.asks(12)
        comeBack(12)
        comeBack(10)
      },
    ],
    ['leaves out an event', 'event 12 after 10', () => give(12)],
    [
      'gives an event twice over one feed',
      'event 11 after 11',
      () => {
        give(11)
        give(11)
      },
    ],
    [
      'gives another event under the same number',
      'event 11 comes with another content',
      () => {
        give(11)
        comeBack(10)
        watch.given([event(11, 'another text')])
      },
    ],
    [
      'gives a damaged event where no disk was damaged',
      'event 11 is damaged',
      () => watch.given([{ ...event(11), type: DAMAGED_EVENT, data: {} }]),
    ],
    [
      'gives an event of another epoch',
      'event 11 of another epoch',
      () => watch.given([{ ...event(11), epoch: 'another' }]),
    ],
    [
      'answers with less than it was asked for',
      '12 was acknowledged, the answer says 11',
      () => {
        give(11, 12)
        acknowledge(11)
        watch.asks(12)
        watch.answered(12, 11)
      },
    ],
    [
      'answers with more than anybody has asked for',
      '11 was acknowledged, the answer says 12',
      () => {
        give(11, 12)
        watch.asks(11)
        watch.answered(11, 12)
      },
    ],
    [
      'says that events are gone which are there',
      'too old after 11, and event 12 is there',
      () => {
        give(11)
        watch.retains({ dropUpTo: 11, dropAckedUpTo: 11 })
        watch.overrun(12)
      },
    ],
    [
      'begins behind events that there were before it',
      'begins behind 12, and event 11 is the oldest',
      () => {
        watch.opened('another epoch', 11)
        watch.made(12)
      },
    ],
  ])('finds a consumer that %s', (_, what, happen) => {
    happen()
    expect(violations.join('; ')).toContain(what)
  })

  it.each([
    [
      'removes what is not acknowledged, and not too old',
      'the events before 13 are gone, those from 11 on were to be kept',
      () => {
        give(11, 12)
        watch.retains({ dropUpTo: 0, dropAckedUpTo: 12 })
        watch.retained(13)
      },
    ],
    [
      'removes what is acknowledged, and not old',
      'the events before 13 are gone, those from 12 on were to be kept',
      () => {
        give(11, 12)
        acknowledge(12)
        watch.retains({ dropUpTo: 0, dropAckedUpTo: 11 })
        watch.retained(13)
      },
    ],
    [
      'removes too much in a stop',
      'the events before 14 are gone, those from 13 on were to be kept',
      () => {
        give(11, 12, 13)
        acknowledge(12)
        watch.retains({ dropUpTo: 0, dropAckedUpTo: 13 })
        watch.left()
        watch.opened(EPOCH, 14)
      },
    ],
    [
      'removes too much in a healing',
      'the events before 13 are gone, those from 12 on were to be kept',
      () => {
        give(11, 12)
        watch.retains({ dropUpTo: 11, dropAckedUpTo: 11 })
        watch.poisoned()
        watch.healed(13)
      },
    ],
    [
      'passes a reader that it had to wait for',
      'the events before 13 are gone, those from 12 on were to be kept',
      () => {
        watch.retains({ dropUpTo: 11, dropAckedUpTo: 12 })
        watch.left()
        watch.overrun(13)
      },
    ],
    [
      'forgets with a stop what it has removed',
      'event 11 is there again, 12 was the oldest',
      () => {
        give(11)
        acknowledge(11)
        watch.retains({ dropUpTo: 0, dropAckedUpTo: 11 })
        watch.retained(12)
        comeBack(11, 11)
      },
    ],
  ])('finds a retention that %s', (_, what, happen) => {
    happen()
    expect(violations).toEqual([`consumer: ${what}`])
  })
})
