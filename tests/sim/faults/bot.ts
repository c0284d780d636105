import {
  type Clock,
  HearsayError,
  isHearsayError,
  type Rng,
  uniform,
  uniformInt,
} from '../../../src/base/index.ts'
import type { EventFeed, NodeApi } from '../../../src/node/index.ts'
import type { ConsumerWatch } from './consumer-watch.ts'
import { describeError } from './describe-error.ts'

/** A node that can be reached. */
export interface BotNode {
  readonly events: Pick<NodeApi['events'], 'open' | 'ack' | 'consumers'>
  /** What its disk brings about is no violation. */
  readonly excuses: (error: unknown) => boolean
}

export interface BotPorts {
  /** Of the simulation: a bot runs on, whatever the clocks of its node do. */
  readonly clock: Clock
  readonly rng: Rng
  readonly watch: ConsumerWatch
  readonly count: (what: string) => void
}

/** From the opening of a feed until the bot hangs up, or its node is gone. */
interface Link {
  readonly node: BotNode
  readonly end: AbortController
  /** Mean time from one acknowledgement to the next; undefined for none at all. */
  readonly ackMs: number | undefined
  /** It has asked for the acknowledgement of everything up to here. */
  acked: number
}

const CONSUMER = 'bot'
/** Means of exponential draws. */
const CONNECT_MS = 1_500
const LINK_MS = 25_000
const REST_MS = 4_000
const LONG_REST_MS = 40_000
const LONG_REST_SHARE = 0.25
const WORK_MS = 2_500
/** Every second link acknowledges at once, as a bot should; a quarter only when nobody expects it any more, or never. */
const ACK_MS = [8_000, 8_000, 30_000, undefined] as const
/** Events that it takes at once. */
const STEP_MAX = 10

/**
 * A program that reads the events of its node as a durable consumer, and outlives it. It takes some at a time,
 * acknowledges all of them or a part, soon, late or never, hangs up, and comes back.
 */
export class Bot {
  readonly watch: ConsumerWatch
  readonly #ports: BotPorts
  #node: BotNode | undefined
  #link: Link | undefined
  /** Last event that it was given, over whatever link. */
  #last = 0

  constructor(ports: BotPorts) {
    this.#ports = ports
    this.watch = ports.watch
  }

  /** Its node can be reached until `leave`. */
  reach(node: BotNode): void {
    this.#node = node
    this.#later(CONNECT_MS, () => this.#connect())
  }

  /** Its node is gone: answers that were on their way do not arrive. */
  leave(): void {
    this.#node = undefined
    this.#hangUp()
  }

  /**
   * The end of a run: it is given everything that is left, and is not there any more. Resolves with the number of the last
   * event; undefined without a node. Writes of the node must take no time.
   */
  async finish(): Promise<number | undefined> {
    const node = this.#node
    if (node === undefined) return undefined
    this.#hangUp()
    const link = this.#begin(node)
    try {
      const feed = await this.#open(link)
      while (this.watch.position < feed.head) {
        this.watch.given(await feed.next(STEP_MAX, link.end.signal))
      }
    } catch (error) {
      this.watch.violation(describeError(error))
    }
    const { position } = this.watch
    this.leave()
    return position
  }

