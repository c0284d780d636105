import { describe, expect, it } from 'vitest'
import { unlessSilent, waitInSteps } from '../../../daemon/waiting.ts'
import { MAX_WAIT_MS, RpcFailure } from '../../../rpc/client/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const late = () => new RpcFailure({ code: 1011, message: 'late', data: { name: 'TIMEOUT' } })

/** Rejects with the reason of the signal. */
function never(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
}

/** How `work` ended, and when. */
async function ended(clock: VirtualClock, work: Promise<unknown>) {
  let end: { how: unknown; ms: number } | undefined
  const note = (how: unknown) => {
    end = { how, ms: clock.monotonic() }
  }
  work.then(note, note)
  for (let i = 0; i < 10_000 && end === undefined; i++) await clock.advance(500)
  return end
}

const running = () => ({ clock: new VirtualClock(), signal: new AbortController().signal })

describe('waitInSteps', () => {
  it('asks for whole milliseconds, never for longer than one call may, until the time is over', async () => {
    const waiting = running()
    const asked: number[] = []
    const end = await ended(
      waiting.clock,
      waitInSteps(waiting, 2 * MAX_WAIT_MS + 999.5, async (ms) => {
        asked.push(ms)
        await waiting.clock.sleep(ms)
        throw late()
      }),
    )
    expect(asked).toEqual([MAX_WAIT_MS, MAX_WAIT_MS, 1_000])
    expect(end?.how).toBeInstanceOf(RpcFailure)
  })

  it('ends when a call is not answered, ten seconds after it should have been, in any step', async () => {
    for (const steps of [0, 1]) {
      const waiting = running()
      let left = steps
      const end = await ended(
        waiting.clock,
        waitInSteps(waiting, steps * MAX_WAIT_MS + 3_000, async (ms, signal) => {
          if (left-- === 0) return never(signal)
          await waiting.clock.sleep(ms)
          throw late()
        }),
      )
      expect(end).toEqual({
        how: expect.objectContaining({ exitCode: 5, message: expect.stringContaining('answer') }),
        ms: steps * MAX_WAIT_MS + 13_000,
      })
    }
  })

  it('goes on when a call names a wrong clock, which may be set right meanwhile', async () => {
    const waiting = running()
    const behind = new RpcFailure({ code: 1305, message: 'behind', data: { name: 'CLOCK_SKEW' } })
    let calls = 0
    const end = await ended(
      waiting.clock,
      waitInSteps(waiting, 3 * MAX_WAIT_MS, async (ms) => {
        await waiting.clock.sleep(ms)
        if (calls++ === 0) throw behind
        return 'linked'
      }),
    )
    expect(end).toEqual({ how: 'linked', ms: 2 * MAX_WAIT_MS })
    const last = waitInSteps(waiting, 1, () => Promise.reject(behind))
    await expect(last).rejects.toBe(behind)
  })

  it('passes every other error on, and the reason of the signal', async () => {
    const waiting = running()
    const bad = new Error('bad')
    await expect(waitInSteps(waiting, 10, () => Promise.reject(bad))).rejects.toBe(bad)
    const end = new AbortController()
    const work = waitInSteps({ clock: waiting.clock, signal: end.signal }, 10, (_, s) => never(s))
    end.abort(bad)
    await expect(work).rejects.toBe(bad)
  })
})

describe('unlessSilent', () => {
  it('leaves no timer behind', async () => {
    const waiting = running()
    await expect(unlessSilent(waiting, 5, () => Promise.resolve(7))).resolves.toBe(7)
    expect(waiting.clock.pendingTimers).toBe(0)
  })
})
