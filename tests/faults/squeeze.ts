import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ProcessRef, signalProcess } from '../../daemon/testnet/index.ts'

const PERIOD_US = 100_000
/** Where the groups of the processor are, in the old and in the new order of things. */
const OLD = '/sys/fs/cgroup/cpu'
const NEW = '/sys/fs/cgroup'

/** Takes a process all but a share of one processor: by a control group, or by stopping it most of the time. */
export class Squeeze {
  readonly how: string
  readonly #end: () => void

  constructor(ref: ProcessRef, share: number) {
    const group = grouped(ref, share)
    this.how = group === undefined ? 'stops' : 'a control group'
    this.#end = group ?? stopped(ref, share)
  }

  end(): void {
    this.#end()
  }
}

/** What ends it; undefined where this user may have no group. */
function grouped({ pid }: ProcessRef, share: number): (() => void) | undefined {
  const isOld = existsSync(join(OLD, 'cpu.cfs_quota_us'))
  const parent = isOld ? OLD : NEW
  const group = join(parent, `hearsay-squeeze-${pid}`)
  const quota = Math.round(PERIOD_US * share)
  try {
    mkdirSync(group)
  } catch {
    return undefined
  }
  const end = (): void => {
    try {
      writeFileSync(join(parent, 'cgroup.procs'), String(pid))
    } catch {
      // It has ended.
    }
    rmdirSync(group)
  }
  try {
    if (isOld) {
      writeFileSync(join(group, 'cpu.cfs_period_us'), String(PERIOD_US))
      writeFileSync(join(group, 'cpu.cfs_quota_us'), String(quota))
    } else writeFileSync(join(group, 'cpu.max'), `${quota} ${PERIOD_US}`)
    writeFileSync(join(group, 'cgroup.procs'), String(pid))
  } catch {
    end()
    return undefined
  }
  return end
}

function stopped(ref: ProcessRef, share: number): () => void {
  const periodMs = PERIOD_US / 1000
  let going: NodeJS.Timeout | undefined
  const period = setInterval(() => {
    signalProcess(ref, 'SIGCONT')
    going = setTimeout(() => signalProcess(ref, 'SIGSTOP'), share * periodMs)
  }, periodMs)
  return () => {
    clearInterval(period)
    clearTimeout(going)
    signalProcess(ref, 'SIGCONT')
  }
}
