import { asNetworkId, type BoxBytes, silentLogger, toHex } from '../../src/base/index.ts'
import {
  ConversationJobs,
  type ConversationOptions,
  Conversations,
  MlsAdapter,
} from '../../src/conversation/index.ts'
import { type MemoryDisk, memoryDisk, openMemoryStore, type Store } from '../../src/store/index.ts'
import { parseBox, verifyBox } from '../../src/stream/index.ts'
import { seededRng } from './seeded-rng.ts'
import { VirtualClock } from './virtual-clock.ts'

export const NETWORK_ID = asNetworkId(new Uint8Array(32).fill(9))

const OPTIONS: ConversationOptions = {
  networkId: NETWORK_ID,
  ttlDays: 2,
  windowSize: 32,
  ackSettleMs: 0,
  ackJitterMs: 0,
  ackRoundTripMs: 2000,
}

/** Boxes that everybody hears: gossip and keepers in one, without a network. */
export class Air {
  readonly clock = new VirtualClock()
  readonly devices: Device[] = []
  readonly boxes = new Map<string, BoxBytes[]>()
  /** Decides per box and device whether it is heard; by default always. */
  hears: (box: BoxBytes, to: Device) => boolean = () => true
  published = 0

  /** One slot for every device: work, then one box each. */
  async slot(ms = 250): Promise<void> {
    const signal = new AbortController().signal
    await this.clock.advance(ms)
    for (const device of this.devices) if (device.up) await device.conversations.work(signal)
    for (const device of this.devices) {
      if (!device.up) continue
      const box = await device.conversations.nextBox()
      if (box === undefined) continue
      this.emit(box)
      await device.conversations.published(box, 1)
    }
  }

  emit(box: BoxBytes): void {
    if (!verifyBox(NETWORK_ID, box)) throw new Error('a box that does not verify left a device')
    this.published++
    const key = toHex(parseBox(box).address)
    const known = this.boxes.get(key) ?? []
    this.boxes.set(key, [...known, box])
    for (const device of this.devices) {
      if (!device.up || !this.hears(box, device)) continue
      device.conversations.hear(box, {
        source: 'gossip',
        confirmed: true,
        conflict: known.length > 0,
      })
    }
  }

  async slots(count: number, ms?: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.slot(ms)
  }

  /** Runs slots until `done`, at most `limit`. */
  async until(done: () => boolean | Promise<boolean>, limit = 200): Promise<void> {
    for (let i = 0; i < limit; i++) {
      if (await done()) return
      await this.slot()
    }
    throw new Error(`not done after ${limit} slots`)
  }
}

export class Device {
  readonly air: Air
  readonly name: string
  readonly disk: MemoryDisk = memoryDisk()
  up = true
  /** Local boxes are those in the air; false models a node that keeps nothing. */
  keeps = true
  store!: Store
  conversations!: Conversations
  #starts = 0

  private constructor(air: Air, name: string) {
    this.air = air
    this.name = name
  }

  static async create(air: Air, name: string): Promise<Device> {
    const device = new Device(air, name)
    await device.start()
    air.devices.push(device)
    return device
  }

  async start(options: Partial<ConversationOptions> = {}): Promise<void> {
    const { clock } = this.air
    const rng = seededRng(`${this.name}/${this.#starts++}`)
    this.store = await openMemoryStore({ clock, rng, log: silentLogger }, { disk: this.disk })
    this.conversations = new Conversations(
      {
        clock,
        rng,
        log: silentLogger,
        store: this.store,
        jobs: new ConversationJobs({ mls: new MlsAdapter({ rng, clock }), rng }),
        boxes: {
          find: async (addresses) =>
            (this.keeps ? addresses : []).flatMap((address) =>
              (this.air.boxes.get(toHex(address)) ?? []).map((box) => ({ box, confirmed: true })),
            ),
        },
        linked: () => true,
      },
      { ...OPTIONS, ...options },
    )
    await this.conversations.start()
    this.up = true
  }

  /** Ends the device as a crash would: nothing is flushed but what was committed. */
  async crash(): Promise<void> {
    this.up = false
    await this.store.close()
  }

  async invite(alias = 'friend'): Promise<string> {
    const batch = this.store.batch()
    const { uri } = this.conversations.invite(batch, { alias, ttlMs: 3_600_000 })
    await batch.commit()
    return uri
  }

  async add(uri: string, alias = 'friend'): Promise<void> {
    const batch = this.store.batch()
    this.conversations.add(batch, { uri, alias })
    await batch.commit()
  }

  async send(text: string, to = 'friend'): Promise<Uint8Array> {
    const batch = this.store.batch()
    const message = this.conversations.send(batch, { to, text, expiresInMs: undefined })
    await batch.commit()
    return message.id
  }

  async received(): Promise<string[]> {
    const all = { direction: 'in' as const, reverse: false, from: undefined, limit: 10_000 }
    return (await this.conversations.messages(all)).map((message) => message.text)
  }

  async events(): Promise<string[]> {
    const { items } = await this.store.journal.events(0, 500)
    return items.map((event) => event.type)
  }
}

/** Two devices whose contact is ready. */
export async function pair(): Promise<{ air: Air; alice: Device; bob: Device }> {
  const air = new Air()
  const alice = await Device.create(air, 'alice')
  const bob = await Device.create(air, 'bob')
  await bob.add(await alice.invite())
  const ready = (device: Device) => device.conversations.contact('friend').phase === 'ready'
  await air.until(() => ready(alice) && ready(bob))
  return { air, alice, bob }
}
