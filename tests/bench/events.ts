import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { appendEvents, openHome } from '../support/old-events.ts'
import type { BenchResult } from './box.ts'
import { EventReader } from './event-reader.ts'
import { NodeProcess } from './node-process.ts'

const EVENTS = 1_000_000
const MAX_IN_FLIGHT = 4_096
const ACK_EVERY = 512
/** Events that the server takes from the journal in one step. */
const PAGE = 64
const CONSUMERS = 50
/** Each of the 50 was away for so many events. */
const AWAY = 2_000
const STALLED_MS = 5_000

/** A store with EVENTS events as large as those of a message. Gives its bare reading rate, events per second. */
async function fill(home: string): Promise<number> {
  const store = await openHome(home)
  await appendEvents(store, EVENTS)
  await store.consumers.create('resume', { from: 'start' })
  for (let i = 0; i < CONSUMERS; i++) {
    await store.consumers.create(`away-${i}`, { from: EVENTS - AWAY })
  }
  const begin = performance.now()
  let after = 0
  while (after < EVENTS / 10) after = (await store.journal.events(after, PAGE)).scannedTo
  const rate = (after / (performance.now() - begin)) * 1_000
  await store.close()
  return rate
}

/** Reads a consumer to the head with cumulative acks. Resolves when all is acknowledged. */
async function resume(path: string, consumer: string, from: number): Promise<void> {
  let last = from
  let sent = from
  const acks: Promise<unknown>[] = []
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const reader = await EventReader.open(path, (seq) => {
    if (seq !== last + 1) reject(new Error(`event ${seq} came after ${last}`))
    last = seq
    if (last - sent >= ACK_EVERY || last === EVENTS) {
      sent = last
      acks.push(reader.call('events.ack', { consumer, seq }))
    }
    if (last === EVENTS) resolve()
  })
  await reader.call('events.subscribe', { consumer, maxInFlight: MAX_IN_FLIGHT })
  await promise
  await Promise.all(acks)
  reader.close()
}

async function stalled(node: NodeProcess): Promise<BenchResult> {
  const before = await node.rssMb()
  const reader = await EventReader.open(node.socket)
  await reader.call('events.subscribe', { after: 0 })
  reader.stall()
  let most = 0
  for (let waited = 0; waited < STALLED_MS; waited += 250) {
    await sleep(250)
    most = Math.max(most, (await node.rssMb()) - before)
  }
  reader.close()
  return {
    name: 'a consumer that never reads, 1,000,000 events behind: extra memory',
    value: most,
    unit: 'MB',
    target: 64,
    note: `RSS over ${STALLED_MS / 1_000} s`,
  }
}

/** The journal at its full length over the real socket; server and client are separate processes. */
export async function benchEvents(): Promise<BenchResult[]> {
  const home = mkdtempSync(join(tmpdir(), 'hearsay-bench-'))
  try {
    const bare = await fill(home)
    await using node = await NodeProcess.start(home)
    const memory = await stalled(node)
    const begin = performance.now()
    await resume(node.socket, 'resume', 0)
    const rate = (EVENTS / (performance.now() - begin)) * 1_000
    const names = Array.from({ length: CONSUMERS }, (_, i) => `away-${i}`)
    const again = performance.now()
    await Promise.all(names.map((name) => resume(node.socket, name, EVENTS - AWAY)))
    const many = ((CONSUMERS * AWAY) / (performance.now() - again)) * 1_000
    return [
      {
        name: 'resume of 1,000,000 events over the unix socket, with acks',
        value: Math.round(rate),
        unit: 'events/s',
        target: 20_000,
        note: `${(rate / bare).toFixed(2)} × the bare journal in one process, in pages of ${PAGE}; an ack per ${ACK_EVERY}`,
      },
      {
        name: '50 consumers come back at once, 2,000 events behind each',
        value: Math.round(many),
        unit: 'events/s',
        target: 20_000,
        note: 'all together',
      },
      memory,
    ]
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}
