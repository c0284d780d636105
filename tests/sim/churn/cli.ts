import { parseArgs } from 'node:util'
import { PRESETS, type PresetName } from '../../../src/directory/index.ts'
import { CryptoWatch } from '../../support/crypto-watch.ts'
import { usePlainSignals } from '../faults/plain-signals.ts'
import { churnFixture, type ChurnOptions, describeChurn, runChurn } from './churn.ts'

const USAGE = `npm run sim -- churn [options]
  --preset name    default lab
  --nodes n        default 30
  --pairs n        of contacts that write to each other, default 10
  --rate n         texts a second over all of them, default 5
  --minutes n      of coming and going, default 20
  --rest n         minutes after it at most, default 10
  --session n      mean seconds, default 60
  --absence n      mean seconds, default 30
  --drop share     of all mix frames that is lost besides, default 0
  --seed text      default 1
Exit 1 if there were no texts, fewer than 99.9 % arrive within ten minutes of their recipient's return, one has not
arrived when the rest is over, or a promise is broken.`

const PROMPT_MS = 600_000
const PROMPT_SHARE = 0.999
const TEXT_BYTES = 60

/** Runs `npm run sim -- churn` with these arguments. Returns the exit code. */
export async function simulateChurn(args: readonly string[]): Promise<number> {
  let options: ChurnOptions
  try {
    options = optionsOf(args)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`)
    return 2
  }
  usePlainSignals()
  CryptoWatch.install()
  const fixture = await churnFixture(options)
  console.log(`${options.pairs} pairs are contacts`)
  const report = await runChurn(fixture, options)
  console.log(describeChurn(report, PROMPT_MS))
  const prompt = report.waitsMs.filter((ms) => ms <= PROMPT_MS).length
  const { missing, texts, violations } = report
  const isKept = violations.length === 0 && missing === 0
  return isKept && texts > 0 && prompt >= PROMPT_SHARE * texts ? 0 : 1
}

function optionsOf(args: readonly string[]): ChurnOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      preset: { type: 'string', default: 'lab' },
      nodes: { type: 'string', default: '30' },
      pairs: { type: 'string', default: '10' },
      rate: { type: 'string', default: '5' },
      minutes: { type: 'string', default: '20' },
      rest: { type: 'string', default: '10' },
      session: { type: 'string', default: '60' },
      absence: { type: 'string', default: '30' },
      drop: { type: 'string', default: '0' },
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
  const pairs = number('pairs', 50)
  if (2 * pairs > nodes) throw new Error('nobody can be in two pairs')
  return {
    seed: values.seed,
    preset: values.preset as PresetName,
    nodes,
    pairs,
    rate: Math.max(0.01, number('rate', 1_000)),
    textBytes: TEXT_BYTES,
    dropShare: number('drop', 1),
    sessionMs: number('session', 100_000) * 1_000,
    absenceMs: number('absence', 100_000) * 1_000,
    churnMs: number('minutes', 1_000) * 60_000,
    restMs: number('rest', 1_000) * 60_000,
  }
}
