import { boundText } from './rows.ts'
import type { ScenarioResult } from './run-scenario.ts'

const WIDTH = 860
const LABEL_WIDTH = 330
const RIGHT = 60
const ROW = 17
const TOP = 66
const COLOURS = ['#2b6cb0', '#b7791f', '#c53030'] as const

/**
 * One line per scenario on a logarithmic axis of linked boxes: a bar from the 10th percentile (ring) to the median
 * (dot) of the victims, an arrow where the simulation ended before.
 */
export function toSvg(results: readonly ScenarioResult[], horizon: number): string {
  const shares = [...new Set(results.map(({ scenario }) => scenario.corrupt))].toSorted(
    (a, b) => a - b,
  )
  const height = TOP + ROW * results.length + 46
  const span = WIDTH - LABEL_WIDTH - RIGHT
  const place = (boxes: number) =>
    LABEL_WIDTH + (span * Math.log(Math.max(1, boxes))) / Math.log(horizon)
  const colour = (share: number) => COLOURS[shares.indexOf(share) % COLOURS.length]
  const out: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="12" y="22" font-size="15">Linked boxes until the sender is named (posterior above 0.9)</text>`,
  ]
  for (const [index, share] of shares.entries()) {
    const x = 12 + 150 * index
    out.push(
      `<circle cx="${x + 5}" cy="40" r="5" fill="${colour(share)}"/>`,
      `<text x="${x + 16}" y="44">${share * 100} % corrupt</text>`,
    )
  }
  out.push(`<text x="${12 + 150 * shares.length}" y="44">ring: 10th percentile, dot: median</text>`)
  const bottom = TOP + ROW * results.length
  for (const tick of [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000].filter((t) => t <= horizon)) {
    const x = place(tick).toFixed(1)
    out.push(
      `<line x1="${x}" y1="${TOP - 8}" x2="${x}" y2="${bottom}" stroke="#d8dee6"/>`,
      `<text x="${x}" y="${bottom + 18}" text-anchor="middle">${tick}</text>`,
    )
  }
  for (const [index, result] of results.entries()) {
    out.push(...line(result, TOP + ROW * index + ROW / 2, place, colour(result.scenario.corrupt)))
  }
  out.push(
    `<text x="${LABEL_WIDTH + span / 2}" y="${bottom + 38}" text-anchor="middle">linked boxes (log scale; the simulation ends at ${horizon})</text>`,
    '</svg>',
  )
  return `${out.join('\n')}\n`
}

function line(
  result: ScenarioResult,
  y: number,
  place: (boxes: number) => number,
  colour: string | undefined,
): string[] {
  const { linkedMedian, linkedP10 } = result
  const [from, to] = [place(linkedP10.value), place(linkedMedian.value)]
  const out = [
    `<text x="${LABEL_WIDTH - 12}" y="${y + 4}" text-anchor="end">${labelOf(result)}</text>`,
    `<line x1="${from.toFixed(1)}" y1="${y}" x2="${to.toFixed(1)}" y2="${y}" stroke="${colour}" stroke-width="2"/>`,
  ]
  if (!linkedP10.censored) {
    out.push(
      `<circle cx="${from.toFixed(1)}" cy="${y}" r="4" fill="#ffffff" stroke="${colour}" stroke-width="2"/>`,
    )
  }
  if (linkedMedian.censored) {
    const [x, tip] = [to.toFixed(1), (to + 10).toFixed(1)]
    out.push(`<path d="M ${x} ${y - 5} L ${tip} ${y} L ${x} ${y + 5} z" fill="${colour}"/>`)
  } else {
    out.push(`<circle cx="${to.toFixed(1)}" cy="${y}" r="4" fill="${colour}"/>`)
  }
  const x = (to + (linkedMedian.censored ? 14 : 8)).toFixed(1)
  out.push(
    `<text x="${x}" y="${y + 4}" fill="#4a5568">${boundText(linkedMedian).replace('>', '&gt;')}</text>`,
  )
  return out
}

function labelOf({ scenario }: ScenarioResult): string {
  return scenario.preset === 'custom'
    ? scenario.label
    : `${scenario.preset}, ${scenario.nodes} nodes`
}
