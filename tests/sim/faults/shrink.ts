import type { Fault, Schedule } from './schedule.ts'

/** Runs before it is given up: a shorter schedule helps people, the seed is enough for a machine. */
const MAX_RUNS = 24

/**
 * Leaves out faults for as long as `fails` says that what is left still fails (delta debugging): first halves, then
 * quarters, and in the end single ones.
 */
export async function shrink(
  schedule: Schedule,
  fails: (schedule: Schedule) => Promise<boolean>,
): Promise<Schedule> {
  let { faults } = schedule
  let parts = 2
  for (let runs = 0; faults.length > 0 && runs < MAX_RUNS; ) {
    const size = Math.ceil(faults.length / parts)
    let isShorter = false
    for (let from = 0; from < faults.length && runs < MAX_RUNS; from += size) {
      const left: readonly Fault[] = faults.toSpliced(from, size)
      runs++
      if (!(await fails({ ...schedule, faults: left }))) continue
      faults = left
      isShorter = true
      break
    }
    if (isShorter) parts = Math.max(2, parts - 1)
    else if (size === 1) break
    else parts = Math.min(faults.length, parts * 2)
  }
  return { ...schedule, faults }
}
