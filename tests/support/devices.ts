import {
  type Address,
  asNetworkId,
  type BoxBytes,
  type Clock,
  dayOf,
  equalBytes,
  type HearsayError,
  silentLogger,
  toHex,
} from '../../src/base/index.ts'
import {
  ConversationJobs,
  type ConversationOptions,
  Conversations,
  decodeInvitation,
  type JobRunner,
  type Message,
  MlsAdapter,
} from '../../src/conversation/index.ts'
import { addressesOf, claimPlace } from '../../src/conversation/rendezvous.ts'
import {
  type Batch,
  type JournalEvent,
  type MemoryDisk,
  memoryDisk,
  openMemoryStore,
  type Store,
  type StorePorts,
} from '../../src/store/index.ts'
import { parseBox, verifyBox } from '../../src/stream/index.ts'
import { copiedDisk } from './copied-disk.ts'
import { fakeJobs } from './fake-jobs.ts'
import { resetAddresses } from './reset-addresses.ts'
import { seededRng } from './seeded-rng.ts'
import { VirtualClock } from './virtual-clock.ts'

export const NETWORK_ID = asNetworkId(new Uint8Array(32).fill(9))
export const SLOT_MS = 250

export const OPTIONS: ConversationOptions = {
  networkId: NETWORK_ID,
  ttlDays: 2,
  windowSize: 8,
  ackSettleMs: 0,
  ackJitterMs: 0,
  ackRoundTripMs: 2000,
}

export interface Sent {
  readonly from: string
  readonly box: BoxBytes
  readonly at: number
}

/** Boxes that everybody hears: gossip and keepers in one, without a network. */
export class Air {
  readonly clock = new VirtualClock()
  readonly devices: Device[] = []
  /** Every box, by hexadecimal address, in the order of their publication. */
  readonly boxes = new Map<string, BoxBytes[]>()
  readonly sent: Sent[] = []
  /** The addresses that every holder of an invitation, or every device of an account, may write. */
  readonly claimAddresses = new Set<string>()
  /** Decides per box and device whether it is heard; by default always. */
  hears: (box: BoxBytes, to: Device) => boolean = () => true
  /** Whose addresses may carry two boxes: a device that was put back and cannot know it. */
  readonly putBack = new Set<string>()
  /** Whether look-ups reach the keepers. */
  keepers = true
  /** Questions to them: who asked, hexadecimal address, day. */
  readonly asked: string[] = []
  /** Which of the boxes that they had they still have: by default those whose day is not over. */
  stillKept: (box: BoxBytes) => boolean = (box) =>
    parseBox(box).expiryDay >= dayOf(this.clock.now())

  get lookUps(): number {
    return this.asked.length
  }

  /** What is left of the boxes of an address. */
  kept(address: Uint8Array): BoxBytes[] {
    return (this.boxes.get(toHex(address)) ?? []).filter((box) => this.stillKept(box))
  }

  /** One slot for every device: work, then one look-up and one box each. */
  async slot(ms = SLOT_MS): Promise<void> {
    await this.clock.advance(ms)
    for (const device of this.devices) if (device.up) await device.work()
    for (const device of this.devices) if (device.up) await device.publish()
  }

  /** Publishes a box. An address carries one box, once; only claim addresses carry several. */
  emit(from: string, box: BoxBytes): void {
    if (!verifyBox(NETWORK_ID, box)) throw new Error('a box that does not verify left a device')
    const key = toHex(parseBox(box).address)
    const known = this.boxes.get(key) ?? []
    if (known.length > 0 && !this.claimAddresses.has(key) && !this.putBack.has(from)) {
      throw new Error(`an address was used twice by ${from}`)
    }
    this.spread(from, box)
  }

  /** What gossip does with any valid box, also one that no honest device would send. */
  spread(from: string, box: BoxBytes): void {
    const key = toHex(parseBox(box).address)
    const known = this.boxes.get(key) ?? []
    this.sent.push({ from, box, at: this.clock.now() })
    this.boxes.set(key, [...known, box])
    for (const device of this.devices) {
      if (!device.up || !this.hears(box, device)) continue
      device.conversations.hear(box, {
        conflict: known.some((other) => !equalBytes(other, box)),
      })
    }
  }

  /** Boxes that left this device, from the `after`-th box of all on. */
  sentBy(device: Device, after = 0): number {
    return this.sent.slice(after).filter(({ from }) => from === device.name).length
  }

  async slots(count: number, ms?: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.slot(ms)
  }

  /** Runs slots until `done`, at most `limit`. */
  async until(done: () => boolean | Promise<boolean>, limit = 200, ms?: number): Promise<void> {
    for (let i = 0; i < limit; i++) {
      if (await done()) return
      await this.slot(ms)
    }
    throw new Error(`not done after ${limit} slots`)
  }
}

