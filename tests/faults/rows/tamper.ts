import { changeLinks, directions, NO_FAULTS } from '../../../daemon/testnet/index.ts'
import { onWire } from '../on-wire.ts'
import type { RunOptions } from '../rehearse.ts'
import type { Outcome } from '../verdict.ts'

/** Of packets. */
const REPEAT = 0.2
const REPLAYS = 50
const REPLAY_AGE_MS = 3_600_000
/** Of segments of the relay's connections, each of which ends one: a connection lives for about half a minute then. */
const REPEAT_SEGMENTS = 0.001
const DEFAULT_MINUTES = 2

/**
 * R15: somebody on the wire plays what passes again, at once and long after. How long: half of the run, an hour with
 * `--minutes 120`.
 */
export function tamper(options: RunOptions): Promise<Outcome> {
  const nodes = options.nodes ?? 5
  const minutes = options.minutes ?? DEFAULT_MINUTES
  return onWire(options, {
    nodes,
    preset: options.preset ?? 'swift',
    rate: options.rate ?? 30,
    minRate: 10,
    settleMs: 240_000,
    faults: async ({ rig, sleep, unsure }, wire) => {
      options.progress('what passes comes again')
      if (wire === undefined) {
        const all = Array.from({ length: nodes }, (_, i) => i)
        const faults = { ...NO_FAULTS, repeat: REPEAT_SEGMENTS }
        const table = changeLinks({}, directions(all, all), () => faults)
        await rig.links('repeat', table)
        await sleep(minutes * 60_000)
        await rig.links('clean', {})
        return { 'segments that came twice, %': REPEAT_SEGMENTS * 100, minutes }
      }
      const replayAgeMs = Math.min(REPLAY_AGE_MS, (minutes * 60_000) / 2)
      await rig.wire('repeat', wire, { repeat: REPEAT, replays: REPLAYS, replayAgeMs })
      await sleep(minutes * 60_000)
      await rig.wire('clean', wire, {})
      const { doubled = 0, 'played again': replayed = 0 } = await wire.counts()
      if (doubled === 0 || replayed === 0) unsure.push('no packet came twice, or none of before')
      return { 'packets that came twice, %': REPEAT * 100, 'age, s': replayAgeMs / 1000, minutes }
    },
  })
}
