import { describe, expect, it } from 'vitest'
import { judge, type Limits, MAX_OTHERS, type Seen } from '../../faults/verdict.ts'
import { cleanRun } from './clean-run.ts'

const LIMITS: Limits = { minRate: 10 }
const SEEN: Seen = {
  rate: 20,
  waiting: 5,
  wrong: [],
  late: [],
  unsure: [],
  settled: true,
  settledMs: 1_500,
  others: 0,
  measured: { kills: 40 },
}
const BUSY = { others: MAX_OTHERS + 0.01 }

const verdictOf = (seen: Partial<Seen>, history = cleanRun()) =>
  judge(history, LIMITS, { ...SEEN, ...seen })

/** A run with a start that took too long. */
function lateRun() {
  const history = cleanRun()
  history.recoveries.push({ node: 1, at: 6, readyMs: 2_001 })
  return history
}

/** A run with a message that ended without having arrived. */
function givenUpRun() {
  const history = cleanRun()
  const [send] = history.sends
  if (send === undefined) throw new Error('nothing was sent')
  const text = '0>1#late'
  history.sends.push({ ...send, text, key: text, messageIds: ['out-late'] })
  for (const type of ['message.queued', 'message.expired']) {
    const seq = history.events.filter(({ node }) => node === 0).length + 1
    const epoch = 'epoch-0'
    const id = `${epoch}/${seq}`
    history.event({ node: 0, at: 11, seq, epoch, id, type, messageId: 'out-late', text: '' })
  }
  const listed = { messageId: 'out-late', direction: 'out', text, state: 'expired' } as const
  history.lists.set(0, [...(history.lists.get(0) ?? []), listed])
  return history
}

describe('the verdict on a run', () => {
  it('is passed when nothing was wrong, and says what was measured', () => {
    const { verdict, reasons, figures } = verdictOf({})
    expect([verdict, reasons]).toEqual(['passed', []])
    expect(figures).toMatchObject({
      'messages/s before faults': 20,
      accepted: 6,
      delivered: 6,
      lost: 0,
      kills: 40,
      'all ended after the last send, s': 1.5,
    })
  })

  it('is passed on a machine that others used too: nothing was late', () => {
    expect(verdictOf(BUSY)).toMatchObject({ verdict: 'passed', reasons: [] })
  })

  it.each([
    ['a message has no end', { settled: false }],
    ['a limit of the row is broken', { wrong: ['it grows'] }],
    ['a limit of time is missed', { late: ['refused only after 2 s'] }],
  ])('is failed when %s', (_, seen) => {
    expect(verdictOf(seen).verdict).toBe('failed')
  })

  it('is failed when a promise is broken or a message was given up, whoever used the machine', () => {
    const crashed = cleanRun()
    crashed.crashes.push({ node: 0, what: 'ended by itself' })
    expect(verdictOf(BUSY, crashed).verdict).toBe('failed')
    const { verdict, reasons } = verdictOf(BUSY, givenUpRun())
    expect([verdict, reasons[0]]).toEqual(['failed', '1 messages were given up'])
  })

  it('is failed for a late start, and inconclusive when others used the machine', () => {
    expect(verdictOf({}, lateRun()).verdict).toBe('failed')
    const { verdict, reasons } = verdictOf(BUSY, lateRun())
    expect(verdict).toBe('inconclusive')
    expect(reasons.join()).toContain('other programs used')
    expect(verdictOf({ ...BUSY, late: ['late'] }).verdict).toBe('inconclusive')
  })

  it('is not excused by others when something else is wrong beside what was late', () => {
    expect(verdictOf({ ...BUSY, wrong: ['it grows'], late: ['late'] }).verdict).toBe('failed')
    expect(verdictOf({ ...BUSY, settled: false }, lateRun()).verdict).toBe('failed')
  })

  it('is inconclusive below the minimum rate, and when something could not be decided', () => {
    expect(verdictOf({ rate: 9 })).toMatchObject({
      verdict: 'inconclusive',
      reasons: [expect.stringContaining('fewer than 10')],
    })
    expect(verdictOf({ unsure: ['too short'] })).toMatchObject({
      verdict: 'inconclusive',
      reasons: ['too short'],
    })
    expect(verdictOf({ rate: 9, wrong: ['it grows'] }).verdict).toBe('failed')
  })
})
