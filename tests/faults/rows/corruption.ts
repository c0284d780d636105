import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { listAll } from '../../../daemon/cli/listing.ts'
import { DAEMON_EXIT } from '../../../daemon/exit-codes.ts'
import { type Rng, uniform, uniformInt } from '../../../src/base/index.ts'
import type { HealthCode } from '../../../src/node/index.ts'
import { copyHome, putBackHome } from '../home-copy.ts'
import { rehearse, type RunOptions, type Stage } from '../rehearse.ts'
import type { Outcome } from '../verdict.ts'
import { StartFailure } from '../rig.ts'

const VICTIM = 0
/** Ways in which a daemon may refuse a damaged home, each with a sentence for its owner. */
const REFUSALS: readonly (number | null)[] = [
  DAEMON_EXIT.dataCorrupt,
  DAEMON_EXIT.ioError,
  DAEMON_EXIT.permission,
]

/**
 * R5: one bit is wrong or the end is missing in one file of a home. The daemon refuses, or it serves what is whole and
 * says that something is not. It never shows another text than was written, and never misses one silently.
 */
export function corruption(options: RunOptions): Promise<Outcome> {
  const nodes = options.nodes ?? 3
  const times = options.times ?? 60
  return rehearse(options, {
    nodes,
    preset: options.preset ?? 'swift',
    rate: options.rate ?? 30,
    minRate: 10,
    // A damaged database is told of in every way there is.
    mayLog: { node: VICTIM, lines: /./ },
    warmUpMs: 20_000,
    settleMs: 240_000,
    faults: async (stage) => {
      await stage.load.stopSending()
      await stage.load.settled(120_000, options.signal)
      const known = await texts(stage)
      await stage.rig.kill(VICTIM, 'SIGTERM')
      const found = { refused: 0, reported: 0, harmless: 0 }
      for (let n = 0; n < times; n++) {
        options.progress(`${n} of ${times} damaged files`)
        found[await trial(stage, known)]++
      }
      await stage.rig.start(VICTIM, { counted: false })
      return { 'damaged files': times, ...found }
    },
  })
}

type Finding = 'refused' | 'reported' | 'harmless'

async function trial(stage: Stage, known: ReadonlySet<string>): Promise<Finding> {
  const { rig, rng, wrong } = stage
  const home = rig.node(VICTIM).home
  const whole = `${home}.whole`
  copyHome(home, whole)
  const copiedAt = performance.now()
  const what = damage(home, rng)
  // A file that is too short is an older state too.
  rig.recorder.returned(VICTIM, copiedAt)
  try {
    const { state } = await rig.start(VICTIM, {
      states: ['running', 'readonly', 'failed'],
      counted: false,
    })
    const shown = await texts(stage)
    const foreign = [...shown].filter((text) => !known.has(text))
    const missing = [...known].filter((text) => !shown.has(text)).length
    const said = state !== 'running' || (await complains(stage))
    if (foreign.length > 0) wrong.push(`${what}: shows "${foreign[0]}", which nobody wrote`)
    if (missing > 0 && !said) wrong.push(`${what}: ${missing} messages are missing silently`)
    await rig.kill(VICTIM, 'SIGKILL')
    return said ? 'reported' : 'harmless'
  } catch (error) {
    if (!(error instanceof StartFailure)) throw error
    if (!REFUSALS.includes(error.code)) wrong.push(`${what}: ${error.message}`)
    return 'refused'
  } finally {
    putBackHome(whole, home)
    rig.recorder.returned(VICTIM, copiedAt)
  }
}

/** @returns what was done to which file. */
function damage(home: string, rng: Rng): string {
  const folder = join(home, 'db')
  const files = readdirSync(folder).filter((name) => statSync(join(folder, name)).size > 0)
  const name = files[uniformInt(rng, files.length)] ?? ''
  const file = join(folder, name)
  const { size } = statSync(file)
  if (uniform(rng) < 0.5) {
    const left = uniformInt(rng, size)
    truncateSync(file, left)
    return `${name} cut to ${left} of ${size} bytes`
  }
  const bytes = readFileSync(file)
  const at = uniformInt(rng, size)
  const bit = uniformInt(rng, 8)
  bytes[at] = (bytes[at] ?? 0) ^ (1 << bit)
  writeFileSync(file, bytes)
  return `bit ${bit} of byte ${at} of ${name} is wrong`
}

async function texts({ rig }: Stage): Promise<Set<string>> {
  const rpc = await rig.connect(VICTIM)
  try {
    const items = await listAll(rpc, 'messages.list', { order: 'asc' })
    return new Set(items.map(({ body }) => body.text))
  } finally {
    rpc.close()
  }
}

/** A disk that is nearly full says nothing of damage. */
const OF_THE_STORE: ReadonlySet<string> = new Set<HealthCode>([
  'STORAGE_READONLY',
  'SECRETS_DAMAGED',
  'VALUES_DAMAGED',
])

/** True when the daemon itself says that not all is well with its store. */
async function complains({ rig }: Stage): Promise<boolean> {
  const rpc = await rig.connect(VICTIM)
  try {
    const { health } = await rpc.call('node.status')
    if (health.some(({ code }) => OF_THE_STORE.has(code))) {
      return true
    }
    const { ok } = (await rpc.request('db.check', {})) as { ok: boolean }
    return !ok
  } finally {
    rpc.close()
  }
}
