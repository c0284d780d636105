import { describe, expect, it } from 'vitest'
import { silentLogger } from '../../../src/base/index.ts'
import type { EventView } from '../../../src/node/index.ts'
import { eventsApi } from '../../../src/node/events-api.ts'
import { EventRetention } from '../../../src/node/event-retention.ts'
import { Idempotency } from '../../../src/node/idempotency.ts'
import { RunningClock } from '../../../src/node/running-clock.ts'
import { memoryDisk, openMemoryStore } from '../../../src/store/index.ts'
import { codeOf } from '../../support/devices.ts'
import { runFor } from '../../support/running.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const MINUTE_MS = 60_000
const DAY_MINUTES = 24 * 60

/** A node's events on a disk that outlives it. */
class Journal {
  readonly clock = new VirtualClock()
  readonly #disk = memoryDisk()
  #made = 0
  #starts = 0
  #open = this.#start()

  async #start() {
    const ports = { clock: this.clock, rng: seededRng(`away ${this.#starts++}`), log: silentLogger }
    const store = await openMemoryStore(ports, { disk: this.#disk })
    const { clock } = this
    const running = new RunningClock({ store, clock })
    const idempotency = new Idempotency({ store, running })
    return {
      store,
      running,
      retention: new EventRetention({ store, running }),
      events: eventsApi({ store, clock, idempotency }),
    }
  }

  get api() {
    return this.#open.then(({ events }) => events)
  }

  async restart(): Promise<void> {
    const { store, running } = await this.#open
    await running.flush()
    await store.close()
    this.#open = this.#start()
  }

  /** Messages arrive one a minute, and old events go as in a running node. */
  async minutes(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const { store, running, retention } = await this.#open
      const text = `text ${this.#made++}`
      await store.batch().append({ type: 'message.received', data: { text } }).commit()
      await runFor(this.clock, running, MINUTE_MS)
      if (i % 60 === 0) await retention.retain()
      if (i % 500 === 499) await this.restart()
    }
  }

  /** Nothing arrives. */
  async pass(minutes: number): Promise<void> {
    const { running } = await this.#open
    await runFor(this.clock, running, minutes * MINUTE_MS)
  }

  /** Reads a consumer to the head and acknowledges. */
  async drain(consumer: string): Promise<EventView[]> {
    const events = await this.api
    const feed = await events.open({ consumer })
    const all: EventView[] = []
    let last = feed.resumedFrom
    while (last < feed.head) {
      const some = await feed.next(64, new AbortController().signal)
      all.push(...some)
      last = some.at(-1)?.seq ?? last
      await events.ack({ consumer, seq: last })
    }
    return all
  }
}

const texts = (events: readonly EventView[]) => events.map(({ data }) => data['text'])
const named = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `text ${from + i}`)

describe('a client that is away', () => {
  it('for a day, over restarts of the node, gets every event once and in order', async () => {
    const journal = new Journal()
    await (await journal.api).consumers.create({ name: 'bot', from: 'now' }, {})
    await journal.minutes(10)
    expect(texts(await journal.drain('bot'))).toEqual(named(0, 10))
    await journal.minutes(DAY_MINUTES)
    const missed = await journal.drain('bot')
    expect(texts(missed)).toEqual(named(10, 10 + DAY_MINUTES))
    expect(new Set(missed.map(({ id }) => id)).size).toBe(DAY_MINUTES)
    expect(await journal.drain('bot')).toEqual([])
  })

  it('and died in the middle of its work gets what it had not acknowledged again, under the same ids', async () => {
    const journal = new Journal()
    const events = await journal.api
    await events.consumers.create({ name: 'bot', from: 'now' }, {})
    await journal.minutes(20)
    const feed = await events.open({ consumer: 'bot' })
    const seen = await feed.next(20, new AbortController().signal)
    await events.ack({ consumer: 'bot', seq: seen[11]?.seq ?? 0 })
    await journal.restart()
    await journal.minutes(5)
    const again = await journal.drain('bot')
    expect(texts(again)).toEqual(named(12, 25))
    expect(again.slice(0, 8).map(({ id }) => id)).toEqual(seen.slice(12).map(({ id }) => id))
  })

  it('for longer than events are kept is told so, with the first that is left', async () => {
    const journal = new Journal()
    await (await journal.api).consumers.create({ name: 'bot', from: 'now' }, {})
    await journal.minutes(1)
    await journal.pass(31 * DAY_MINUTES)
    await journal.minutes(2)
    const events = await journal.api
    expect(await codeOf(() => events.open({ consumer: 'bot' }))).toBe('cursor-too-old')
  })
})
