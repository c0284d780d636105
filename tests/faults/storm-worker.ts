/**
 * The consumers of R18 that connect anew again and again, in a thread of their own: what others wait for is then the
 * daemon, and not the storm's side of this program.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { connect } from '../../daemon/connect.ts'
import { RpcFailure } from '../../rpc/client/index.ts'
import { systemClock } from '../../src/base/index.ts'

export interface StormOptions {
  readonly socket: string
  readonly consumers: number
  /** How long each stays before it connects anew. */
  readonly everyMs: number
  readonly forMs: number
}

export interface StormReport {
  readonly connections: number
  /** That the consumers got, all together. */
  readonly events: number
  /** Why consumers were refused; empty when none was. */
  readonly refused: readonly string[]
}

async function storm({ socket, consumers, everyMs, forMs }: StormOptions): Promise<StormReport> {
  const setUp = await connect({ socket })
  const names = Array.from({ length: consumers }, (_, i) => `storm-${i}`)
  for (const name of names) await setUp.call('events.consumers.create', { name, from: 'now' })
  const end = performance.now() + forMs
  let connections = 0
  let events = 0
  const one = async (name: string, firstMs: number): Promise<void> => {
    await systemClock.sleep(firstMs)
    while (performance.now() < end) {
      const rpc = await connect({ socket })
      try {
        connections++
        const stay = AbortSignal.timeout(everyMs)
        for await (const { seq } of rpc.subscribe({ consumer: name }, stay)) {
          events++
          await rpc.call('events.ack', { consumer: name, seq })
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
  const refused = ends.flatMap((each) => (each.status === 'rejected' ? [String(each.reason)] : []))
  for (const name of names) await setUp.call('events.consumers.delete', { name })
  setUp.close()
  return { connections, events, refused }
}

// Timers of the clock keep no thread alive.
const awake = setInterval(() => {}, 2 ** 30)
parentPort?.postMessage(await storm(workerData as StormOptions))
clearInterval(awake)
