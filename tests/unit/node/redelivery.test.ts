import { describe, expect, it } from 'vitest'
import { DAY_MS, fromBase64Url } from '../../../src/base/index.ts'
import { EventRetention } from '../../../src/node/event-retention.ts'
import { eventsApi } from '../../../src/node/events-api.ts'
import { Idempotency } from '../../../src/node/idempotency.ts'
import { messagesApi } from '../../../src/node/messages-api.ts'
import { RunningClock } from '../../../src/node/running-clock.ts'
import { BUCKETS } from '../../../src/store/index.ts'
import { type Device, pair } from '../../support/devices.ts'
import { runFor } from '../../support/running.ts'

/** What a node has around the conversations of a device, as far as a bot and the upkeep need it. */
class Around {
  readonly events: ReturnType<typeof eventsApi>
  readonly messages: ReturnType<typeof messagesApi>['messages']
  readonly #device: Device
  readonly #running: RunningClock
  readonly #retention: EventRetention
  readonly #idempotency: Idempotency

  constructor(device: Device) {
    const { store } = device
    const { clock } = device.air
    this.#device = device
    this.#running = new RunningClock({ store, clock })
    this.#retention = new EventRetention({ store, running: this.#running })
    this.#idempotency = new Idempotency({ store, running: this.#running })
    const shared = { store, clock, idempotency: this.#idempotency }
    this.events = eventsApi(shared)
    const { messages } = messagesApi({
      ...shared,
      conversations: () => device.conversations,
      needSpace: () => {},
      releaseHold: () => {},
    })
    this.messages = messages
  }

  /** The node runs for so many days, and no slot comes. */
  async days(count: number): Promise<void> {
    await this.upkeep()
    for (let day = 0; day < count; day++) {
      await runFor(this.#device.air.clock, this.#running, DAY_MS)
      await this.upkeep()
    }
  }

  async upkeep(): Promise<void> {
    await this.#idempotency.settled()
    await this.#retention.retain()
    await this.#idempotency.prune()
  }

  /** Records of keys on disk. */
  async records(): Promise<number> {
    let count = 0
    for await (const _ of this.#device.store.keys(BUCKETS.idempotency)) count++
    return count
  }

  /** What a bot is given first that starts now. */
  async firstEvent(consumer: string) {
    const feed = await this.events.open({ consumer })
    const [event] = await feed.next(1, new AbortController().signal)
    return event
  }
}

const keyed = (key: string) => ({
  idempotency: { scope: 'owner', key, requestHash: new Uint8Array(32).fill(1) },
})

describe('a bot that makes its keys from events', () => {
  it('answers once when the event comes again on day 29; on day 31 event and key are gone', async () => {
    const { air, alice, bob } = await pair()
    const node = new Around(alice)
    await node.events.consumers.create(
      { name: 'bot', from: 'now', types: ['message.received'] },
      {},
    )
    await bob.send('question')
    await air.until(async () => (await alice.received()).length === 1)
    const asked = await node.firstEvent('bot')
    const call = keyed(asked?.id ?? '')
    const answer = { to: 'friend', body: { text: 'echo: question' } }
    const first = await node.messages.send(answer, call)
    const id = fromBase64Url(first.messageId)
    await air.until(async () => (await alice.state(id)) === 'delivered')
    // It dies before it has acknowledged, and nobody starts it again for weeks.
    await node.days(29)
    const again = await node.firstEvent('bot')
    expect(again?.id).toBe(asked?.id)
    expect(await node.messages.send(answer, call)).toEqual({ ...first, replayed: true })
    expect(await alice.sentMessages()).toHaveLength(1)
    await air.slots(20)
    expect(await bob.received()).toEqual(['echo: question'])

    expect(await node.records()).toBe(1)
    await node.days(2)
    expect(alice.store.journal.oldestSeq()).toBeGreaterThan(asked?.seq ?? Number.NaN)
    expect(await node.records()).toBe(0)
  }, 30_000)

  it('finds its key while the message is not final, however old both are', async () => {
    const { air, alice, bob } = await pair()
    const node = new Around(alice)
    await bob.crash()
    const answer = { to: 'friend', body: { text: 'into the void' } }
    const first = await node.messages.send(answer, keyed('k'))
    // Nothing expires while the node has left its network.
    await node.days(40)
    expect(alice.store.journal.oldestSeq()).toBeGreaterThan(first.seq)
    expect(await node.records()).toBe(1)
    expect(await node.messages.send(answer, keyed('k'))).toEqual({ ...first, replayed: true })
    const id = fromBase64Url(first.messageId)
    await air.until(async () => (await alice.state(id)) === 'expired', 10)
    await node.upkeep()
    expect(await node.records()).toBe(0)
  }, 30_000)
})
