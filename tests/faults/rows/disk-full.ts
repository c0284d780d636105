import { percentiles } from '../../../daemon/testnet/index.ts'
import { uniform } from '../../../src/base/index.ts'
import type { LoopDisk } from '../loop-disk.ts'
import { type LoopDiskPlan, onLoopDisk, VICTIM } from '../on-loop-disk.ts'
import { PatientReader } from '../patient-reader.ts'
import { AROUND_MS, type Extent, othersThan, type RunOptions, type Stage } from '../rehearse.ts'
import type { Outcome } from '../verdict.ts'

/** A daemon accepts nothing new while less than 64 MiB are free. */
const DISK_MB = 192
/** Within this time after the disk is full, whoever sends is told. */
const TOLD_MS = 1_000
/** Within this time after there is room again, messages are accepted again, without a restart. */
const HEALED_MS = 5_000
/** How long is waited before a limit counts as missed altogether. */
const PATIENCE_MS = 30_000
const RESTART_EVERY = 4
const TIMES = 20
/** Of those whose disks have room, who send half of all: whoever has none refuses on purpose. */
const MIN_RATE_IN_FAULTS = 15
/** From one full disk to the next, as measured. */
const EACH_MS = 3_000
const POLL_MS = 20
/** What a node says of a disk that takes no writes. Its log is on that disk too: a line that was cut says nothing. */
const SAID =
  /storage-(full|failed|poisoned)|a write failed|the store refuses further writes|the store cannot be repaired|^\{"level":"error","time":"[^"]*(\{"level"|$)/
const FULL = new Set(['STORAGE_FULL', 'STORAGE_READONLY'])

interface Found {
  readonly told: number[]
  readonly healed: number[]
  restarts: number
  /** Acknowledgements that were taken while the store took no writes. */
  acks: number
}

export function diskFullMs({ times = TIMES }: Extent): number {
  return AROUND_MS + times * EACH_MS
}

/** R3: the disk of one node is full at moments of its own, has room again, and is full during a restart. */
export function diskFull(options: RunOptions): Promise<Outcome> {
  const times = options.times ?? TIMES
  const nodes = options.nodes ?? 3
  const setting = {
    nodes,
    megabytes: DISK_MB,
    inFaults: { minRate: MIN_RATE_IN_FAULTS, by: othersThan(VICTIM, nodes) },
    mayLog: { node: VICTIM, lines: SAID },
  } satisfies LoopDiskPlan
  return onLoopDisk(options, setting, async (stage, disk) => {
    const found: Found = { told: [], healed: [], restarts: 0, acks: 0 }
    const reader = new PatientReader({ rig: stage.rig }, { node: VICTIM })
    await reader.create()
    for (let n = 0; n < times; n++) {
      options.progress(`${n} of ${times} full disks`)
      await stage.sleep(500 + uniform(stage.rng) * 1_500)
      await full(stage, disk, { found, reader, restart: n % RESTART_EVERY === RESTART_EVERY - 1 })
    }
    if (found.acks === 0) stage.unsure.push('no acknowledgement met a store that takes no writes')
    const [told, healed] = [percentiles(found.told), percentiles(found.healed)]
    if ((told.p99 ?? 0) > TOLD_MS) stage.late.push(`refused only after ${told.p99} ms`)
    if ((healed.p99 ?? 0) > HEALED_MS) stage.late.push(`accepts only after ${healed.p99} ms`)
    return {
      'full disks': times,
      'starts on a full disk': found.restarts,
      'acknowledged while the store took no writes': found.acks,
      'refused after p99, ms': told.p99 ?? '-',
      'accepts again after p50, ms': healed.p50 ?? '-',
      'accepts again after p99, ms': healed.p99 ?? '-',
    }
  })
}

async function full(
  stage: Stage,
  disk: LoopDisk,
  { found, reader, restart }: { found: Found; reader: PatientReader; restart: boolean },
): Promise<void> {
  const { rig, wrong } = stage
  const { recorder } = rig
  recorder.fault('disk full', VICTIM)
  disk.fill()
  const fullAt = performance.now()
  const told = await until(stage, () =>
    recorder.errors.find(({ node, at, name }) => node === VICTIM && at >= fullAt && FULL.has(name)),
  )
  if (told === undefined) wrong.push('nobody was told of a full disk')
  else found.told.push(told.at - fullAt)
  if (restart) {
    await rig.kill(VICTIM)
    disk.fill()
    try {
      await rig.start(VICTIM, { states: ['running', 'readonly'] })
      found.restarts++
    } catch (error) {
      wrong.push(`no start on a full disk: ${error instanceof Error ? error.message : 'unknown'}`)
    }
  }
  if (await readable(stage, reader)) found.acks++
  recorder.fault('room again', VICTIM)
  disk.free()
  const freedAt = performance.now()
  const accepted = await until(stage, () =>
    recorder.sends.find(({ from, acceptedAt }) => from === VICTIM && (acceptedAt ?? 0) > freedAt),
  )
  if (accepted !== undefined) {
    found.healed.push((accepted.acceptedAt ?? 0) - freedAt)
    wrong.push(...(await reader.misplaced()).map((what) => `after a full disk: ${what}`))
    return
  }
  wrong.push(`nothing is accepted ${PATIENCE_MS / 1000} s after there is room again`)
  // Only a restart helps then; without it all later points would show nothing new.
  await rig.kill(VICTIM, 'SIGTERM')
  await rig.start(VICTIM)
}

/**
 * What a full disk must not stop: reading, and acknowledging what was read. Resolves to true when the store took no writes
 * meanwhile, so that only its memory had the acknowledgement.
 */
async function readable({ rig, wrong }: Stage, reader: PatientReader): Promise<boolean> {
  try {
    const rpc = await rig.connect(VICTIM)
    try {
      await rpc.call('messages.list', { limit: 10 })
      await rpc.call('events.list', { after: 0, limit: 10 })
      wrong.push(...(await reader.advance()).map((what) => `on a full disk: ${what}`))
      return (await rpc.call('node.status')).state === 'readonly'
    } finally {
      rpc.close()
    }
  } catch (error) {
    wrong.push(`on a full disk: ${error instanceof Error ? error.message : 'unknown'}`)
    return false
  }
}

async function until<T>(stage: Stage, probe: () => T | undefined): Promise<T | undefined> {
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    const found = probe()
    if (found !== undefined || performance.now() > deadline) return found
    await stage.sleep(POLL_MS)
  }
}
