import { CryptoWatch } from '../../support/crypto-watch.ts'
import { type Fixture, makeFixture } from './fixture.ts'
import type { Task, TaskResult } from './pool.ts'
import { usePlainSignals } from './plain-signals.ts'
import { runSeed } from './run-seed.ts'

// A process that runs seeds for `npm run sim -- faults`, one at a time, as its parent says.

usePlainSignals()
const crypto = CryptoWatch.install()
/** Seeds between two looks at the memory. */
const WEIGH_EVERY = 20
let runs = 0
const fixtures = new Map<string, Fixture>()

function liveBytes(): number {
  crypto.forget()
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

async function run(task: Task): Promise<TaskResult> {
  switch (task.kind) {
    case 'make':
      return { kind: 'made', fixture: await makeFixture(task.cast.nodes, task.cast) }
    case 'take':
      fixtures.set(task.name, task.fixture)
      return { kind: 'taken' }
    case 'seed': {
      const fixture = fixtures.get(task.name)
      if (fixture === undefined) throw new Error(`no fixture ${task.name}`)
      const before = process.cpuUsage()
      const report = await runSeed({ fixture, crypto }, task.options)
      const { user, system } = process.cpuUsage(before)
      const heapBytes = ++runs % WEIGH_EVERY === 0 ? liveBytes() : undefined
      return { kind: 'report', report, usage: { cpuMs: (user + system) / 1_000, heapBytes } }
    }
  }
}

process.on('message', (task: Task) => {
  run(task).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      process.send?.({ kind: 'error', error: error instanceof Error ? error.stack : String(error) })
    },
  )
})

// Nobody wants the results any more.
process.on('disconnect', () => process.exit())
