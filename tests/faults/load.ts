import { listAll } from '../../daemon/cli/listing.ts'
import { receivedMessage } from '../../daemon/message-event.ts'
import type { Rpc } from '../../daemon/rpc-port.ts'
import { aliasOf } from '../../daemon/testnet/contacts.ts'
import { RpcFailure } from '../../rpc/client/index.ts'
import { systemClock } from '../../src/base/index.ts'
import type { EventView } from '../../src/node/index.ts'
import type { EventRecord, ListedMessage, SendRecord } from './history.ts'
import type { Rig } from './rig.ts'

export interface LoadOptions {
  /** Ordered pairs that write; they are contacts already. */
  readonly pairs: readonly (readonly [from: number, to: number])[]
  /** Messages a second over all pairs, while the daemons answer. */
  readonly rate: number
}

/** The durable consumer that the load has on every node. */
export const CONSUMER = 'faults'
const RETRY_MS = 100
/** A call without an answer for so long is made again, under the same key. */
const CALL_TIMEOUT_MS = 15_000
/** For the last sends, when no new ones begin. */
const PATIENCE_MS = 60_000
const ACK_PAUSE_MS = 200
const TEXT_BYTES = 60
/** One text in `LONG_EVERY` of a pair takes several boxes, never those of all pairs at once: a node publishes two a second. */
const LONG_TEXT_BYTES = 5_000
const LONG_EVERY = 500
const LONG_FROM = 20
const LONG_APART = 50
/** So many are asked for once more at most, under their keys, after all was answered. */
const AGAIN_MAX = 500
const POLL_MS = 250

/**
 * The users of a testnet, each a client of one daemon over the public RPC. They send at a steady rate, try again under
 * the same key for as long as it takes, and read every event through a durable consumer. All that they see goes
 * into the recorder.
 */
export class Load {
  readonly #rig: Rig
  readonly #options: LoadOptions
  /** Messages a second over all pairs; a new value holds from the next message of each pair. */
  rate: number
  readonly #stop = new AbortController()
  readonly #giveUp = new AbortController()
  readonly #end = new AbortController()
  readonly #rpcs = new Map<number, Promise<Rpc>>()
  readonly #held = new Set<number>()
  /** What ends the present subscription of a node's reader. */
  readonly #rounds = new Map<number, AbortController>()
  #senders: Promise<void>[] = []
  #readers: Promise<void>[] = []

  constructor(ports: { rig: Rig }, options: LoadOptions) {
    this.#rig = ports.rig
    this.#options = options
    this.rate = options.rate
  }

  /** Resolves when every node has its consumer; sending begins then. */
  async start(): Promise<void> {
    const { pairs } = this.#options
    const nodes = [...new Set(pairs.flat())]
    for (const node of nodes) {
      const rpc = await this.#rpc(node)
      const { cursor } = await rpc.call('events.consumers.create', { name: CONSUMER, from: 'now' })
      this.#rig.recorder.cursors.set(node, cursor)
    }
    this.#readers = nodes.map((node) => this.#read(node))
    this.#senders = pairs.map((pair, i) => this.#send(pair, i))
  }

