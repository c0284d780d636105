import { describe, expect, it } from 'vitest'
import { type Address, type BoxBytes, silentLogger } from '../../../src/base/index.ts'
import { LOST_CARD } from '../../../src/conversation/blanks.ts'
import {
  ADDRESSES_PER_TURN,
  BOXES_PER_TURN,
  RECORDS_PER_TURN,
} from '../../../src/conversation/constants.ts'
import type { Contact } from '../../../src/conversation/contact.ts'
import type { Ledger } from '../../../src/conversation/ledger.ts'
import { Listener } from '../../../src/conversation/listener.ts'
import { StreamReader } from '../../../src/conversation/reader.ts'
import { Watch } from '../../../src/conversation/watch.ts'
import { signKeyPairFromSeed } from '../../../src/crypto/index.ts'
import {
  type Batch,
  openMemoryStore,
  type Store,
  type StorePorts,
} from '../../../src/store/index.ts'
import { coverBox, firstChain, parseBox } from '../../../src/stream/index.ts'
import { type DeviceOptions, NETWORK_ID, OPTIONS, pair } from '../../support/devices.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { storedLedger } from '../../support/stored-ledger.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const rng = seededRng('turns')
const { publicKey: ROOT } = signKeyPairFromSeed(rng.bytes(32))
const WINDOW = 4 * ADDRESSES_PER_TURN
const READER = { ...OPTIONS, windowSize: WINDOW }

function reader(...tags: string[]): StreamReader {
  const made = new StreamReader(READER)
  for (const tag of tags) made.open(tag, ROOT, firstChain(rng.bytes(32)))
  return made
}

async function ledger(): Promise<Ledger> {
  const store = await openMemoryStore({ clock: new VirtualClock(), rng, log: silentLogger })
  return storedLedger(store, { ...READER, ackRoundTripMs: OPTIONS.ackRoundTripMs })
}

function contact(of: Ledger, streams: StreamReader, claims: StreamReader[] = []): Contact {
  const made = of.create(
    {
      ...LOST_CARD,
      alias: 'friend',
      phase: 'ready',
    },
    { deviceId: rng.bytes(16), inviterRoot: ROOT },
  )
  made.reader = streams
  for (const [number, claim] of claims.entries()) made.claims.set(`${number}`, claim)
  return made
}

/** Addresses that each turn has added, until there is nothing left to derive. */
function turns(watch: Watch): Address[][] {
  const added: Address[][] = []
  while (watch.fill()) added.push(watch.takeFresh())
  added.push(watch.takeFresh())
  return added
}

describe('windows', () => {
  it('are filled a few addresses at a time, all epochs and all candidates of all contacts', async () => {
    const book = await ledger()
    const watch = new Watch()
    const streams = [reader('0.1', '0.2'), reader('0.1')]
    const claim = reader('r')
    const contacts = [contact(book, streams[0]!, [claim]), contact(book, streams[1]!)]
    for (const each of contacts) watch.widen(each)
    const added = turns(watch)
    expect(added.every((turn) => turn.length <= ADDRESSES_PER_TURN)).toBe(true)
    expect(added.flat()).toHaveLength(4 * WINDOW)
    for (const [number, each] of streams.entries()) {
      expect(each.isFull).toBe(true)
      for (const { address, tag, index } of each.watched()) {
        expect(watch.find(address)).toEqual({
          kind: 'stream',
          contact: contacts[number],
          reader: each,
          tag,
          index,
        })
      }
    }
    for (const { address } of claim.watched()) {
      expect(watch.find(address)).toMatchObject({ kind: 'candidate', claimer: '0' })
    }
  })

  it('of a contact that is removed meanwhile are left alone', async () => {
    const book = await ledger()
    const watch = new Watch()
    const [gone, stays] = [contact(book, reader('0.1')), contact(book, reader('0.1'))]
    for (const each of [gone, stays]) watch.widen(each)
    expect(watch.fill()).toBe(true)
    watch.removeContact(gone)
    gone.reader?.clear()
    turns(watch)
    expect(gone.reader?.watched()).toEqual([])
    expect(stays.reader?.isFull).toBe(true)
  })
})

