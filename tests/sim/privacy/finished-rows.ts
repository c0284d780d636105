import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import type { RunOptions, ScenarioResult } from './run-scenario.ts'
import type { Scenario } from './scenario.ts'

/**
 * Rows that an interrupted command had finished, one JSON line each. A row depends on its scenario and options alone,
 * and on the code: the file does not know whether that has changed.
 */
export class FinishedRows {
  readonly #file: string | undefined
  readonly #rows = new Map<string, ScenarioResult>()

  /** Without a file nothing is kept. */
  constructor(file: string | undefined) {
    this.#file = file
    if (file === undefined || !existsSync(file)) return
    const lines = readFileSync(file, 'utf8').split('\n')
    for (const line of lines.filter((text) => text !== '')) {
      const { key, result } = JSON.parse(line) as { key: string; result: ScenarioResult }
      this.#rows.set(key, result)
    }
  }

  /** The row of this scenario: the finished one, else what `run` gives, which is kept. */
  of(scenario: Scenario, options: RunOptions, run: () => ScenarioResult): ScenarioResult {
    const { seed, victims, messages, rehearsed, linkMs } = options
    const key = JSON.stringify({ scenario, seed, victims, messages, rehearsed, linkMs })
    const known = this.#rows.get(key)
    if (known !== undefined) return known
    const result = run()
    if (this.#file !== undefined) {
      appendFileSync(this.#file, `${JSON.stringify({ key, result })}\n`)
    }
    return result
  }
}
