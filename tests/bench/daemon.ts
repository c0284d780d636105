import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, connect } from '../../rpc/client/index.ts'
import type { BenchResult } from './box.ts'

const ROOT = join(import.meta.dirname, '../..')
export const HEARSAY = join(ROOT, 'hearsay')
const STARTS = 5
const SINGLES = 20
const LINKED_MS = 60_000
const DEADLINE_MS = 180_000

interface Testnet {
  nodes: { home: string; rpc: string; pid: number }[]
}

/** Runs the command line; the time of each line on stderr is kept. */
async function hearsay(args: string[]): Promise<{ stdout: string; lines: [number, string][] }> {
  const start = performance.now()
  const child = spawn(HEARSAY, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  const lines: [number, string][] = []
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push([performance.now() - start, line])
  })
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  if (code !== 0)
    throw new Error(
      `hearsay ${args.join(' ')} ended with ${code}:\n${lines.map(([, l]) => l).join('\n')}`,
    )
  return { stdout, lines }
}

/** A client of the daemon behind `socket`, once it runs. */
export async function running(socket: string): Promise<Client> {
  const end = performance.now() + DEADLINE_MS
  while (performance.now() < end) {
    try {
      const client = await connect({ socket })
      const { state } = await client.call('node.status', {})
      if (state === 'running') return client
      client.close()
    } catch {
      // Not up yet.
    }
    await sleep(5)
  }
  throw new Error('the daemon did not get ready')
}

const median = (values: number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

function rssMb(pid: number): number {
  const kb = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kb) / 1024
}

async function startTimes(folder: string): Promise<number[]> {
  const times: number[] = []
  for (let i = 0; i < STARTS; i++) {
    const home = join(folder, `alone-${i}`)
    const start = performance.now()
    const child = spawn(HEARSAY, ['run', '--home', home], { stdio: 'ignore' })
    const ended = new Promise((resolve) => child.once('close', resolve))
    const client = await running(join(home, 'rpc.sock'))
    times.push(performance.now() - start)
    client.close()
    child.kill('SIGTERM')
    await ended
  }
  return times
}

/** One message at a time: from the call to the sender's `delivered`. */
async function latencies(net: Testnet): Promise<number[]> {
  const clients = await Promise.all(net.nodes.map(({ rpc }) => connect({ socket: rpc })))
  const times: number[] = []
  for (let i = 0; i < SINGLES; i++) {
    const client = clients[i % clients.length]
    if (client === undefined) break
    const { items } = await client.call('contacts.list', { limit: 50 })
    const to = items[i % items.length]?.contactId ?? ''
    const start = performance.now()
    const { messageId } = await client.call('messages.send', { to, body: { text: `single ${i}` } })
    await client.call('messages.wait', { messageId, state: 'delivered', timeoutMs: 60_000 })
    times.push(performance.now() - start)
  }
  for (const client of clients) client.close()
  return times
}

async function swift(folder: string): Promise<BenchResult[]> {
  const dir = join(folder, 'swift')
  const up = await hearsay([
    'testnet',
    'up',
    '--nodes',
    '7',
    '--preset',
    'swift',
    '--direct',
    '--dir',
    dir,
    '--json',
  ])
  try {
    const net = JSON.parse(up.stdout) as Testnet
    await hearsay(['testnet', 'smoke', '--dir', dir, '--json'])
    const times = await latencies(net)
    await sleep(LINKED_MS)
    const rss = Math.max(...net.nodes.map(({ pid }) => rssMb(pid)))
    return [
      {
        name: 'swift, 7 nodes: send to delivered, p50',
        value: median(times) / 1000,
        unit: 's',
        target: 2,
        note: `${times.length} messages one at a time; longest ${(Math.max(...times) / 1000).toFixed(1)} s`,
      },
      {
        name: 'daemon: memory after 60 s linked',
        value: rss,
        unit: 'MB',
        target: 190,
        note: 'RSS, the largest of 7, after a smoke test with 6 contacts each',
      },
    ]
  } finally {
    await hearsay(['testnet', 'down', '--dir', dir])
  }
}

async function lab(folder: string): Promise<BenchResult[]> {
  const dir = join(folder, 'lab')
  const { lines } = await hearsay([
    'testnet',
    'up',
    '--nodes',
    '30',
    '--preset',
    'lab',
    '--direct',
    '--dir',
    dir,
  ])
  await hearsay(['testnet', 'down', '--dir', dir])
  const at = (pattern: RegExp) =>
    (lines.find(([, line]) => pattern.test(line))?.[0] ?? Number.NaN) / 1000
  return [
    { name: '30 daemons (lab): all ready', value: at(/30 of 30 ready/), unit: 's', target: 20 },
    { name: '30 daemons (lab): all linked', value: at(/30 of 30 linked/), unit: 's', target: 45 },
  ]
}

/** Daemons as processes, through the command line and the public RPC. Needs a build; takes about five minutes. */
export async function benchDaemon(): Promise<BenchResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'hb-'))
  try {
    const alone = await startTimes(folder)
    return [
      {
        name: 'daemon alone: ready after spawn',
        value: median(alone) / 1000,
        unit: 's',
        target: 1.5,
        note: `median of ${STARTS} new homes`,
      },
      ...(await swift(folder)),
      ...(await lab(folder)),
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
