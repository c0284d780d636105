import { describe, expect, it } from 'vitest'
import { timersIn } from '../../faults/usage.ts'

describe('the timers of a daemon', () => {
  it('are those of the node and those of its libraries', () => {
    const own = '# HELP hearsay_timers Timers.\nhearsay_timers 40\n'
    const kinds = 'nodejs_active_resources{type="TCPSocketWrap"} 9\n'
    expect(timersIn(own + kinds)).toBe(40)
    expect(timersIn(`${own}${kinds}nodejs_active_resources{type="Timeout"} 7\n`)).toBe(47)
  })

  it('are not taken from metrics that lack them', () => {
    expect(() => timersIn('hearsay_peers 5\n')).toThrow('timers')
  })
})
