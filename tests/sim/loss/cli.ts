import { parseArgs } from 'node:util'
import { PRESETS, type PresetName } from '../../../src/directory/index.ts'
import { describeLoss, type LossOptions, runLossyTraffic } from './lossy-traffic.ts'

const USAGE = `npm run sim -- loss [options]
  --preset name    default swift
  --nodes n        an even number, default 12
  --drop share     of all mix frames, default 0.1
  --minutes n      of traffic, default 20
  --rest n         minutes after it, default 10
  --every n        mean seconds between two texts of a node, default 30
  --seed text      default 1
Exit 1 if a text is missing, came twice or is not known to be delivered. 12 nodes take about ten minutes on one core.`

/** Runs `npm run sim -- loss` with these arguments. Returns the exit code. */
export async function simulateLoss(args: readonly string[]): Promise<number> {
  let options: LossOptions
  try {
    options = optionsOf(args)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`)
    return 2
  }
  const report = await runLossyTraffic(options)
  console.log(describeLoss(report))
  const { texts, states, missing, repeated } = report
  return missing === 0 && repeated === 0 && states.delivered === texts ? 0 : 1
}

function optionsOf(args: readonly string[]): LossOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      preset: { type: 'string', default: 'swift' },
      nodes: { type: 'string', default: '12' },
      drop: { type: 'string', default: '0.1' },
      minutes: { type: 'string', default: '20' },
      rest: { type: 'string', default: '10' },
      every: { type: 'string', default: '30' },
      seed: { type: 'string', default: '1' },
    },
  })
  const number = (name: Exclude<keyof typeof values, 'preset' | 'seed'>, max: number): number => {
    const value = Number(values[name])
    if (!(value >= 0 && value <= max)) throw new Error(`--${name} is a number up to ${max}`)
    return value
  }
  if (!Object.hasOwn(PRESETS, values.preset)) throw new Error(`no preset ${values.preset}`)
  const nodes = number('nodes', 100)
  if (nodes < 2 || nodes % 2 !== 0) throw new Error('--nodes is an even number')
  return {
    seed: values.seed,
    preset: values.preset as PresetName,
    nodes,
    dropShare: number('drop', 1),
    trafficMs: number('minutes', 10_000) * 60_000,
    restMs: number('rest', 10_000) * 60_000,
    textEveryMs: Math.max(1, number('every', 10_000)) * 1_000,
  }
}
