import { execFile } from 'node:child_process'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { listAll } from '../../../daemon/cli/listing.ts'
import { aliasOf } from '../../../daemon/testnet/contacts.ts'
import { copyHome, putBackHome } from '../home-copy.ts'
import { Hosts } from '../hosts.ts'
import {
  AROUND_MS,
  type Extent,
  othersThan,
  rehearse,
  type RunOptions,
  type Stage,
} from '../rehearse.ts'
import type { Outcome } from '../verdict.ts'
import { missingSince, strangeReturns } from '../returns.ts'
import { compiled } from '../rig.ts'

const VICTIM = 0
/** How long the client of the node does not read before a copy is made. */
const UNREAD_MS = 6_000
/** How long the original lives on after a copy that is not its end. */
const LIFE_MS = 15_000
/** Within this time the conversations must go on in both directions. */
const GOES_ON_MS = 240_000
const POLL_MS = 200
/** Of those that stay, who send three of four messages of four nodes. */
const MIN_RATE_IN_FAULTS = 10
/** One return, as measured. */
const EACH_MS = 34_000

const run = promisify(execFile)

interface Way {
  readonly name: string
  /** Copies the node. @returns the time of which the copy is, and what makes the node anew of it. */
  copy(stage: Stage): Promise<{ copiedAt: number; putBack(): Promise<void> }>
  /** Whether the original goes on, and reads and writes more, before it ends for good. */
  readonly livesOn: boolean
}

const WAYS: readonly Way[] = [
  {
    name: 'backup of a node that stops for good, restored elsewhere',
    copy: backUp,
    livesOn: false,
  },
  { name: 'old copy of a home put back', copy: keepHome, livesOn: true },
  { name: 'backup of a node that stops late, restored elsewhere', copy: backUp, livesOn: true },
]
/** A contact answers that many returns a day; whoever comes back more often waits. */
const MAX_TIMES = 4

export function rollbackMs({ times = WAYS.length }: Extent): number {
  return AROUND_MS + Math.min(times, MAX_TIMES) * EACH_MS
}

/**
 * R6: an old copy of a home is put back in place, and a backup is restored on another machine, with another home and
 * port. The node becomes a new device by itself, each contact is told once, what was unread or not acknowledged
 * arrives, and the conversations go on. What the copy does not know is gone on that node alone.
 */
export async function rollback(options: RunOptions): Promise<Outcome> {
  const nodes = options.nodes ?? 4
  const times = Math.min(options.times ?? WAYS.length, MAX_TIMES)
  const missing = Hosts.missing()
  const hosts = missing === undefined ? new Hosts(nodes) : undefined
  try {
    return await rehearse(options, {
      nodes,
      ...(hosts === undefined ? {} : { hosts }),
      preset: options.preset ?? 'swift',
      rate: options.rate ?? 20,
      minRate: 10,
      inFaults: { minRate: MIN_RATE_IN_FAULTS, by: othersThan(VICTIM, nodes) },
      settleMs: 300_000,
      faults: async (stage) => {
        const took: number[] = []
        const waited = { unread: 0, unacknowledged: 0 }
        for (let n = 0; n < times; n++) {
          const way = WAYS[n % WAYS.length]
          if (way === undefined) break
          options.progress(way.name)
          const { unread, unacknowledged, ms } = await comeBack(stage, way)
          if (unread === 0 || unacknowledged === 0) {
            stage.unsure.push(`${way.name}: nothing was unread, or all was acknowledged`)
          }
          waited.unread += unread
          waited.unacknowledged += unacknowledged
          took.push(ms)
        }
        return {
          ...counts(times),
          machines: missing === undefined ? 'network namespaces' : `one, because ${missing}`,
          'unread in the copies': waited.unread,
          'on their way at the copies': waited.unacknowledged,
          'all conversations go on after at most, s': Number((Math.max(...took) / 1000).toFixed(1)),
        }
      },
      afterwards: async ({ rig, wrong }) => {
        wrong.push(...strangeReturns(rig.recorder))
        for (const { index } of rig.state.nodes) {
          const rpc = await rig.connect(index)
          const contacts = await listAll(rpc, 'contacts.list', {})
          rpc.close()
          for (const { alias, state } of contacts) {
            const isConcerned = index === VICTIM || alias === aliasOf(VICTIM)
            if (isConcerned && state !== 'ready') wrong.push(`on ${index}, ${alias} is ${state}`)
          }
        }
        const { events } = rig.recorder
        const resets = new Set(
          events.flatMap(({ type, id }) => (type === 'contact.reset' ? id : [])),
        )
        return { 'events of a new device': resets.size }
      },
    })
  } finally {
    hosts?.remove()
  }
}

/** How often each way was gone. */
function counts(times: number): Record<string, number> {
  return Object.fromEntries(
    WAYS.map(({ name }, i) => [name, Math.ceil(Math.max(0, times - i) / WAYS.length)] as const),
  )
}

/** @returns what waited in the copy, and the milliseconds from the start until all conversations went on. */
async function comeBack(stage: Stage, way: Way) {
  const { rig, load, late, sleep } = stage
  const { recorder } = rig
  load.hold(VICTIM)
  await sleep(UNREAD_MS)
  const waited = recorder.waitingFor(VICTIM)
  const listed = await load.listOf(VICTIM)
  const held = new Set(listed.flatMap(({ direction, text }) => (direction === 'in' ? text : [])))
  recorder.fault('copy', VICTIM)
  const { copiedAt, putBack } = await way.copy(stage)
  if (way.livesOn) {
    load.release(VICTIM)
    await sleep(LIFE_MS)
  }
  await rig.kill(VICTIM, way.livesOn ? 'SIGKILL' : 'SIGTERM')
  await putBack()
  recorder.fault(way.name, VICTIM)
  const life = recorder.returned(VICTIM, copiedAt, held)
  await rig.start(VICTIM)
  load.release(VICTIM)
  for (;;) {
    const ms = performance.now() - life.backAt
    const missing = missingSince(recorder, life)
    rig.options.progress(missing[0] ?? 'all conversations go on')
    if (missing.length === 0) return { ...waited, ms }
    if (ms > GOES_ON_MS) {
      late.push(...missing.map((what) => `${GOES_ON_MS / 1000} s after "${way.name}" ${what}`))
      return { ...waited, ms }
    }
    await sleep(POLL_MS)
  }
}

async function keepHome({ rig }: Stage) {
  const { home } = rig.node(VICTIM)
  const old = `${home}.old`
  await rig.kill(VICTIM, 'SIGTERM')
  copyHome(home, old)
  const copiedAt = performance.now()
  await rig.start(VICTIM)
  return { copiedAt, putBack: async () => putBackHome(old, home) }
}

/** The backup without a key, and the key file that its owner keeps in another place. */
async function backUp({ rig }: Stage) {
  const { home } = rig.node(VICTIM)
  const file = `${home}.backup`
  const key = `${home}.key`
  const copiedAt = performance.now()
  await hearsay('db', 'backup', file, '--home', home)
  copyFileSync(join(home, 'vault.key'), key)
  return {
    copiedAt,
    putBack: async () => {
      const moved = await rig.move(VICTIM)
      await hearsay('db', 'restore', file, '--key-file', key, '--home', moved.home)
    },
  }
}

/** @throws Error with what the command said, unless it ends with 0. */
async function hearsay(...words: string[]): Promise<void> {
  const { file, args } = compiled()
  await run(file, [...args, ...words])
}
