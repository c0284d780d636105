import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { RpcFailure } from '../../../rpc/client/index.ts'
import { listAll } from '../../../daemon/cli/listing.ts'
import type { HealthCode } from '../../../src/node/index.ts'
import {
  damage,
  type Finding,
  hasEnded,
  judge,
  type Kind,
  KINDS,
  type Shown,
  type Way,
} from '../damage.ts'
import { twinHome } from '../home-copy.ts'
import type { Program } from '../hosts.ts'
import { AROUND_MS, type Extent, rehearse, type RunOptions, type Stage } from '../rehearse.ts'
import type { Outcome } from '../verdict.ts'
import { compiled, type Exit, StartFailure } from '../rig.ts'

const VICTIM = 0
/** Until the log of the database holds something beside its tables. */
const LOG_MS = 5_000
/** A process whose connection broke is gone within this time, or goes on. */
const END_MS = 2_000
/** Each kind of file four times with a wrong bit, and four times without its end. */
const TIMES = 8 * KINDS.length
/** Fewer than these are no database to damage; there are about 500. */
const MIN_TEXTS = 300
/** One life of a home, as measured. */
const EACH_MS = 2_500
/** For a longer warm-up, the restart and the log. */
const BEFORE_MS = 30_000

export function corruptionMs({ times = TIMES }: Extent): number {
  return AROUND_MS + BEFORE_MS + times * EACH_MS
}

/**
 * R5: one bit is wrong or the end is missing in one file of a home, each kind of file in its turn. The daemon refuses, or
 * it serves what is whole and says that something is not. It never shows another text than was written, and never misses
 * one silently. Nobody else runs meanwhile: each trial is another life of the same home, which nobody may hear of.
 */
export function corruption(options: RunOptions): Promise<Outcome> {
  const nodes = options.nodes ?? 3
  const times = options.times ?? TIMES
  return rehearse(options, {
    nodes,
    preset: options.preset ?? 'swift',
    rate: options.rate ?? 30,
    minRate: 20,
    // What counts is what the database holds by then: MIN_TEXTS.
    inFaults: undefined,
    // A damaged database is told of in every way there is.
    mayLog: { node: VICTIM, lines: /./ },
    warmUpMs: 20_000,
    settleMs: 240_000,
    faults: async (stage) => {
      const { rig, load, sleep } = stage
      // A start makes a table of the log; what comes after it is in the log.
      await rig.kill(VICTIM, 'SIGTERM')
      await rig.start(VICTIM, { counted: false })
      await sleep(LOG_MS)
      await load.stopSending()
      await load.settled(120_000, options.signal)
      const before = await inspect(stage)
      if (before.complains) stage.unsure.push('the store complained before any damage')
      if (before.texts.size < MIN_TEXTS) {
        stage.unsure.push(`the database holds only ${before.texts.size} texts`)
      }
      const all = Array.from({ length: nodes }, (_, i) => i)
      for (const node of all) load.hold(node)
      for (const node of all) await rig.kill(node, 'SIGTERM')
      const { home } = rig.node(VICTIM)
      const whole = `${home}.whole`
      renameSync(home, whole)
      const config = join(whole, 'config.toml')
      writeFileSync(config, withoutComments(readFileSync(config, 'utf8')))
      const tally = new Tally()
      for (let n = 0; n < times; n++) {
        options.progress(`${n} of ${times} damaged files`)
        const [kind, way] = turn(n)
        await trial(stage, { kind, way, whole, before, tally })
      }
      rmSync(home, { recursive: true })
      renameSync(whole, home)
      for (const node of all) await rig.start(node, { counted: false })
      for (const node of all) load.release(node)
      return { 'damaged files': times, ...tally.figures() }
    },
  })
}

/** One kind after the other, with a bit in one round and the end in the next. */
function turn(n: number): [Kind, Way] {
  const kind = KINDS[n % KINDS.length]
  if (kind === undefined) throw new Error('no kind of file')
  return [kind, Math.floor(n / KINDS.length) % 2 === 0 ? 'bit' : 'end']
}

interface Trial {
  readonly kind: Kind
  readonly way: Way
  /** The home before any damage, and what it shows. */
  readonly whole: string
  readonly before: Shown
  readonly tally: Tally
}

