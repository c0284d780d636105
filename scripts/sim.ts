/**
 * Runs a simulation: `npm run sim -- privacy`, `loss`, `faults`, `churn`, `gossip`. The rest of the arguments are the simulation's
 * own. Exit 2 for arguments that it does not understand.
 */
type Simulation = (args: readonly string[]) => number | Promise<number>

const SIMULATIONS: Record<string, () => Promise<Simulation>> = {
  privacy: async () => (await import('../tests/sim/privacy/cli.ts')).simulatePrivacy,
  loss: async () => (await import('../tests/sim/loss/cli.ts')).simulateLoss,
  faults: async () => (await import('../tests/sim/faults/cli.ts')).simulateFaults,
  churn: async () => (await import('../tests/sim/churn/cli.ts')).simulateChurn,
  gossip: async () => (await import('../tests/sim/gossip/cli.ts')).compareGossip,
}

const [name = '', ...args] = process.argv.slice(2)
const load = Object.hasOwn(SIMULATIONS, name) ? SIMULATIONS[name] : undefined
if (load === undefined) {
  console.error(`no such simulation: ${name}; there are: ${Object.keys(SIMULATIONS).join(', ')}`)
  process.exit(2)
}
const simulate = await load()
process.exitCode = await simulate(args)
