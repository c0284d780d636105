import { connect as connectSocket, type Socket } from 'node:net'
import { RpcFailure } from '../../../rpc/client/index.ts'
import { systemClock } from '../../../src/base/index.ts'
import { rehearse, type RunOptions, type Stage } from '../rehearse.ts'
import type { Outcome } from '../verdict.ts'
import { usageOf } from '../usage.ts'
import { appendEvents, openHome } from '../../support/old-events.ts'

const VICTIM = 0
const STORMERS = 50
const STORM_EVERY_MS = 100
const DEFAULT_MINUTES = 1
const MAX_GROWTH_MB = 64
/** On the wire several times as much as a daemon may grow by: one that writes what nobody takes is found. */
const OLD_EVENTS = 400_000
const BEFORE_MS = 10_000
const LOOK_MS = 500
const FIRST_LINES_MS = 10_000
const FIRST_LINES_BYTES = 10_000
/** Below it, it is no storm: 50 consumers ten times a second are 500, and the client of the test runs here too. */
const MIN_STORM_PER_SECOND = 50

/**
 * R18: a client of one daemon subscribes and never reads, and fifty consumers connect anew ten times a second. The
 * other client of that daemon sees every event, and the daemon does not grow.
 */
export function slowConsumer(options: RunOptions): Promise<Outcome> {
  const nodes = options.nodes ?? 3
  const minutes = options.minutes ?? DEFAULT_MINUTES
  return rehearse(options, {
    nodes,
    preset: options.preset ?? 'swift',
    rate: options.rate ?? 30,
    minRate: 10,
    settleMs: 240_000,
    beforehand: ({ rig }) => addOldEvents(rig),
    faults: async (stage) => {
      const ms = minutes * 60_000
      const { most: before } = await mostMb(stage, stage.sleep(BEFORE_MS))
      const stuck = stuckReader(stage)
      const { most: withReader } = await mostMb(stage, stage.sleep(ms))
      const { most: inStorm, value: connections } = await mostMb(stage, storm(stage, ms))
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
      const perSecond = Math.round(connections / (ms / 1000))
      if (perSecond < MIN_STORM_PER_SECOND) {
        stage.unsure.push(`only ${perSecond} connections a second are no storm`)
      }
      return {
        'each, minutes': minutes,
        'events that the reader has before it': OLD_EVENTS,
        'connections a second in the storm': perSecond,
        'growth with a reader that never reads, MB': growth[0] ?? '-',
        'growth with the storm, MB': growth[1] ?? '-',
      }
    },
  })
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

/** @returns how many connections were made. */
async function storm({ rig, wrong, sleep }: Stage, ms: number): Promise<number> {
  const setUp = await rig.connect(VICTIM)
  const names = Array.from({ length: STORMERS }, (_, i) => `storm-${i}`)
  for (const name of names) await setUp.call('events.consumers.create', { name, from: 'now' })
  const end = performance.now() + ms
  let made = 0
  const one = async (name: string, firstMs: number) => {
    await sleep(firstMs)
    while (performance.now() < end) {
      const rpc = await rig.connect(VICTIM)
      try {
        made++
        for await (const event of rpc.subscribe(
          { consumer: name },
          AbortSignal.timeout(STORM_EVERY_MS),
        )) {
          await rpc.call('events.ack', { consumer: name, seq: event.seq })
        }
      } catch (error) {
        // The connection before it may not be gone yet.
        if (!(error instanceof RpcFailure) || error.kind !== 'CONSUMER_BUSY') throw error
      } finally {
        rpc.close()
      }
    }
  }
  const ends = await Promise.allSettled(names.map((name, i) => one(name, i * 2)))
  const failed = ends.find((each) => each.status === 'rejected')
  if (failed !== undefined) wrong.push(`a consumer of the storm was refused: ${failed.reason}`)
  for (const name of names) await setUp.call('events.consumers.delete', { name })
  setUp.close()
  return made
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
