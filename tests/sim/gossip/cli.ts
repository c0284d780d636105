import { parseArgs } from 'node:util'
import { gossipsubHearTimes, modelHearTimes } from './hear-times.ts'

const USAGE = `npm run sim -- gossip [options]
  --nodes n      default 8
  --messages n   default 200
  --every ms     between two messages, default 100
How long after its publication each node hears a message: in the model that the simulations use, and with gossipsub on
the loopback interface in one process, which takes real time and an idle machine.`

const QUANTILES = [0, 0.1, 0.5, 0.9, 0.99, 1]

/** Runs `npm run sim -- gossip` with these arguments. Returns the exit code. */
export async function compareGossip(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      nodes: { type: 'string', default: '8' },
      messages: { type: 'string', default: '200' },
      every: { type: 'string', default: '100' },
    },
  })
  const options = {
    nodes: Number(values.nodes),
    messages: Number(values.messages),
    everyMs: Number(values.every),
  }
  if (!Object.values(options).every((value) => Number.isInteger(value) && value > 1)) {
    console.error(USAGE)
    return 2
  }
  const expected = options.messages * (options.nodes - 1)
  console.log(
    `${''.padEnd(12)}${QUANTILES.map((q) => `${q * 100} %`.padStart(10)).join('')}     heard`,
  )
  for (const [name, measure] of [
    ['model', modelHearTimes],
    ['gossipsub', gossipsubHearTimes],
  ] as const) {
    const times = await measure(options)
    const cells = QUANTILES.map((q) => {
      const ms = times[Math.min(times.length - 1, Math.floor(q * times.length))] ?? Number.NaN
      return `${ms.toFixed(1)} ms`.padStart(10)
    })
    console.log(`${name.padEnd(12)}${cells.join('')}     ${times.length} of ${expected}`)
  }
  return 0
}
