import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Client, connect } from '../../rpc/client/index.ts'
import { systemRng } from '../../src/base/index.ts'
import { addHotBoxes } from '../support/hot-boxes.ts'
import type { BenchResult } from './box.ts'
import { HEARSAY, running } from './daemon.ts'
import { NodeProcess } from './node-process.ts'

const CALLERS = 64
const WARM_UP = 1_000
const MESSAGES = 5_000
const PACED = 4_000
/** The rate that is asked for, messages a second. */
const RATE = 2_000
const BOXES = 100_000
const TTL_DAYS = 7
const RESTARTS = 3

interface Load {
  readonly elapsedMs: number
  /** Of each call in ms, sorted. */
  readonly times: readonly number[]
  /** The same, at `RATE`. */
  readonly paced: readonly number[]
}

/** MESSAGES texts to bob from CALLERS callers, after WARM_UP others, and PACED at RATE: see send-load.ts. */
async function send(socket: string): Promise<Load> {
  const program = join(import.meta.dirname, 'send-load.ts')
  const numbers = [CALLERS, WARM_UP, MESSAGES, PACED, RATE].map(String)
  // Room for all the garbage of the callers: they are not what is measured.
  const args = ['--min-semi-space-size=128', '--max-semi-space-size=128', program, socket]
  const { stdout } = await promisify(execFile)(process.execPath, [...args, ...numbers])
  return JSON.parse(stdout) as Load
}

async function befriend(alice: Client, bob: Client): Promise<void> {
  const { uri } = await alice.call('network.create', { name: 'bench', preset: 'swift' })
  await bob.call('network.join', { uri })
  await bob.call('node.wait', { for: 'linked', timeoutMs: 60_000 })
  const invite = await alice.call('contacts.invite', { label: 'bob' })
  await bob.call('contacts.add', { uri: invite.uri, alias: 'alice' })
  const ready = { after: 0, types: ['contact.ready'], timeoutMs: 120_000 }
  for (const client of [alice, bob]) {
    const { items } = await client.call('events.wait', ready)
    if (items.length === 0) throw new Error('the key exchange took too long')
  }
}

/** BOXES boxes, hot and kept, into the store of a stopped node. */
function fill(home: string): Promise<void> {
  const now = Date.now()
  const options = { boxes: BOXES, now, overMs: 600_000, ttlDays: TTL_DAYS, kept: true }
  return addHotBoxes(home, systemRng, options)
}

async function restarts(home: string): Promise<BenchResult> {
  const times: number[] = []
  for (let i = 0; i < RESTARTS; i++) {
    const begin = performance.now()
    const daemon = spawn(HEARSAY, ['run', '--home', home], { stdio: 'ignore' })
    const ended = once(daemon, 'close')
    const client = await running(join(home, 'rpc.sock'))
    times.push(performance.now() - begin)
    const { boxes, messages } = await client.call('db.stats')
    if (boxes < BOXES || messages < WARM_UP + MESSAGES + PACED)
      throw new Error('the home is not as full as it should be')
    client.close()
    daemon.kill('SIGTERM')
    await ended
  }
  times.sort((a, b) => a - b)
  return {
    name: 'restart to ready with 100,000 stored boxes and 10,000 messages',
    value: (times[Math.floor(RESTARTS / 2)] ?? Number.NaN) / 1_000,
    unit: 's',
    target: 2,
    note: `median of ${RESTARTS}, longest ${((times.at(-1) ?? 0) / 1_000).toFixed(2)} s; from spawn until the socket says running`,
  }
}

/** Acceptance of messages on a real disk, in a network of two nodes that runs on meanwhile, and a restart after it. */
export async function benchSend(): Promise<BenchResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'hearsay-bench-'))
  const home = join(folder, 'alice')
  try {
    let load: Load
    {
      await using alice = await NodeProcess.start(home)
      await using bob = await NodeProcess.start(join(folder, 'bob'))
      const client = await connect({ socket: alice.socket })
      const other = await connect({ socket: bob.socket })
      await befriend(client, other)
      load = await send(alice.socket)
      client.close()
      other.close()
    }
    await fill(home)
    const { times, paced, elapsedMs } = load
    const at = (share: number, of = times) => of[Math.floor(of.length * share)] ?? Number.NaN
    return [
      {
        name: 'messages.send to durable acceptance, 64 callers',
        value: Math.round((MESSAGES / elapsedMs) * 1_000),
        unit: 'messages/s',
        target: 2_000,
        note: `${MESSAGES.toLocaleString('en')} messages to one contact, each synced before its answer; the callers in a process of their own, whose collections of garbage are left out`,
      },
      {
        name: 'messages.send, p99',
        value: at(0.99),
        unit: 'ms',
        target: 20,
        note: `p50 ${at(0.5).toFixed(1)} ms, longest ${(times.at(-1) ?? 0).toFixed(0)} ms`,
      },
      {
        name: `messages.send at ${RATE.toLocaleString('en')} a second, p99`,
        value: at(0.99, paced),
        unit: 'ms',
        target: 20,
        note: `of the same callers, from when a call was due; p50 ${at(0.5, paced).toFixed(1)} ms, longest ${(paced.at(-1) ?? 0).toFixed(0)} ms`,
      },
      await restarts(home),
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
