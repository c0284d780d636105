import { spawnSync } from 'node:child_process'
import { rehearse, type RunOptions, type Stage } from '../rehearse.ts'
import { impossible, type Outcome } from '../verdict.ts'
import { compiled } from '../rig.ts'

const VICTIM = 0
const SHIFTS = ['+2h', '-2h', '-3650d', '+0 x10'] as const
const EACH_MS = 30_000

/** R10: the clock of one node is wrong, or runs ten times too fast, and is set right again. */
export async function clock(options: RunOptions): Promise<Outcome> {
  if (spawnSync('faketime', ['--version']).error !== undefined) {
    return impossible('faketime is not installed; in Debian: apt-get install faketime')
  }
  const nodes = options.nodes ?? 5
  return rehearse(options, {
    nodes,
    preset: options.preset ?? 'swift',
    rate: options.rate ?? 30,
    minRate: 10,
    settleMs: 300_000,
    // Under faketime everything is slower, the start most of all.
    readyMs: 30_000,
    faults: async (stage) => {
      for (const shift of SHIFTS) await wrong(stage, shift)
      return { clocks: SHIFTS.join(', '), 'each, s': EACH_MS / 1000 }
    },
  })
}

async function wrong({ rig, sleep }: Stage, shift: string): Promise<void> {
  rig.options.progress(`the clock of node ${VICTIM} is at ${shift}`)
  const { file, args } = compiled()
  await rig.kill(VICTIM, 'SIGTERM')
  rig.recorder.fault(`clock ${shift}`, VICTIM)
  await rig.start(VICTIM, {
    program: { file: 'faketime', args: ['-f', shift, file, ...args] },
    // The monotonic clock is right on a machine whose wall clock is wrong.
    env: { FAKETIME_DONT_FAKE_MONOTONIC: '1' },
  })
  await sleep(EACH_MS)
  await rig.kill(VICTIM, 'SIGTERM')
  await rig.start(VICTIM)
  await sleep(EACH_MS)
}
