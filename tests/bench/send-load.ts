/**
 * The callers of the bench `send`, in a process that does nothing else: what they wait for is then the node and not a
 * collection of the bench's own garbage. `send-load.ts SOCKET CALLERS WARM_UP COUNT PACED RATE`: over one connection sends
 * WARM_UP texts to `bob`, COUNT more as fast as the answers come, and PACED more at RATE a second; prints `{elapsedMs, times,
 * paced}`: ms of each call, sorted. A paced one counts from when it was due, so that no wait is left out.
 */
import { connect } from '../../rpc/client/index.ts'

const [, , socket = '', ...numbers] = process.argv
const [callers = 0, warmUp = 0, count = 0, pacedCount = 0, rate = 1] = numbers.map(Number)
const client = await connect({ socket })

async function send(texts: number, everyMs = 0): Promise<number[]> {
  const times: number[] = []
  const began = performance.now()
  let next = 0
  const caller = async () => {
    while (next < texts) {
      const number = next++
      const due = began + number * everyMs
      const early = due - performance.now()
      if (everyMs > 0 && early > 0) await new Promise((resolve) => setTimeout(resolve, early))
      const from = everyMs > 0 ? due : performance.now()
      const text = `a message of the usual length, number ${number}`
      await client.call('messages.send', { to: 'bob', body: { text } })
      times.push(performance.now() - from)
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return times.sort((a, b) => a - b)
}

await send(warmUp)
const begin = performance.now()
const times = await send(count)
const elapsedMs = performance.now() - begin
const paced = await send(pacedCount, 1_000 / rate)
client.close()
process.stdout.write(JSON.stringify({ elapsedMs, times, paced }))
