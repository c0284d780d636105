import { processIo } from './cli/io.ts'
import { run } from './cli/program.ts'

// Timers of the clock do not keep a process alive; a command in progress does.
const awake = setInterval(() => {}, 2 ** 30)
process.exitCode = await run(process.argv.slice(2), processIo(), async (target) => {
  const { connect } = await import('./connect.ts')
  return connect(target)
})
clearInterval(awake)
