import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LoopDisk } from './loop-disk.ts'
import { othersThan, type Plan, rehearse, type RunOptions, type Stage } from './rehearse.ts'
import { impossible, type Outcome } from './verdict.ts'

/** The node whose home is a file system of its own; all others are left alone. */
export const VICTIM = 0
/** A steady rate of 40 is measured as a little more or less. */
const MIN_RATE = 35

export interface LoopDiskPlan extends Pick<Plan, 'nodes' | 'mayLog' | 'inFaults'> {
  /** Of the file system. */
  readonly megabytes: number
}

/** Messages to and from one node, whose disk `faults` has in its hands. */
export async function onLoopDisk(
  options: RunOptions,
  { megabytes, ...plan }: LoopDiskPlan,
  faults: (stage: Stage, disk: LoopDisk) => ReturnType<Plan['faults']>,
): Promise<Outcome> {
  const scratch = mkdtempSync(join(tmpdir(), 'hf-disk-'))
  try {
    const missing = await LoopDisk.missing(scratch)
    if (missing !== undefined) return impossible(`no file system in a file here: ${missing}`)
    let disk: LoopDisk | undefined
    return await rehearse(options, {
      ...plan,
      preset: options.preset ?? 'swift',
      pairs: othersThan(VICTIM, plan.nodes).flatMap((other) => [
        [VICTIM, other] as const,
        [other, VICTIM] as const,
      ]),
      rate: options.rate ?? 40,
      minRate: MIN_RATE,
      settleMs: 240_000,
      prepare: async ({ rig }) => {
        const made = new LoopDisk({
          folder: rig.node(VICTIM).home,
          image: join(scratch, 'disk.img'),
        })
        disk = made
        await made.create(megabytes)
        return () => made.remove()
      },
      faults: async (stage) => {
        if (disk === undefined) throw new Error('the disk is not mounted')
        return await faults(stage, disk)
      },
    })
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
