import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AROUND_MS, rehearse, type RunOptions, type Stage } from '../rehearse.ts'
import { impossible, type Outcome } from '../verdict.ts'

const VICTIM = 0
const RIGHT = '+0 x1'
/** By so much a clock is wrong for a while; the last runs ten times too fast. Without a factor the last one would stay. */
const SHIFTS = ['+2h x1', '-2h x1', '-3650d x1', '+0 x10'] as const
/** A clock that is set back again and again. */
const STEPS_BACK = ['-10m x1', '-20m x1', '-30m x1'] as const
const EACH_MS = 30_000
const RIGHT_MS = 10_000
/** The scoreboard's; a steady rate of 22 is measured as a little more or less. */
const MIN_RATE = 20
/** A wrong clock stops nobody from sending. */
const MIN_RATE_IN_FAULTS = 16
/** Every node starts once more under its clock, and everything is slower there. */
const SLOWER_MS = 80_000

export function clockMs(): number {
  const shifts = SHIFTS.length * (EACH_MS + RIGHT_MS)
  const stepsBack = STEPS_BACK.length * EACH_MS + RIGHT_MS
  // Of one node, and of all.
  return AROUND_MS + SLOWER_MS + 2 * (shifts + stepsBack)
}

/**
 * R10: clocks of running nodes are wrong, and are set right again: first that of one node, then all at once. The monotonic
 * clocks are right, as they are on machines whose wall clocks are not.
 */
export async function clock(options: RunOptions): Promise<Outcome> {
  const library = faketimeLibrary()
  if (library === undefined) {
    return impossible('faketime is not installed; in Debian: apt-get install faketime')
  }
  const nodes = options.nodes ?? 5
  const clocks = new Clocks(library)
  try {
    return await rehearse(options, {
      nodes,
      preset: options.preset ?? 'swift',
      rate: options.rate ?? 22,
      minRate: MIN_RATE,
      inFaults: { minRate: MIN_RATE_IN_FAULTS },
      settleMs: 300_000,
      // Under faketime everything is slower, the start most of all.
      readyMs: 30_000,
      beforehand: async ({ rig }) => {
        for (let node = 0; node < nodes; node++) {
          await rig.kill(node, 'SIGTERM')
          await rig.start(node, { counted: false, ...clocks.under(node) })
        }
      },
      faults: async (stage) => {
        const all = Array.from({ length: nodes }, (_, node) => node)
        for (const shift of SHIFTS) await wrong(stage, clocks, [VICTIM], [shift])
        await wrong(stage, clocks, [VICTIM], STEPS_BACK)
        for (const shift of SHIFTS) await wrong(stage, clocks, all, [shift])
        await wrong(stage, clocks, all, STEPS_BACK)
        return {
          'of one node and of all': [...SHIFTS, STEPS_BACK.join(' ')].join(', '),
          'each, s': EACH_MS / 1000,
        }
      },
    })
  } finally {
    clocks.remove()
  }
}

/** The clocks of these nodes take one value after the other, and are right in the end. */
async function wrong(
  { rig, sleep }: Stage,
  clocks: Clocks,
  nodes: readonly number[],
  values: readonly string[],
): Promise<void> {
  const whose = nodes.length === 1 ? `node ${nodes[0]}` : 'all nodes'
  for (const value of [...values, RIGHT]) {
    rig.options.progress(`the clock of ${whose} is at ${value}`)
    for (const node of nodes) {
      rig.recorder.fault(`clock ${value}`, node)
      clocks.set(node, value)
    }
    await sleep(value === RIGHT ? RIGHT_MS : EACH_MS)
  }
}

/**
 * What the command `faketime` loads into its program; undefined where there is none. The command itself stays between:
 * it has a process of its own and passes no signal on, so that a daemon would survive whoever stops it.
 */
function faketimeLibrary(): string | undefined {
  const { status, stdout } = spawnSync('faketime', ['-f', RIGHT, 'printenv', 'LD_PRELOAD'], {
    encoding: 'utf8',
  })
  return status === 0 ? stdout.trim() : undefined
}

/** What faketime reads every second, a file for each node. */
class Clocks {
  readonly #library: string
  readonly #dir = mkdtempSync(join(tmpdir(), 'hf-clocks-'))

  constructor(library: string) {
    this.#library = library
  }

  /** How a node starts whose clock can be set; it is right. */
  under(node: number) {
    this.set(node, RIGHT)
    return {
      env: {
        LD_PRELOAD: this.#library,
        FAKETIME_TIMESTAMP_FILE: this.#file(node),
        FAKETIME_CACHE_DURATION: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      },
    }
  }

  set(node: number, value: string): void {
    writeFileSync(this.#file(node), `${value}\n`)
  }

  remove(): void {
    rmSync(this.#dir, { recursive: true, force: true })
  }

  #file(node: number): string {
    return join(this.#dir, String(node))
  }
}
