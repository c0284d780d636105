import { processIo } from './cli/io.ts'
import { run } from './cli/program.ts'

const EXIT_DEADLINE_MS = 2_000

// Timers of the clock do not keep a process alive; a command in progress does.
const awake = setInterval(() => {}, 2 ** 30)
process.exitCode = await run(process.argv.slice(2), processIo(), async (target) => {
  const { connect } = await import('./connect.ts')
  return connect(target)
})
clearInterval(awake)
// Nothing should be left that keeps the process alive. If something is, it must not hang.
setTimeout(() => process.exit(), EXIT_DEADLINE_MS).unref()
