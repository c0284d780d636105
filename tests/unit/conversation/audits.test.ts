import { expect, it } from 'vitest'
import { asAddress } from '../../../src/base/index.ts'
import { Audits } from '../../../src/conversation/audits.ts'
import { AUDIT_SAMPLES, AUDIT_TRIES_MAX } from '../../../src/conversation/constants.ts'
import type { WaitClock } from '../../../src/conversation/wait-clock.ts'

const TRIP = 1_000

function audits() {
  const waits = { now: () => waits.at, at: 0 }
  const made = new Audits({ waits: waits as unknown as WaitClock }, { ackRoundTripMs: TRIP })
  /** One box, asked for until its audit is over, with what the keepers say each time. */
  const run = (says: (time: number) => 'found' | 'not-found' | 'unreachable'): number => {
    made.add(asAddress(new Uint8Array(32)), 1, [1])
    for (let time = 1; ; time++) {
      waits.at += TRIP * (AUDIT_TRIES_MAX + 1)
      const audit = made.take()
      if (audit === undefined) return time - 1
      const said = says(time)
      if (said === 'found') made.found()
      else made.again(audit, { isSure: said === 'not-found' })
    }
  }
  return { made, run }
}

it('a box counts as kept by nobody when its keepers have said so to the last', () => {
  const { made, run } = audits()
  expect(run(() => 'not-found')).toBe(AUDIT_TRIES_MAX)
  expect(made.tally).toEqual({ of: 1, lost: 1 })
  expect(run((time) => (time < 3 ? 'not-found' : 'found'))).toBe(3)
  expect(made.tally).toEqual({ of: 2, lost: 1 })
})

it('a box whose keepers do not answer counts neither way', () => {
  const { made, run } = audits()
  run(() => 'unreachable')
  expect(made.tally).toEqual({ of: 0, lost: 0 })
})

it('only the last ones count', () => {
  const { made, run } = audits()
  for (let i = 0; i < AUDIT_SAMPLES; i++) run(() => 'not-found')
  for (let i = 0; i < AUDIT_SAMPLES - 1; i++) run(() => 'found')
  expect(made.tally).toEqual({ of: AUDIT_SAMPLES, lost: 1 })
})
