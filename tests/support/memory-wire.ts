import { setImmediate as nextTurn } from 'node:timers/promises'
import { Connection, type Wire } from '../../rpc/server/connection.ts'
import { OWNER } from '../../rpc/server/principal.ts'
import type { DispatchHarness } from './rpc-dispatch.ts'
import type { Reply } from './rpc-harness.ts'

/** A wire in memory: keeps what is sent, and is as slow as a test says. */
export class MemoryWire implements Wire {
  readonly sent: Reply[] = []
  paused = false
  ended = false
  /** What `backlog` answers. */
  unread = 0
  largestBacklog = 0

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Reply)
  }
  backlog(): number {
    return this.unread
  }
  pause(): void {
    this.paused = true
  }
  resume(): void {
    this.paused = false
  }
  async end(): Promise<void> {
    this.ended = true
  }

  /** Takes what was sent so far. */
  take(): Reply[] {
    return this.sent.splice(0)
  }

  events(): number[] {
    return this.sent
      .filter(({ method }) => method === 'event')
      .map((m) => Number(m.params?.['seq']))
  }

  count(method: string): number {
    return this.sent.filter((message) => message.method === method).length
  }
}

/** One connection of the harness on a MemoryWire. */
export function connectMemory(rpc: DispatchHarness): { wire: MemoryWire; connection: Connection } {
  const wire = new MemoryWire()
  const { dispatcher, node, clock, consumers, metrics } = rpc
  const connection = new Connection(
    {
      wire,
      dispatcher,
      node,
      clock,
      consumers,
      metrics,
      log: rpc.logger,
      onClosed: () => {},
    },
    { principal: OWNER },
  )
  return { wire, connection }
}

/** One request, and its reply taken off the wire. */
export async function ask(
  { wire, connection }: { wire: MemoryWire; connection: Connection },
  method: string,
  params: object = {},
): Promise<Reply> {
  connection.receive(JSON.stringify({ jsonrpc: '2.0', id: 'ask', method, params }))
  for (;;) {
    const at = wire.sent.findIndex(({ id }) => id === 'ask')
    const [reply] = at === -1 ? [] : wire.sent.splice(at, 1)
    if (reply !== undefined) return reply
    await nextTurn()
  }
}

/** Lets everything that can happen without time passing happen. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await nextTurn()
}
