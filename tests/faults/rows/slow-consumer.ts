import { connect as connectSocket, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { systemClock } from '../../../src/base/index.ts'
import { compare, latencies, type Latencies, latencyText } from '../latency.ts'
import type { Span } from '../rates.ts'
import { AROUND_MS, type Extent, rehearse, type RunOptions, type Stage } from '../rehearse.ts'
import type { StormOptions, StormReport } from '../storm-worker.ts'
import type { Outcome } from '../verdict.ts'
import { usageOf } from '../usage.ts'
import { appendEvents, openHome } from '../../support/old-events.ts'

const VICTIM = 0
const STORMERS = 50
const STORM_EVERY_MS = 100
const DEFAULT_MINUTES = 1
const MAX_GROWTH_MB = 64
/**
 * On the wire several times as much as a daemon may grow by: one that writes what nobody takes is found. A journal keeps a
 * million, and the run itself makes some thousands: none may go, or the reader asks for what is no more.
 */
const OLD_EVENTS = 950_000
/** Until they are written, and the daemon runs again. */
const FILL_MS = 60_000
const BEFORE_MS = 30_000
const LOOK_MS = 500
const FIRST_LINES_MS = 10_000
const FIRST_LINES_BYTES = 10_000
/** Below it, it is no storm: 50 consumers ten times a second are 500, and their side of it needs a processor too. */
const MIN_STORM_PER_SECOND = 200
/** A steady rate of 33 is measured as a little more or less. */
const MIN_RATE = 30
/** Nobody else may be disturbed. */
const MIN_RATE_IN_FAULTS = 25

export function slowConsumerMs({ minutes = DEFAULT_MINUTES }: Extent): number {
  return AROUND_MS + FILL_MS + BEFORE_MS + 2 * minutes * 60_000 + FIRST_LINES_MS
}

/**
 * R18: a client of one daemon subscribes and never reads, and fifty consumers connect anew ten times a second. The other
 * client of that daemon sees every event and waits no longer than before, for events as for answers, and the daemon does
 * not grow.
 */
export function slowConsumer(options: RunOptions): Promise<Outcome> {
  const nodes = options.nodes ?? 3
  const minutes = options.minutes ?? DEFAULT_MINUTES
  return rehearse(options, {
    nodes,
    preset: options.preset ?? 'swift',
    rate: options.rate ?? 33,
    minRate: MIN_RATE,
    inFaults: { minRate: MIN_RATE_IN_FAULTS },
    settleMs: 240_000,
    beforehand: ({ rig }) => addOldEvents(rig),
    faults: async (stage) => {
      const ms = minutes * 60_000
      const began = performance.now()
      const { most: before } = await mostMb(stage, stage.sleep(BEFORE_MS))
      const stuckAt = performance.now()
      const stuck = stuckReader(stage)
      const { most: withReader } = await mostMb(stage, stage.sleep(ms))
      const stormAt = performance.now()
      const { most: inStorm, value: stormed } = await mostMb(stage, storm(stage, ms))
      const calmAt = performance.now()
      const found = await firstLines(stuck)
      stuck.destroy()
      // An answer that is an error, or a reader that was cut off, has nothing before it and shows nothing.
      if (!/^\{"jsonrpc":"2.0","id":1,"result"/.test(found) || !found.includes('"seq":1,')) {
        stage.unsure.push(`the reader had not asked for the events: ${found.slice(0, 100)}`)
      }
      if (inStorm === 0) stage.unsure.push('the memory of the daemon cannot be measured')
      const growth = [withReader - before, inStorm - withReader].map(Math.round)
      for (const [i, what] of ['a reader that never reads', 'the storm'].entries()) {
        if ((growth[i] ?? 0) <= MAX_GROWTH_MB) continue
        stage.wrong.push(`node ${VICTIM} grew by ${growth[i]} MB with ${what}`)
      }
      const [refused] = stormed.refused
      if (refused !== undefined) stage.wrong.push(`a consumer of the storm was refused: ${refused}`)
      const perSecond = Math.round(stormed.connections / (ms / 1000))
      if (perSecond < MIN_STORM_PER_SECOND) {
        stage.unsure.push(`only ${perSecond} connections a second are no storm`)
      }
      return {
        'each, minutes': minutes,
        'events that the reader has before it': OLD_EVENTS,
        'connections a second in the storm': perSecond,
        'events a second to all consumers of the storm': Math.round(stormed.events / (ms / 1000)),
        'growth with a reader that never reads, MB': growth[0] ?? '-',
        'growth with the storm, MB': growth[1] ?? '-',
        ...others(stage, {
          before: { from: began, to: stuckAt },
          withReader: { from: stuckAt, to: stormAt },
          inStorm: { from: stormAt, to: calmAt },
        }),
      }
    },
  })
}

interface Spans {
  readonly before: Span
  readonly withReader: Span
  readonly inStorm: Span
}

/** What the users of the daemon waited for; longer than before it is too long. */
function others({ rig, load, late, unsure }: Stage, spans: Spans): Record<string, string> {
  const { everyMs } = load
  const within = (span: Span) => latencies(rig.recorder, { node: VICTIM, everyMs, ...span })
  const before = within(spans.before)
  const figures = figuresOf('before', before)
  for (const [what, span] of [
    ['a reader that never reads', spans.withReader],
    ['the storm', spans.inStorm],
  ] as const) {
    const during = within(span)
    const found = compare(before, during, what)
    late.push(...found.late)
    unsure.push(...found.unsure)
    Object.assign(figures, figuresOf(`with ${what}`, during))
  }
  return figures
}

function figuresOf(when: string, { calls, deliveries }: Latencies): Record<string, string> {
  return {
    [`calls of others ${when}, p50 / p99`]: latencyText(calls),
    [`events to others ${when}, p50 / p99`]: latencyText(deliveries),
  }
}

async function addOldEvents(rig: Stage['rig']): Promise<void> {
  rig.options.progress(`${OLD_EVENTS} events for node ${VICTIM}`)
  await rig.kill(VICTIM, 'SIGTERM')
  const store = await openHome(rig.node(VICTIM).home)
  try {
    await appendEvents(store, OLD_EVENTS)
  } finally {
    await store.close()
  }
  await rig.start(VICTIM, { counted: false })
}

/** Asks for all events from the first on and takes nothing of the answer. */
function stuckReader({ rig }: Stage): Socket {
  const socket = connectSocket(rig.node(VICTIM).rpc)
  socket.pause()
  socket.on('error', () => {})
  const subscribe = { jsonrpc: '2.0', id: 1, method: 'events.subscribe', params: { after: 0 } }
  socket.write(`${JSON.stringify(subscribe)}\n`)
  rig.recorder.fault('a reader that never reads', VICTIM)
  return socket
}

/** What the daemon has written to it, from the beginning on. */
async function firstLines(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', (data: Buffer) => (text += data.toString()))
  socket.resume()
  const end = performance.now() + FIRST_LINES_MS
  while (text.length < FIRST_LINES_BYTES && performance.now() < end) {
    await systemClock.sleep(LOOK_MS)
  }
  return text
}

/** Fifty consumers that connect anew again and again. @throws Error when their thread ends without a report. */
async function storm({ rig }: Stage, ms: number): Promise<StormReport> {
  const workerData = {
    socket: rig.node(VICTIM).rpc,
    consumers: STORMERS,
    everyMs: STORM_EVERY_MS,
    forMs: ms,
  } satisfies StormOptions
  rig.recorder.fault('the storm', VICTIM)
  const worker = new Worker(new URL('../storm-worker.ts', import.meta.url), { workerData })
  const report = Promise.withResolvers<StormReport>()
  worker.once('message', report.resolve)
  worker.once('error', report.reject)
  worker.once('exit', () => report.reject(new Error('the storm ended without a report')))
  const { signal } = rig.options
  const interrupted = () => report.reject(signal.reason as Error)
  signal.addEventListener('abort', interrupted, { once: true })
  try {
    return await report.promise
  } finally {
    signal.removeEventListener('abort', interrupted)
    await worker.terminate()
  }
}

/** The most that the daemon had resident until `work` was done, and what that came to. */
async function mostMb<T>(
  { rig }: Stage,
  work: Promise<T>,
): Promise<{ readonly most: number; readonly value: T }> {
  let most = 0
  const look = () => {
    most = Math.max(most, usageOf(rig.node(VICTIM).process?.pid ?? 0)?.rssMb ?? 0)
  }
  look()
  const looks = setInterval(look, LOOK_MS)
  try {
    const value = await work
    return { value, most }
  } finally {
    clearInterval(looks)
  }
}