  #connect(): void {
    const node = this.#node
    if (node === undefined || this.#link !== undefined) return
    const link = this.#begin(node)
    this.#run(link, async () => {
      const feed = await this.#open(link)
      if (this.#last > 0) this.#ports.count('consumer resumes')
      this.#acknowledgeNowAndThen(link)
      this.#later(LINK_MS, () => this.#rest(link))
      await this.#read(link, feed)
    })
  }

  #begin(node: BotNode): Link {
    const ackMs = ACK_MS[uniformInt(this.#ports.rng, ACK_MS.length)]
    const link: Link = { node, end: new AbortController(), ackMs, acked: 0 }
    this.#link = link
    return link
  }

  #hangUp(): void {
    const link = this.#link
    this.#link = undefined
    this.watch.left()
    link?.end.abort(new HearsayError('aborted', 'the bot hung up'))
  }

  /** Hangs up for a while. */
  #rest(link: Link): void {
    if (this.#link !== link) return
    this.#hangUp()
    const isLong = uniform(this.#ports.rng) < LONG_REST_SHARE
    this.#later(isLong ? LONG_REST_MS : REST_MS, () => this.#connect())
  }

  /** What a link that has ended still does concerns nobody. */
  #run(link: Link, work: () => Promise<void>): void {
    work().catch((error: unknown) => {
      if (this.#link !== link) return
      // Told again at the next opening, which goes on from there.
      if (isHearsayError(error, 'cursor-too-old')) this.watch.overrun(oldestOf(error))
      else if (!link.node.excuses(error)) this.watch.violation(describeError(error))
      this.#rest(link)
    })
  }

  /** A feed behind the last acknowledgement, or behind what the retention has removed since. */
  async #open(link: Link): Promise<EventFeed> {
    const { node, end } = link
    await this.#make(link)
    for (;;) {
      try {
        const feed = await node.events.open({ consumer: CONSUMER })
        end.signal.throwIfAborted()
        this.watch.resumed(feed.resumedFrom)
        link.acked = feed.resumedFrom
        return feed
      } catch (error) {
        end.signal.throwIfAborted()
        if (!isHearsayError(error, 'cursor-too-old')) throw error
        const oldest = oldestOf(error)
        // One that is told without a reason could be told for ever.
        if (!this.watch.overrun(oldest)) throw error
        this.#ports.count('consumer overruns')
        // As the API says how to go on.
        await this.#acknowledge(link, oldest - 1)
      }
    }
  }

  /** Its consumer is there from its first link on. */
  async #make({ node, end }: Link): Promise<void> {
    const { consumers } = node.events
    const { items } = await consumers.list()
    end.signal.throwIfAborted()
    // Numbers of another epoch say nothing.
    if (!this.watch.isMade) this.#last = 0
    const found = items.find(({ name }) => name === CONSUMER)
    if (found !== undefined) return this.watch.found(found.cursor)
    if (this.watch.isMade) this.watch.violation('it is gone')
    const { cursor } = await consumers.create({ name: CONSUMER, from: 'start' }, {})
    end.signal.throwIfAborted()
    this.watch.made(cursor)
  }

  async #read({ end }: Link, feed: EventFeed): Promise<void> {
    const { clock, rng } = this.#ports
    for (;;) {
      const events = await feed.next(1 + uniformInt(rng, STEP_MAX), end.signal)
      end.signal.throwIfAborted()
      this.watch.given(events)
      this.#last = Math.max(this.#last, events.at(-1)?.seq ?? 0)
      await clock.sleep(this.#draw(WORK_MS), end.signal)
    }
  }

  #acknowledgeNowAndThen(link: Link): void {
    if (link.ackMs === undefined) return
    this.#later(link.ackMs, () => {
      if (this.#link !== link) return
      const seq = this.#drawAck(link)
      if (seq > link.acked) {
        link.acked = seq
        // Nobody waits for the answer: on a slow disk several are under way.
        this.#run(link, () => this.#acknowledge(link, seq))
      }
      this.#acknowledgeNowAndThen(link)
    })
  }

  /** All that it was given, also over the link before, or a part; none when all is acknowledged. */
  #drawAck({ acked }: Link): number {
    const { rng } = this.#ports
    const left = this.#last - acked
    if (left <= 0) return acked
    return uniform(rng) < 0.5 ? this.#last : acked + 1 + uniformInt(rng, left)
  }

  async #acknowledge({ node, end }: Link, seq: number): Promise<void> {
    const { watch } = this
    const { count } = this.#ports
    watch.asks(seq)
    count('consumer acks')
    const { cursor } = await node.events.ack({ consumer: CONSUMER, seq })
    end.signal.throwIfAborted()
    watch.answered(seq, cursor)
    count(watch.isWhole ? 'consumer acks answered' : 'consumer acks answered in memory')
  }

  #draw(meanMs: number): number {
    return -Math.log(1 - uniform(this.#ports.rng)) * meanMs
  }

  #later(meanMs: number, fn: () => void): void {
    this.#ports.clock.setTimer(this.#draw(meanMs), fn)
  }
}

function oldestOf({ details }: HearsayError): number {
  return Number(details['oldest'])
}
