import { changeLinks, directions, NO_FAULTS } from '../../../daemon/testnet/index.ts'
import type { PacketCounts } from '../../support/packet-wire.ts'
import { onWire } from '../on-wire.ts'
import { AROUND_MS, type Extent, type RunOptions } from '../rehearse.ts'
import type { Outcome } from '../verdict.ts'

/** Of packets. */
const REPEAT = 0.2
const REPLAYS = 50
const REPLAY_AGE_MS = 3_600_000
/** Of segments of the relay's connections, each of which ends one: a connection lives for about half a minute then. */
const REPEAT_SEGMENTS = 0.001
const DEFAULT_MINUTES = 2
/** The scoreboard's; a steady rate of 33 is measured as a little more or less. */
const MIN_RATE = 30
/** What comes twice stops nobody from sending. */
const MIN_RATE_IN_FAULTS = 25
/** A wire that made less than this share of what it should come again is no such network. */
const ENOUGH = 0.5

export function tamperMs({ minutes = DEFAULT_MINUTES }: Extent): number {
  return AROUND_MS + minutes * 60_000
}

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
    rate: options.rate ?? 33,
    minRate: MIN_RATE,
    inFaults: { minRate: MIN_RATE_IN_FAULTS },
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
      const before = await wire.counts()
      await rig.wire('repeat', wire, { repeat: REPEAT, replays: REPLAYS, replayAgeMs })
      await sleep(minutes * 60_000)
      await rig.wire('clean', wire, {})
      const { twice, again } = cameAgain(before, await wire.counts())
      const due = REPLAYS * (minutes * 60 - replayAgeMs / 1_000)
      if (twice < ENOUGH * REPEAT || again < ENOUGH * due) {
        const share = `${(100 * twice).toFixed(1)} % of the packets came twice`
        unsure.push(`only ${share}, and ${again} of before; ${due.toFixed(0)} were due`)
      }
      return {
        'packets that came twice, %': Number((100 * twice).toFixed(1)),
        'age, s': replayAgeMs / 1000,
        minutes,
      }
    },
  })
}

/** What happened between two counts: the share of packets that were doubled, and the number of those of before. */
function cameAgain(from: PacketCounts, to: PacketCounts): { twice: number; again: number } {
  const grown = (what: string) => (to[what] ?? 0) - (from[what] ?? 0)
  return { twice: grown('doubled') / Math.max(1, grown('packets')), again: grown('played again') }
}