export interface DeviceOptions {
  /** The real post-quantum jobs; by default a fake of the same shape. */
  readonly realJobs?: boolean
  /** Changes what the jobs answer: a hostile or unlucky device. */
  readonly tamper?: (jobs: JobRunner) => JobRunner
  readonly options?: Partial<ConversationOptions>
  /** Another store than one in memory. */
  readonly open?: (ports: StorePorts) => Promise<Store>
  /** A clock of its own over that of the air. */
  readonly clock?: (clock: VirtualClock) => Clock
}

const NEVER = new Promise<never>(() => {})

export class Device {
  readonly air: Air
  readonly name: string
  disk: MemoryDisk = memoryDisk()
  readonly options: DeviceOptions
  up = true
  /** Whether the local store has what was published; false models a node that keeps nothing. */
  keeps = true
  linked = true
  /** Peers that take a box; 0 loses it. */
  peers = 1
  store!: Store
  conversations!: Conversations
  /** Crash right after this step: a commit or a publication. Nothing else changes what a crash leaves. */
  crashAt: number | undefined
  steps = 0
  #starts = 0
  #die: () => void = () => {}
  #died: Promise<void> = NEVER

  constructor(air: Air, name: string, options: DeviceOptions = {}) {
    this.air = air
    this.name = name
    this.options = options
  }

  /** What the local store gives out. */
  async find(addresses: readonly Address[]): Promise<BoxBytes[]> {
    return addresses.flatMap((address) => (this.keeps ? this.air.kept(address) : []))
  }

  /** Others have this box, which one peer alone was known to have. */
  confirm(box: BoxBytes): void {
    this.keeps = true
    this.conversations.confirmed(parseBox(box).address)
  }

  static async create(air: Air, name: string, options?: DeviceOptions): Promise<Device> {
    const device = new Device(air, name, options)
    await device.start()
    air.devices.push(device)
    return device
  }

