/**
 * The callers of the bench `send`, in a process that does nothing else: what they wait for is then the node and not a
 * collection of the bench's own garbage. `send-load.ts SOCKET CALLERS WARM_UP COUNT`: over one connection sends WARM_UP
 * texts to `bob`, then COUNT more; prints `{elapsedMs, times}` of these, with the time of each call in ms, sorted.
 */
import { connect } from '../../rpc/client/index.ts'

const [, , socket = '', ...numbers] = process.argv
const [callers = 0, warmUp = 0, count = 0] = numbers.map(Number)
const client = await connect({ socket })

async function send(texts: number): Promise<number[]> {
  const times: number[] = []
  let next = 0
  const caller = async () => {
    while (next < texts) {
      const text = `a message of the usual length, number ${next++}`
      const begin = performance.now()
      await client.call('messages.send', { to: 'bob', body: { text } })
      times.push(performance.now() - begin)
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return times.sort((a, b) => a - b)
}

await send(warmUp)
const begin = performance.now()
const times = await send(count)
const elapsedMs = performance.now() - begin
client.close()
process.stdout.write(JSON.stringify({ elapsedMs, times }))
