import { parseArgs } from 'node:util'
import { gossipsubHearTimes, type HearOptions, modelHearTimes } from './hear-times.ts'
import { judgeModel } from './judge.ts'

const USAGE = `npm run sim -- gossip [options]
  --nodes n      default 8
  --messages n   default 80
  --every ms     between two messages, default 400
  --from ms      shortest latency of a link, default 100
  --to ms        longest one, default 400
  --mesh n       degree of the model's mesh; default that of gossipsub, as in the simulations
  --seed text    default 1
How long after its publication each node hears a message: in the model that the simulations use, and with gossipsub on
the loopback interface in one process, which takes real time, and whose sockets are as slow as the links of the model.
Exit 1 if the two distributions are too far apart, or a message is not heard. Latencies well above the milliseconds
that the work itself takes leave it to the way of the messages.`

const QUANTILES = [0, 0.1, 0.5, 0.9, 0.99, 1]

/** Runs `npm run sim -- gossip` with these arguments. Returns the exit code. */
export async function compareGossip(args: readonly string[]): Promise<number> {
  let options: HearOptions
  try {
    options = optionsOf(args)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`)
    return 2
  }
  const expected = options.messages * (options.nodes - 1)
  console.log(
    `${''.padEnd(12)}${QUANTILES.map((q) => `${q * 100} %`.padStart(10)).join('')}     heard`,
  )
  const show = (name: string, times: readonly number[]) => {
    const cells = QUANTILES.map((q) => {
      const ms = times[Math.min(times.length - 1, Math.floor(q * times.length))] ?? Number.NaN
      return `${ms.toFixed(1)} ms`.padStart(10)
    })
    console.log(`${name.padEnd(12)}${cells.join('')}     ${times.length} of ${expected}`)
    return times
  }
  const model = show('model', await modelHearTimes(options))
  const gossipsub = show('gossipsub', await gossipsubHearTimes(options))
  const { ok, text } = judgeModel(model, gossipsub, expected)
  console.log(text)
  return ok ? 0 : 1
}

function optionsOf(args: readonly string[]): HearOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      nodes: { type: 'string', default: '8' },
      messages: { type: 'string', default: '80' },
      every: { type: 'string', default: '400' },
      from: { type: 'string', default: '100' },
      to: { type: 'string', default: '400' },
      mesh: { type: 'string' },
      seed: { type: 'string', default: '1' },
    },
  })
  const number = (name: Exclude<keyof typeof values, 'seed'>, least: number): number => {
    const value = Number(values[name])
    if (!Number.isInteger(value) || value < least)
      throw new Error(`--${name} is a whole number from ${least}`)
    return value
  }
  return {
    nodes: number('nodes', 2),
    messages: number('messages', 1),
    everyMs: number('every', 1),
    latencyMs: [number('from', 0), number('to', Number(values.from))],
    seed: values.seed,
    ...(values.mesh === undefined ? {} : { meshDegree: number('mesh', 1) }),
  }
}
