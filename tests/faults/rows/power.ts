import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { uniform } from '../../../src/base/index.ts'
import { LoopDisk } from '../loop-disk.ts'
import { impossible, type Outcome, rehearse, type RunOptions } from '../rehearse.ts'

/** The node whose power fails; all others stay. */
const VICTIM = 0
const DISK_MB = 256
const SHORTEST_MS = 500
const LONGEST_MS = 2_500

/**
 * R2: the power of one node fails while it accepts messages: what its file system had not written is gone. Everything
 * that it had said yes to, and everything that others know it has, must be there when it is back.
 */
export async function power(options: RunOptions): Promise<Outcome> {
  const scratch = mkdtempSync(join(tmpdir(), 'hf-disk-'))
  try {
    const missing = await LoopDisk.missing(scratch)
    if (missing !== undefined) return impossible(`no file system in a file here: ${missing}`)
    return await cuts(options, scratch)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

function cuts(options: RunOptions, scratch: string): Promise<Outcome> {
  const nodes = options.nodes ?? 5
  const times = options.times ?? (options.tier === 'P' ? 10 : 50)
  const others = Array.from({ length: nodes - 1 }, (_, i) => i + 1)
  let disk: LoopDisk | undefined
  return rehearse(options, {
    nodes,
    preset: options.preset ?? 'swift',
    pairs: others.flatMap((other) => [[VICTIM, other] as const, [other, VICTIM] as const]),
    rate: options.rate ?? 40,
    minRate: 20,
    settleMs: 240_000,
    prepare: async ({ rig }) => {
      const made = new LoopDisk({
        folder: rig.node(VICTIM).home,
        image: join(scratch, 'disk.img'),
      })
      disk = made
      await made.create(DISK_MB)
      return () => made.remove()
    },
    faults: async ({ rig, rng, sleep }) => {
      for (let n = 0; n < times; n++) {
        options.progress(`${n} of ${times} power cuts`)
        await sleep(SHORTEST_MS + uniform(rng) * (LONGEST_MS - SHORTEST_MS))
        rig.pause(VICTIM)
        await disk?.cutPower(() => rig.kill(VICTIM))
        await rig.start(VICTIM)
      }
      return { 'power cuts': times }
    },
  })
}