  async start(opening: { restored?: boolean } = {}): Promise<void> {
    const clock = this.options.clock?.(this.air.clock) ?? this.air.clock
    const rng = seededRng(`${this.name}/${this.#starts++}`)
    const ports = { clock, rng, log: silentLogger }
    const real = this.options.realJobs === true
    const mls = new MlsAdapter({ rng, clock })
    const jobs: JobRunner = real ? new ConversationJobs({ mls, rng }) : fakeJobs(rng)
    this.#died = new Promise((resolve) => {
      this.#die = resolve
    })
    const open =
      this.options.open ?? (() => openMemoryStore(ports, { disk: this.disk, ...opening }))
    this.store = this.#watched(await open(ports))
    this.conversations = new Conversations(
      {
        ...ports,
        store: this.store,
        jobs: this.options.tamper?.(jobs) ?? jobs,
        boxes: { find: (addresses) => this.find(addresses) },
        linked: () => this.linked,
      },
      { ...OPTIONS, ...this.options.options },
    )
    this.up = true
    await this.#alive(this.conversations.start())
  }

  /**
   * Puts an old copy of the disk in place of the present one, and starts on it. Not `noticed`: as a machine that is put
   * back as a whole, from a snapshot.
   */
  async restore(copy: MemoryDisk, { noticed = true } = {}): Promise<void> {
    if (this.up) await this.crash()
    this.crashAt = undefined
    this.disk = await copiedDisk(copy)
    if (!noticed) this.air.putBack.add(this.name)
    await this.start({ restored: noticed })
    for (const device of this.air.devices) if (device.up) await device.noteResetPlaces()
  }

  /** Salted boxes may come under these addresses: every device that an account had may write there. */
  async noteResetPlaces(): Promise<void> {
    const places = await resetAddresses(this.store, NETWORK_ID, this.air.clock.now())
    for (const address of places) this.air.claimAddresses.add(address)
  }

  /** Ends the device as a crash would: nothing is flushed but what was committed. */
  async crash(): Promise<void> {
    this.up = false
    this.#die()
    await this.store.close()
  }

  async restart(): Promise<void> {
    this.crashAt = undefined
    await this.start()
    await this.noteResetPlaces()
  }

  /** Counts a step; at the chosen one the device is dead, and whoever waits for it waits for ever. */
  async #step(): Promise<void> {
    if (!this.up) await NEVER
    if (++this.steps !== this.crashAt) return
    this.up = false
    this.#die()
    await NEVER
  }

  /** Resolves when the work is done or the device has died over it. */
  async #alive<T>(work: Promise<T>): Promise<T | undefined> {
    return Promise.race([work, this.#died.then(() => undefined)])
  }

  /** Checks that a batch is committed in the turn in which it was filled, and crashes around commits. */
  #watched(store: Store): Store {
    const fresh = () => {
      const batch = store.batch()
      const commit = batch.commit.bind(batch)
      let filled = false
      const fill = () => {
        if (filled) return
        filled = true
        queueMicrotask(() => {
          if (filled) throw new Error('a batch was filled in one turn and committed in another')
        })
      }
      for (const name of ['put', 'del', 'putSecret', 'delSecret', 'append'] as const) {
        const original = batch[name].bind(batch) as (...args: unknown[]) => Batch
        Object.assign(batch, {
          [name]: (...args: unknown[]) => {
            fill()
            original(...args)
            return batch
          },
        })
      }
      return Object.assign(batch, {
        commit: async () => {
          filled = false
          if (!this.up) await NEVER
          const result = await commit()
          await this.#step()
          return result
        },
      })
    }
    return new Proxy(store, {
      get: (target, name) => {
        if (name === 'batch') return fresh
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
  }

  async work(): Promise<void> {
    await this.#alive(this.conversations.work(new AbortController().signal))
  }

  /** One look-up and one box. */
  async publish(): Promise<void> {
    const job = this.conversations.nextLookUp()
    if (job !== undefined) {
      this.air.asked.push(`${this.name} ${toHex(job.address)} ${job.day}`)
      const boxes = this.air
        .kept(job.address)
        .filter((box) => parseBox(box).expiryDay - OPTIONS.ttlDays === job.day)
      if (!this.air.keepers) job.done({ status: 'unreachable' })
      else job.done(boxes.length > 0 ? { status: 'found', boxes } : { status: 'not-found' })
    }
    await this.#alive(this.#publishBox())
  }

  async #publishBox(): Promise<void> {
    const box = await this.conversations.nextBox()
    if (box === undefined || !this.up) return
    if (this.peers > 0) this.air.emit(this.name, box)
    await this.#step()
    await this.conversations.published(box, this.peers > 0)
  }

  /** Does something that commits a batch, as an API call would. */
  async commit<T>(effect: (batch: Batch) => T): Promise<T> {
    const batch = this.store.batch()
    const result = effect(batch)
    await this.#alive(batch.commit())
    return result
  }

  async invite(alias = 'friend', ttlMs = 3_600_000): Promise<string> {
    const { uri } = await this.commit((batch) => this.conversations.invite(batch, { alias, ttlMs }))
    const { secret } = decodeInvitation(uri, NETWORK_ID, this.air.clock.now())
    for (const address of addressesOf(claimPlace(NETWORK_ID, secret))) {
      this.air.claimAddresses.add(toHex(address))
    }
    return uri
  }

  async add(uri: string, alias = 'friend'): Promise<void> {
    await this.commit((batch) => this.conversations.add(batch, { uri, alias }))
  }

  async send(text: string, to = 'friend', expiresInMs?: number): Promise<Uint8Array> {
    const message = await this.commit((batch) =>
      this.conversations.send(batch, { to, text, expiresInMs }),
    )
    return message.id
  }

  async state(id: Uint8Array): Promise<string> {
    return (await this.conversations.message(id)).state
  }

  phase(alias = 'friend'): string {
    const { phase, reason } = this.conversations.contact(alias)
    return reason === '' ? phase : `${phase}: ${reason}`
  }

  async received(): Promise<string[]> {
    const all = { direction: 'in' as const, reverse: false, from: undefined, limit: 10_000 }
    return (await this.conversations.messages(all)).map((message) => message.text)
  }

  /** Outgoing messages, oldest first. */
  async sentMessages(): Promise<Message[]> {
    const all = { direction: 'out' as const, reverse: false, from: undefined, limit: 10_000 }
    return this.conversations.messages(all)
  }

  async journal(...types: string[]): Promise<JournalEvent[]> {
    const found: JournalEvent[] = []
    let after = 0
    while (after < this.store.headSeq()) {
      const page = await this.store.journal.events(after, 500, ...(types.length > 0 ? [types] : []))
      found.push(...page.events)
      after = page.scannedTo
    }
    return found
  }

  async events(): Promise<string[]> {
    return (await this.journal()).map((event) => event.type)
  }
}

/** Two devices whose contact is ready. */
export async function pair(options?: {
  alice?: DeviceOptions
  bob?: DeviceOptions
}): Promise<{ air: Air; alice: Device; bob: Device }> {
  const air = new Air()
  const alice = await Device.create(air, 'alice', options?.alice)
  const bob = await Device.create(air, 'bob', options?.bob)
  await bob.add(await alice.invite())
  await air.until(() => alice.phase() === 'ready' && bob.phase() === 'ready')
  return { air, alice, bob }
}

/** The code of the HearsayError that `effect` throws. */
export async function codeOf(effect: () => unknown): Promise<string> {
  try {
    await effect()
  } catch (error) {
    return (error as HearsayError).code
  }
  return 'nothing thrown'
}
