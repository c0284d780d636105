import { changeLinks, directions, NO_FAULTS } from '../../../daemon/testnet/index.ts'
import { rehearse, type RunOptions } from '../rehearse.ts'
import type { Outcome } from '../verdict.ts'

/** Share of segments that come twice: a connection lives for about half a minute then. */
const REPEAT = 0.001
const DEFAULT_MINUTES = 2

/** R15: somebody on the wire plays segments of every connection again. */
export function tamper(options: RunOptions): Promise<Outcome> {
  const nodes = options.nodes ?? 5
  const minutes = options.minutes ?? DEFAULT_MINUTES
  return rehearse(options, {
    nodes,
    preset: options.preset ?? 'swift',
    relayed: true,
    rate: options.rate ?? 30,
    minRate: 10,
    settleMs: 240_000,
    faults: async ({ rig, sleep }) => {
      const all = Array.from({ length: nodes }, (_, i) => i)
      const faults = { ...NO_FAULTS, repeat: REPEAT }
      await rig.links(
        'repeat',
        changeLinks({}, directions(all, all), () => faults),
      )
      options.progress('segments come twice')
      await sleep(minutes * 60_000)
      await rig.links('clean', {})
      return { 'segments that came twice, %': REPEAT * 100, minutes }
    },
  })
}
