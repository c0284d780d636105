/**
 * Runs a simulation: `npm run sim -- privacy`. The rest of the arguments are the simulation's own. Exit 2 for
 * arguments that it does not understand.
 */
const SIMULATIONS: Record<string, () => Promise<(args: readonly string[]) => number>> = {
  privacy: async () => (await import('../tests/sim/privacy/cli.ts')).simulatePrivacy,
}

const [name = '', ...args] = process.argv.slice(2)
const load = Object.hasOwn(SIMULATIONS, name) ? SIMULATIONS[name] : undefined
if (load === undefined) {
  console.error(`no such simulation: ${name}; there are: ${Object.keys(SIMULATIONS).join(', ')}`)
  process.exit(2)
}
process.exitCode = (await load())(args)
