import { systemClock } from '../../../src/base/index.ts'
import { copyHome, putBackHome } from '../home-copy.ts'
import { type Outcome, rehearse, type RunOptions, type Stage } from '../rehearse.ts'

const VICTIM = 0
const LIFE_MS = 15_000
/** Within this time after an old copy was put back, the conversation must go on in both directions. */
const GOES_ON_MS = 240_000

/**
 * R6: an old copy of a home is put back in place. The node becomes a new device by itself, what was not acknowledged
 * arrives, and the conversation goes on. What the old copy does not know any more is gone on that node alone.
 */
export function rollback(options: RunOptions): Promise<Outcome> {
  const nodes = options.nodes ?? 4
  const times = options.times ?? 2
  return rehearse(options, {
    nodes,
    preset: options.preset ?? 'swift',
    rate: options.rate ?? 20,
    minRate: 10,
    settleMs: 300_000,
    restored: [VICTIM],
    faults: async (stage) => {
      const took: number[] = []
      for (let n = 0; n < times; n++) {
        options.progress(`${n} of ${times} old copies`)
        took.push(await putBack(stage))
      }
      return {
        'old copies': times,
        'goes on after at most, s': Number((Math.max(...took) / 1000).toFixed(1)),
      }
    },
  })
}

/** @returns milliseconds from the start to the first message in each direction that was sent after it. */
async function putBack({ rig, late, sleep }: Stage): Promise<number> {
  const { recorder } = rig
  const home = rig.node(VICTIM).home
  const copy = `${home}.old`
  await rig.kill(VICTIM, 'SIGTERM')
  copyHome(home, copy)
  await rig.start(VICTIM)
  await sleep(LIFE_MS)
  await rig.kill(VICTIM)
  putBackHome(copy, home)
  recorder.excuse(VICTIM)
  recorder.fault('old copy put back', VICTIM)
  await rig.start(VICTIM)
  const startedAt = performance.now()
  const arrived = (by: 'from' | 'to') => {
    const sent = new Set(
      recorder.sends.flatMap((send) =>
        send[by] === VICTIM && (send.acceptedAt ?? 0) > startedAt ? [send.text] : [],
      ),
    )
    return recorder.events.some(({ type, text }) => type === 'message.received' && sent.has(text))
  }
  while (!arrived('from') || !arrived('to')) {
    if (performance.now() - startedAt > GOES_ON_MS) {
      late.push('the conversation does not go on after an old copy was put back')
      break
    }
    await systemClock.sleep(200)
  }
  return performance.now() - startedAt
}
