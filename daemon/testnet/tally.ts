import { type Percentiles, percentiles } from './percentiles.ts'

/** One message that is to arrive exactly once. */
interface Expected {
  readonly from: number
  readonly to: number
  sentAt: number | undefined
  messageId: string | undefined
  readonly arrivals: number[]
  confirmedAt: number | undefined
  failed: boolean
}

export interface TallyResult {
  readonly sent: number
  /** Arrived exactly once. */
  readonly delivered: number
  /** Never arrived. */
  readonly lost: number
  /** Arrivals beyond the first. */
  readonly duplicates: number
  /** Of the delivered ones, those whose sender knows it. */
  readonly confirmed: number
  /** From the call of messages.send to the sender's `message.delivered`. */
  readonly latencyMs: Percentiles
  /** From the call of messages.send to the receiver's `message.received`. */
  readonly arrivalMs: Percentiles
}

/**
 * Counts messages that must arrive exactly once. A message is known by its text, which names the pair and
 * the run: two arrivals of one text are a duplicate even under different message ids. Events are counted
 * once per event id, because an event may be handed out again after a reconnection.
 */
export class Tally {
  readonly #byText = new Map<string, Expected>()
  readonly #byMessageId = new Map<string, Expected>()
  readonly #seenEvents = new Set<string>()

  expect(text: string, from: number, to: number): void {
    this.#byText.set(text, {
      from,
      to,
      sentAt: undefined,
      messageId: undefined,
      arrivals: [],
      confirmedAt: undefined,
      failed: false,
    })
  }

  /** To be called before the call of messages.send, so that the latency holds all of it. */
  sending(text: string, at: number): void {
    const message = this.#byText.get(text)
    if (message !== undefined) message.sentAt = at
  }

  accepted(text: string, messageId: string): void {
    const message = this.#byText.get(text)
    if (message === undefined) return
    message.messageId = messageId
    this.#byMessageId.set(messageId, message)
  }

  /** @returns false for an event that was counted before or a text that was not expected here. */
  received(event: { id: string; node: number; text: string; at: number }): boolean {
    const message = this.#byText.get(event.text)
    if (message === undefined || message.to !== event.node) return false
    if (!this.#firstTime(event)) return false
    message.arrivals.push(event.at)
    return true
  }

  confirmed(event: { id: string; node: number; messageId: string; at: number }): void {
    const message = this.#byMessageId.get(event.messageId)
    if (message === undefined || message.from !== event.node || !this.#firstTime(event)) return
    message.confirmedAt ??= event.at
  }

  /** The sender was told that it will not arrive. */
  failed(messageId: string): void {
    const message = this.#byMessageId.get(messageId)
    if (message !== undefined) message.failed = true
  }

  /** Everything has arrived and every sender knows. */
  get complete(): boolean {
    return this.#all().every(
      (message) =>
        message.failed || (message.arrivals.length > 0 && message.confirmedAt !== undefined),
    )
  }

  get arrived(): number {
    return this.#all().filter(({ arrivals }) => arrivals.length > 0).length
  }

  result(only: (message: { from: number; to: number }) => boolean = () => true): TallyResult {
    const messages = this.#all().filter(only)
    const arrived = messages.filter(({ arrivals }) => arrivals.length > 0)
    const since = (end: (message: Expected) => number | undefined) =>
      messages.flatMap((message) => {
        const at = end(message)
        return at === undefined || message.sentAt === undefined ? [] : [at - message.sentAt]
      })
    return {
      sent: messages.filter(({ messageId }) => messageId !== undefined).length,
      delivered: arrived.filter(({ arrivals }) => arrivals.length === 1).length,
      lost: messages.length - arrived.length,
      duplicates: arrived.reduce((sum, { arrivals }) => sum + arrivals.length - 1, 0),
      confirmed: arrived.filter(({ confirmedAt }) => confirmedAt !== undefined).length,
      latencyMs: percentiles(since(({ confirmedAt }) => confirmedAt)),
      arrivalMs: percentiles(since(({ arrivals }) => arrivals[0])),
    }
  }

  #firstTime(event: { id: string; node: number }): boolean {
    const key = `${event.node}/${event.id}`
    if (this.#seenEvents.has(key)) return false
    this.#seenEvents.add(key)
    return true
  }

  #all(): Expected[] {
    return [...this.#byText.values()]
  }
}
