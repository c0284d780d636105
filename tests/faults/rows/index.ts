import type { RunOptions } from '../rehearse.ts'
import type { Outcome } from '../verdict.ts'
import { churn } from './churn.ts'
import { clock } from './clock.ts'
import { corruption } from './corruption.ts'
import { diskFull } from './disk-full.ts'
import { kill } from './kill.ts'
import { ladder } from './ladder.ts'
import { partition } from './partition.ts'
import { pause } from './pause.ts'
import { power } from './power.ts'
import { rollback } from './rollback.ts'
import { slowConsumer } from './slow-consumer.ts'
import { soak } from './soak.ts'
import { tamper } from './tamper.ts'

export interface Row {
  readonly id: string
  readonly title: string
  readonly tiers: readonly ('P' | 'N')[]
  run(options: RunOptions): Promise<Outcome>
}

/** Every row that this suite runs, in the order in which it runs them. */
export const ROWS: readonly Row[] = [
  { id: 'R1', title: 'kill -9 at any moment', tiers: ['P', 'N'], run: kill },
  { id: 'R2', title: 'power cut', tiers: ['P', 'N'], run: power },
  { id: 'R3', title: 'disk full', tiers: ['P', 'N'], run: diskFull },
  { id: 'R5', title: 'damaged files', tiers: ['N'], run: corruption },
  { id: 'R6', title: 'backup restored elsewhere, old copy put back', tiers: ['N'], run: rollback },
  { id: 'R7', title: 'partition', tiers: ['P', 'N'], run: partition },
  { id: 'R8', title: 'slow and lossy links', tiers: ['N'], run: ladder },
  { id: 'R10', title: 'wrong clock', tiers: ['N'], run: clock },
  { id: 'R11', title: 'pause', tiers: ['N'], run: pause },
  { id: 'R12', title: 'churn', tiers: ['N'], run: churn },
  { id: 'R15', title: 'tampering with the wire', tiers: ['N'], run: tamper },
  { id: 'R18', title: 'slow consumer, storm of reconnections', tiers: ['N'], run: slowConsumer },
  { id: 'R21', title: 'soak', tiers: ['N'], run: soak },
]