describe('boxes that were heard', () => {
  it('are read a few at a time, in the order in which they came', async () => {
    const book = await ledger()
    const watch = new Watch()
    const stream = reader('0.1')
    const owner = contact(book, stream)
    const listener = new Listener({ watch, boxes: { find: async () => [] } }, { ...OPTIONS })
    const boxes: BoxBytes[] = []
    for (let index = 0; index < 2 * BOXES_PER_TURN + 1; index++) {
      const box = coverBox({ networkId: NETWORK_ID, expiryDay: 9, rng })
      const ref = { kind: 'stream', contact: owner, reader: stream, tag: '0.1', index } as const
      watch.add(parseBox(box).address, ref)
      listener.hear(box, false)
      boxes.push(box)
    }
    const read = [listener.takeHeard(), listener.takeHeard(), listener.takeHeard()]
    expect(read.map((turn) => turn.length)).toEqual([BOXES_PER_TURN, BOXES_PER_TURN, 1])
    expect(read.flat().map(({ box }) => box)).toEqual(boxes)
    expect(listener.takeHeard()).toEqual([])
  })
})

/** A device whose store notes how many events each batch brings. */
function watched(): { options: DeviceOptions; events: number[] } {
  const events: number[] = []
  const open = async (ports: StorePorts): Promise<Store> => {
    const store = await openMemoryStore(ports)
    const fresh = store.batch.bind(store)
    const batch = (): Batch => {
      const made = fresh()
      const [append, commit] = [made.append.bind(made), made.commit.bind(made)]
      let count = 0
      return Object.assign(made, {
        append: (...event: Parameters<Batch['append']>) => {
          count++
          return append(...event)
        },
        commit: () => {
          events.push(count)
          return commit()
        },
      })
    }
    return Object.assign(store, { batch })
  }
  return { options: { open }, events }
}

describe('a box full of short texts', () => {
  const TEXTS = 3 * RECORDS_PER_TURN
  const texts = Array.from({ length: TEXTS }, (_, number) => `text ${number}`)

  async function sent(options?: Parameters<typeof pair>[0]) {
    const made = await pair(options)
    await made.air.slots(10)
    for (const text of texts) await made.alice.send(text)
    return made
  }

  it('takes effect a few texts at a time, in order, and its ack ends a few at a time', async () => {
    const [writer, reader] = [watched(), watched()]
    const { air, alice, bob } = await sent({ alice: writer.options, bob: reader.options })
    await air.until(async () => (await bob.received()).length === TEXTS)
    expect(await bob.received()).toEqual(texts)
    expect(Math.max(...reader.events)).toBe(RECORDS_PER_TURN)
    // What left in one box says so in one batch; what is acknowledged does not.
    const before = writer.events.length
    await air.until(async () => (await alice.sentMessages()).every((m) => m.state === 'delivered'))
    const acked = writer.events.slice(before)
    expect(acked.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(RECORDS_PER_TURN)
    expect(Math.max(...acked)).toBe(RECORDS_PER_TURN)
  })

  it('is shown whole, each text once, when its reader crashes between two batches', async () => {
    for (const after of [1, 2, 3, 4]) {
      const { air, alice, bob } = await sent()
      bob.crashAt = bob.steps + after
      await air.until(() => !bob.up)
      await bob.restart()
      await air.until(async () => (await bob.received()).length === TEXTS)
      expect(await bob.received()).toEqual(texts)
      await air.until(async () =>
        (await alice.sentMessages()).every((m) => m.state === 'delivered'),
      )
    }
  })

  it('is acknowledged whole when its writer crashes between two batches', async () => {
    const { air, alice, bob } = await sent()
    await air.until(async () => (await bob.received()).length === TEXTS)
    const delivered = async () =>
      (await alice.sentMessages()).filter((message) => message.state === 'delivered').length
    // From the first texts that are acknowledged, the next commit is the crash.
    await air.until(async () => {
      if (alice.crashAt === undefined && (await delivered()) > 0) alice.crashAt = alice.steps + 1
      return (await delivered()) > 0
    })
    if (!alice.up || alice.crashAt !== undefined) {
      await air.until(() => !alice.up)
      await alice.restart()
    }
    await air.until(async () => (await delivered()) === TEXTS, 1_000)
    expect(await bob.received()).toEqual(texts)
  })
})
