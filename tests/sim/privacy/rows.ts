import { REQUEST_BODY_BYTES } from '../../../src/mix/constants.ts'
import { frameBytes } from '../../../src/mix/frame.ts'
import type { PrivacyRow } from '../../../src/mix/protection.ts'
import { sphinxGeometry } from '../../../src/sphinx/index.ts'
import type { Bound } from './linked-stream.ts'
import type { ScenarioResult } from './run-scenario.ts'
import { linkedBoxesPerDay } from './text-model.ts'

/** Bytes of one frame on a link, for the scenario's hops and suite. */
export function wireBytes({ scenario }: ScenarioResult): number {
  const { suite, layers: hops } = scenario.parameters
  return frameBytes(sphinxGeometry({ suite, hops, bodyBytes: REQUEST_BODY_BYTES }))
}

export function daysOf(boxes: number): number {
  return boxes / linkedBoxesPerDay()
}

/** `74`, or `> 300` where the simulation ended before. */
export function boundText({ value, censored }: Bound, map = (boxes: number) => boxes): string {
  const shown = map(value)
  const text = Number.isInteger(shown) ? String(shown) : shown.toFixed(shown < 10 ? 1 : 0)
  return censored ? `> ${text}` : text
}

const COLUMNS: readonly (readonly [name: string, value: (result: ScenarioResult) => unknown])[] = [
  ['scenario', ({ scenario }) => scenario.id],
  ['preset', ({ scenario }) => scenario.preset],
  ['nodes', ({ scenario }) => scenario.nodes],
  ['corrupt', ({ scenario }) => scenario.corrupt],
  ['corruptNodes', (r) => r.corruptMean.toFixed(2)],
  ['mixes', (r) => r.mixesMean.toFixed(1)],
  ['publishEvery', ({ scenario }) => scenario.publishEvery],
  ['copies', ({ scenario }) => scenario.parameters.copies],
  ['victims', (r) => r.victims],
  ['publications', (r) => r.publications],
  ['entropyMeanBits', (r) => r.entropyMeanBits.toFixed(4)],
  ['entropyP5Bits', (r) => r.entropyP5Bits.toFixed(4)],
  ['maxBits', (r) => r.maxBits.toFixed(4)],
  ['bitsPerPublication', (r) => r.bitsPerPublication.toFixed(5)],
  ['bitsOfPath', (r) => r.bitsOfPath.toFixed(5)],
  ['bitsOfReply', (r) => r.bitsOfReply.toFixed(5)],
  ['meanTruth', (r) => r.meanTruth.toFixed(5)],
  ['meanSquares', (r) => r.meanSquares.toFixed(5)],
  ['trustPath', (r) => r.trust.path.toFixed(3)],
  ['trustReply', (r) => r.trust.reply.toFixed(3)],
  ['linkedMedian', (r) => r.linkedMedian.value],
  ['linkedMedianCensored', (r) => r.linkedMedian.censored],
  ['linkedP10', (r) => r.linkedP10.value],
  ['linkedP10Censored', (r) => r.linkedP10.censored],
  ['daysMedian', (r) => daysOf(r.linkedMedian.value).toFixed(3)],
  ['daysP10', (r) => daysOf(r.linkedP10.value).toFixed(3)],
  ['namedWrongly', (r) => r.namedWrongly],
  ['routeP50Ms', (r) => Math.round(r.routeP50Ms)],
  ['routeP95Ms', (r) => Math.round(r.routeP95Ms)],
  ['frameBytes', (r) => wireBytes(r)],
  ['bytesPerNodePerSecond', (r) => Math.round(r.packetsPerNode * wireBytes(r))],
  ['bytesPerMixPerSecond', (r) => Math.round(r.packetsPerMix * wireBytes(r))],
]

/** All results, one line each, with a head line. */
export function toCsv(results: readonly ScenarioResult[]): string {
  const lines = results.map((result) => COLUMNS.map(([, value]) => value(result)).join(','))
  return `${[COLUMNS.map(([name]) => name).join(','), ...lines].join('\n')}\n`
}

/** Down: a table promises no more than was measured. */
const rounded = (value: number, digits: number) => Math.floor(value * 10 ** digits) / 10 ** digits

/** What the node may say of a preset. A median beyond the horizon is given as the horizon: never more. */
export function toPrivacyRow(result: ScenarioResult): PrivacyRow {
  const { scenario, linkedMedian, linkedP10 } = result
  return {
    preset: scenario.preset,
    nodes: scenario.nodes,
    corrupt: scenario.corrupt,
    entropyMeanBits: rounded(result.entropyMeanBits, 3),
    entropyP5Bits: rounded(result.entropyP5Bits, 3),
    maxBits: rounded(result.maxBits, 3),
    linkedMedian: linkedMedian.value,
    linkedP10: linkedP10.value,
    daysMedian: rounded(daysOf(linkedMedian.value), 2),
    daysP10: rounded(daysOf(linkedP10.value), 2),
    censored: linkedP10.censored,
  }
}

/** The source text of `src/mix/privacy-table.ts`, as the formatter would leave it. */
export function toPrivacyTable(rows: readonly PrivacyRow[]): string {
  const entries = rows.map((row) => {
    const fields = Object.entries(row).map(
      ([name, value]) => `    ${name}: ${typeof value === 'string' ? `'${value}'` : value},\n`,
    )
    return `  {\n${fields.join('')}  },\n`
  })
  return [
    "import type { PrivacyRow } from './protection.ts'\n\n",
    '/** Written by `npm run sim -- privacy --write`. */\n',
    `export const PRIVACY_TABLE: readonly PrivacyRow[] = [${entries.length > 0 ? '\n' : ''}${entries.join('')}]\n`,
  ].join('')
}