  /** From one message of a pair to its next, milliseconds. */
  get everyMs(): number {
    return (1000 * this.#options.pairs.length) / this.rate
  }

  /** No new message; resolves when every send that was begun has its answer, or after a last patience. */
  async stopSending(): Promise<void> {
    this.#stop.abort()
    const timer = systemClock.setTimer(PATIENCE_MS, () => this.#giveUp.abort())
    await Promise.all(this.#senders)
    timer.cancel()
  }

  /** The reader of a node is away until `release`: what comes meanwhile is unread. */
  hold(node: number): void {
    this.#held.add(node)
    this.#rounds.get(node)?.abort()
  }

  release(node: number): void {
    this.#held.delete(node)
  }

  /** Resolves to true when every accepted message has ended for both sides, to false after `timeoutMs`. */
  async settled(timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    const deadline = performance.now() + timeoutMs
    const { recorder, options } = this.#rig
    for (;;) {
      const open = recorder.open.length
      options.progress(`${open} of ${recorder.sends.length} messages are on their way`)
      if (open === 0) return true
      if (performance.now() > deadline) return false
      await systemClock.sleep(POLL_MS, signal)
    }
  }

  /** Ends the readers and asks every node for its messages. */
  async finish(): Promise<void> {
    this.#stop.abort()
    await Promise.allSettled(this.#senders)
    const { recorder } = this.#rig
    for (const node of new Set(this.#options.pairs.flat())) {
      recorder.lists.set(node, await this.listOf(node))
    }
    await this.abort()
  }

  /** All messages of a node, the oldest first. */
  async listOf(node: number): Promise<ListedMessage[]> {
    const items = await listAll(await this.#rpc(node), 'messages.list', { order: 'asc' })
    return items.map(({ messageId, direction, body: { text }, state }) => {
      return { messageId, direction, text, state }
    })
  }

  /** Ends everything without asking. */
  async abort(): Promise<void> {
    this.#stop.abort()
    this.#giveUp.abort()
    this.#end.abort()
    await Promise.allSettled([...this.#senders, ...this.#readers])
    for (const rpc of this.#rpcs.values()) {
      await rpc.then((each) => each.close()).catch(() => {})
    }
  }

  async #send([from, to]: readonly [number, number], place: number): Promise<void> {
    let dueAt = performance.now() + (this.everyMs * place) / this.#options.pairs.length
    const longAt = (LONG_FROM + LONG_APART * place) % LONG_EVERY
    for (let n = 0; await this.#until(dueAt, this.#stop.signal); n++) {
      // What could not be sent in time is not made up for: the rate is a limit, not a promise.
      dueAt = Math.max(dueAt + this.everyMs, performance.now())
      const label = `${from}>${to}#${n} `
      const record: SendRecord = {
        from,
        to,
        text: label.padEnd(n % LONG_EVERY === longAt ? LONG_TEXT_BYTES : TEXT_BYTES, '.'),
        key: `${from}-${to}-${n}`,
        calledAt: performance.now(),
        messageIds: [],
        acceptedAt: undefined,
        tries: 0,
      }
      this.#rig.recorder.sends.push(record)
      while (!(await this.#try(record)) && !this.#giveUp.signal.aborted) {
        await systemClock.sleep(RETRY_MS)
      }
    }
  }

  /**
   * Asks once more for some of what was accepted, under its key: whatever has happened since, it is the same message. Not of a
   * node whose database was put back: it may know no more of it. Resolves with how many were asked for, and answered.
   */
  async askAgain(): Promise<{ asked: number; answered: number }> {
    const { sends, returns } = this.#rig.recorder
    const forgetful = new Set(returns.map(({ node }) => node))
    const accepted = sends.filter(
      ({ acceptedAt, from }) => acceptedAt !== undefined && !forgetful.has(from),
    )
    const step = Math.max(1, Math.ceil(accepted.length / AGAIN_MAX))
    // Of each sender, or turns that repeat would choose the same ones always.
    const bySender = [...Map.groupBy(accepted, ({ from }) => from).values()]
    const chosen = bySender.flatMap((its) => its.filter((_, i) => i % step === 0))
    const until = performance.now() + PATIENCE_MS
    let answered = 0
    for (const record of chosen) {
      while (!(await this.#try(record))) {
        if (performance.now() > until) return { asked: chosen.length, answered }
        await systemClock.sleep(RETRY_MS)
      }
      answered++
    }
    return { asked: chosen.length, answered }
  }

  /** @returns true when the daemon has said yes. */
  async #try(record: SendRecord): Promise<boolean> {
    record.tries++
    const answer = await this.#call(record.from, 'messages.send', (rpc, signal) =>
      rpc.call(
        'messages.send',
        {
          to: aliasOf(record.to),
          body: { text: record.text },
          idempotencyKey: record.key,
        },
        signal,
      ),
    )
    if (answer === undefined) return false
    record.messageIds.push(answer.messageId)
    record.acceptedAt ??= performance.now()
    return true
  }

  async #read(node: number): Promise<void> {
    const { signal } = this.#end
    while (!signal.aborted) {
      if (this.#held.has(node)) {
        await this.#until(performance.now() + RETRY_MS, signal)
        continue
      }
      await this.#call(node, 'events.subscribe', async (rpc) => {
        let seen = 0
        let acked = 0
        const round = new AbortController()
        this.#rounds.set(node, round)
        const ack = async () => {
          while (await this.#until(performance.now() + ACK_PAUSE_MS, round.signal)) {
            if (seen === acked) continue
            const upTo = seen
            await rpc.call('events.ack', { consumer: CONSUMER, seq: upTo })
            acked = upTo
          }
        }
        const acks = ack().catch((error: unknown) => {
          this.#note(node, 'events.ack', error)
          // Without acknowledgements the daemon soon stops to send: begin again.
          round.abort()
        })
        const going = AbortSignal.any([signal, round.signal])
        try {
          for await (const event of rpc.subscribe({ consumer: CONSUMER }, going)) {
            const { seq, epoch, id, type } = event
            const { messageId, text } = receivedMessage(event)
            const at = performance.now()
            const tookMs = Date.now() - Date.parse(event.time)
            const its = { node, at, seq, epoch, id, type, messageId, text, tookMs }
            this.#rig.recorder.event({ ...its, ...gapIn(event) })
            seen = seq
          }
        } finally {
          round.abort()
          await acks
        }
      })
      await this.#until(performance.now() + RETRY_MS, signal)
    }
  }

  /** Runs `use` with a connection that may be shared; undefined after a failure, which is recorded. */
  async #call<T>(
    node: number,
    method: string,
    use: (rpc: Rpc, signal: AbortSignal) => Promise<T>,
  ): Promise<T | undefined> {
    try {
      return await use(await this.#rpc(node), AbortSignal.timeout(CALL_TIMEOUT_MS))
    } catch (error) {
      this.#note(node, method, error)
      return undefined
    }
  }

  #note(node: number, method: string, error: unknown): void {
    if (this.#end.signal.aborted) return
    const answered = error instanceof RpcFailure
    const name = answered ? error.kind : 'connection'
    this.#rig.recorder.errors.push({ node, at: performance.now(), method, name })
    if (answered) return
    this.#rpcs
      .get(node)
      ?.then((rpc) => rpc.close())
      .catch(() => {})
    this.#rpcs.delete(node)
  }

  #rpc(node: number): Promise<Rpc> {
    const known = this.#rpcs.get(node)
    if (known !== undefined) return known
    const opened = this.#rig.connect(node)
    this.#rpcs.set(node, opened)
    opened.catch(() => this.#rpcs.delete(node))
    return opened
  }

  /** Resolves to true at `at`, to false when the signal aborts before. */
  async #until(at: number, signal: AbortSignal): Promise<boolean> {
    try {
      await systemClock.sleep(Math.max(0, at - performance.now()), signal)
      return true
    } catch {
      return false
    }
  }
}

function gapIn({ type, data }: EventView): Pick<EventRecord, 'gap'> {
  const { alias, missing } = data
  if (type !== 'message.gap' || typeof alias !== 'string') return {}
  return { gap: { alias, missing: Number(missing) } }
}
