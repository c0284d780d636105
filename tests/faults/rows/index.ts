import type { Extent, RunOptions } from '../rehearse.ts'
import type { Outcome } from '../verdict.ts'
import { churn, churnMs } from './churn.ts'
import { clock, clockMs } from './clock.ts'
import { corruption, corruptionMs } from './corruption.ts'
import { diskFull, diskFullMs } from './disk-full.ts'
import { kill, killMs } from './kill.ts'
import { ladder, ladderMs } from './ladder.ts'
import { partition, partitionMs } from './partition.ts'
import { pause, pauseMs } from './pause.ts'
import { power, powerMs } from './power.ts'
import { rollback, rollbackMs } from './rollback.ts'
import { slowConsumer, slowConsumerMs } from './slow-consumer.ts'
import { soak, soakMs } from './soak.ts'
import { tamper, tamperMs } from './tamper.ts'

export interface Row {
  readonly id: string
  readonly title: string
  /** Those that run it without being asked for it. */
  readonly tiers: readonly Extent['tier'][]
  /**
   * Milliseconds that the row is planned to take, set-up and settling included, where nothing fails and nothing else
   * runs on two cores: its waits, and what was measured of the rest.
   */
  lastsMs(extent: Extent): number
  run(options: RunOptions): Promise<Outcome>
}

const BOTH = ['P', 'N'] as const
const LONG = ['N'] as const
/** In the minutes that N has for it no growth can be decided: the soak runs by itself, for hours. */
const ALONE = [] as const

/** Every row that this suite runs, in the order in which it runs them. */
export const ROWS: readonly Row[] = [
  { id: 'R1', title: 'kill -9 at any moment', tiers: BOTH, lastsMs: killMs, run: kill },
  { id: 'R2', title: 'power cut', tiers: BOTH, lastsMs: powerMs, run: power },
  { id: 'R3', title: 'disk full', tiers: BOTH, lastsMs: diskFullMs, run: diskFull },
  { id: 'R5', title: 'damaged files', tiers: LONG, lastsMs: corruptionMs, run: corruption },
  {
    id: 'R6',
    title: 'backup restored elsewhere, old copy put back',
    tiers: LONG,
    lastsMs: rollbackMs,
    run: rollback,
  },
  { id: 'R7', title: 'partition', tiers: BOTH, lastsMs: partitionMs, run: partition },
  { id: 'R8', title: 'slow and lossy links', tiers: LONG, lastsMs: ladderMs, run: ladder },
  { id: 'R10', title: 'wrong clock', tiers: LONG, lastsMs: clockMs, run: clock },
  { id: 'R11', title: 'pause', tiers: LONG, lastsMs: pauseMs, run: pause },
  { id: 'R12', title: 'churn', tiers: LONG, lastsMs: churnMs, run: churn },
  { id: 'R15', title: 'tampering with the wire', tiers: LONG, lastsMs: tamperMs, run: tamper },
  {
    id: 'R18',
    title: 'slow consumer, storm of reconnections',
    tiers: LONG,
    lastsMs: slowConsumerMs,
    run: slowConsumer,
  },
  { id: 'R21', title: 'soak', tiers: ALONE, lastsMs: soakMs, run: soak },
]

/** The rows of a tier. */
export function rowsOf(tier: Extent['tier']): Row[] {
  return ROWS.filter(({ tiers }) => tiers.includes(tier))
}

/** Minutes that these rows are planned to take, one after the other. */
export function plannedMinutes(rows: readonly Row[], extent: Extent): number {
  return rows.reduce((sum, row) => sum + row.lastsMs(extent), 0) / 60_000
}