async function trial(stage: Stage, { kind, way, whole, before, tally }: Trial): Promise<void> {
  const { rig, rng, wrong, unsure } = stage
  const { home } = rig.node(VICTIM)
  twinHome(whole, home)
  const what = damage(home, kind, way, rng)
  if (what === undefined) {
    unsure.push(`the home has no file of the kind ${kind.name}`)
    return
  }
  const program = kind.name === 'config.toml' ? withDamagedConfig(home, whole) : compiled()
  try {
    let seen = await live(stage, program)
    if (hasEnded(seen) && seen.code === null && kind.mayAbort === true) {
      tally.abort(kind)
      seen = await live(stage, program)
      if (!hasEnded(seen)) wrong.push(`${what}: aborted once, and serves after that`)
    }
    const { finding, reasons } = judge(seen, kind, before)
    wrong.push(...reasons.map((reason) => `${what}: ${reason}`))
    tally.add(kind, finding)
  } catch (error) {
    rig.options.signal.throwIfAborted()
    wrong.push(`${what}: ${error instanceof Error ? error.message : 'unknown'}`)
  }
}

/** What is left is what counts: hardly any damage of the explanations means anything. */
function withoutComments(toml: string): string {
  const lines = toml.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'))
  return lines.map((line) => `${line}\n`).join('')
}

/**
 * A daemon that gets the damaged file. Before it starts, the testnet writes addresses into the one that it finds, and
 * would mend a damaged one or stumble over it.
 */
function withDamagedConfig(home: string, whole: string): Program {
  const config = join(home, 'config.toml')
  const damaged = `${home}.damaged`
  renameSync(config, damaged)
  copyFileSync(join(whole, 'config.toml'), config)
  const { file, args } = compiled()
  const script = 'cp "$0" "$1" && shift && exec "$@"'
  return { file: '/bin/sh', args: ['-c', script, damaged, config, file, ...args] }
}

/** One life of the home as it is: its end, when it ends by itself, else what it shows. */
async function live(stage: Stage, program: Program): Promise<Exit | Shown> {
  const { rig } = stage
  try {
    const states = ['running', 'readonly', 'failed']
    const { state } = await rig.start(VICTIM, { states, counted: false, program })
    return await inspect(stage, state)
  } catch (error) {
    const exit = error instanceof StartFailure ? error.exit : await rig.endOf(VICTIM, END_MS)
    if (exit === undefined) throw error
    return exit
  } finally {
    await rig.kill(VICTIM)
  }
}

/** A disk that is nearly full says nothing of damage. */
const OF_THE_STORE: ReadonlySet<string> = new Set<HealthCode>([
  'STORAGE_READONLY',
  'SECRETS_DAMAGED',
  'VALUES_DAMAGED',
])

/** All that a daemon in a state shows. @throws what no damage explains. */
async function inspect({ rig }: Stage, state = 'running'): Promise<Shown> {
  const rpc = await rig.connect(VICTIM)
  const texts = new Set<string>()
  let epoch: string | undefined
  let complains = state !== 'running'
  try {
    const items = await listAll(rpc, 'messages.list', { order: 'asc' })
    for (const { body } of items) texts.add(body.text)
    const status = await rpc.call('node.status')
    epoch = status.epoch
    complains ||= status.health.some(({ code }) => OF_THE_STORE.has(code))
    if (!complains) complains = !(await rpc.call('db.check')).ok
  } catch (error) {
    const isAnswer = error instanceof RpcFailure
    if (!isAnswer || !(complains || error.kind.startsWith('STORAGE_'))) throw error
    complains = true
  } finally {
    rpc.close()
  }
  return { texts, epoch, complains }
}

/** How often the damage of each kind of file led to what. */
class Tally {
  readonly #found = new Map<string, Finding[]>()
  readonly #aborts = new Map<string, number>()

  add({ name }: Kind, finding: Finding): void {
    this.#found.set(name, [...(this.#found.get(name) ?? []), finding])
  }

  abort({ name }: Kind): void {
    this.#aborts.set(name, (this.#aborts.get(name) ?? 0) + 1)
  }

  figures(): Record<string, string> {
    const figures = [...this.#found].map(([name, all]): [string, string] => {
      const counts = Map.groupBy(all, (finding) => finding)
      const parts = [...counts].map(([finding, its]) => `${its.length} ${finding}`)
      const aborts = this.#aborts.get(name)
      const tail = aborts === undefined ? '' : `, ${aborts} of them after an abort`
      return [`damaged ${name}`, `${parts.toSorted().join(', ')}${tail}`]
    })
    return Object.fromEntries(figures)
  }
}
