import { afterEach, describe, expect, it } from 'vitest'
import { equalBytes } from '../../../src/base/index.ts'
import { LOST_CARD } from '../../../src/conversation/blanks.ts'
import { ROWS_PER_TURN } from '../../../src/conversation/constants.ts'
import { StreamReader } from '../../../src/conversation/reader.ts'
import { BUCKETS, memoryDisk, openMemoryStore, type Store } from '../../../src/store/index.ts'
import { MAX_PADDED_BYTES } from '../../../src/stream/index.ts'
import { damage } from '../../support/copied-disk.ts'
import { type Air, type Device, OPTIONS, pair } from '../../support/devices.ts'
import { hostileStream } from '../../support/hostile-stream.ts'
import { storePorts } from '../../support/store-contract.ts'
import { storedLedger } from '../../support/stored-ledger.ts'
import { WatchedHome } from '../../support/thief.ts'

const CARD = {
  ...LOST_CARD,
  alias: 'friend',
  phase: 'exchanging',
} as const
const FEW = 3
const LONG = 'long '.repeat(13_000)

async function rowKeys({ store }: { readonly store: Store }): Promise<Uint8Array[]> {
  const keys: Uint8Array[] = []
  for await (const key of store.keys(BUCKETS.partialRecords)) keys.push(key)
  return keys
}

/** Of what alice sends from now on, bob never hears the boxes that are chosen, counted from 0. */
function lose(air: Air, bob: Device, isLost: (place: number) => boolean): void {
  let place = 0
  bob.keeps = false
  air.keepers = false
  air.hears = (_, to) => {
    const isOfAlice = air.sent.at(-1)?.from === 'alice'
    return to !== bob || !isOfAlice || !isLost(place++)
  }
}

/**
 * Those of `before` that are still there, and whether few are: an offer goes on until its ack comes, and what it
 * brings of a record that is known stays until the next offer or for thousands of boxes.
 */
async function leftOf(before: readonly Uint8Array[], bob: Device) {
  const now = await rowKeys(bob)
  const left = before.filter((key) => now.some((each) => equalBytes(each, key)))
  return { left, few: now.length <= FEW }
}

async function arrived(air: Air, alice: Device): Promise<void> {
  await air.until(() => alice.conversations.outbox().length === 0, 400)
}

/** Bob holds most of a long text, and a short one that waits for it. */
async function holding(options?: Parameters<typeof pair>[0]) {
  const devices = await pair(options)
  const { air, alice, bob } = devices
  await air.slots(6)
  lose(air, bob, (place) => place === 3)
  await alice.send(LONG)
  await alice.send('short')
  await air.until(async () => (await rowKeys(bob)).length > 30)
  return devices
}

describe('what a reader holds', () => {
  it('is in a row for each box, survives a crash, and goes when it was applied', async () => {
    const { air, alice, bob } = await holding()
    const before = await rowKeys(bob)
    expect(new Set(before.map(({ length }) => length))).toEqual(new Set([16 + 20 + 4]))
    await bob.crash()
    await bob.restart()
    expect(await rowKeys(bob)).toEqual(before)
    await arrived(air, alice)
    expect(await bob.received()).toEqual([LONG, 'short'])
    await air.slots(2)
    expect(await leftOf(before, bob)).toEqual({ left: [], few: true })
  })

  it('comes with the next offer when every row is damaged, and nobody makes new keys', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(6)
    lose(air, bob, (place) => place === 3)
    await alice.send(LONG)
    await air.until(async () => (await rowKeys(bob)).length > 30)
    const before = await rowKeys(bob)
    await bob.crash()
    await damage(bob.disk, BUCKETS.partialRecords)
    await bob.restart()
    expect(bob.phase()).toBe('ready')
    await arrived(air, alice)
    expect(await bob.received()).toEqual([LONG])
    await air.slots(2)
    expect(await leftOf(before, bob)).toEqual({ left: [], few: true })
    expect(await bob.journal('contact.recovering', 'message.gap')).toEqual([])
  })

  it('is erased when the state with its keys is damaged', async () => {
    const { air, alice, bob } = await holding()
    await bob.crash()
    await damage(bob.disk, BUCKETS.readWindows)
    await bob.restart()
    await air.until(() => bob.phase() === 'ready' && alice.phase() === 'ready', 400)
    await arrived(air, alice)
    expect((await bob.received()).toSorted()).toEqual([LONG, 'short'])
    await air.slots(3)
    expect(await rowKeys(bob)).toEqual([])
  })

  it('is erased with the contact, a few rows at a time', async () => {
    const disk = memoryDisk()
    const open = async () => {
      const store = await openMemoryStore(storePorts, { disk })
      return { store, ledger: await storedLedger(store, OPTIONS) }
    }
    const { store, ledger } = await open()
    const contact = ledger.create({ ...CARD }, { deviceId: new Uint8Array(16) })
    contact.reader = new StreamReader(OPTIONS)
    const box = hostileStream(contact.reader, '0.0', OPTIONS)
    const count = 3 * ROWS_PER_TURN
    for (let i = 0; i < count; i++) {
      box([{ seq: 1, total: MAX_PADDED_BYTES, offset: i * 100, data: new Uint8Array(100) }])
      const batch = store.batch()
      ledger.saveAll(batch, contact)
      await batch.commit()
    }
    expect(await rowKeys({ store })).toHaveLength(count)
    const batch = store.batch()
    ledger.eraseStreams(batch, contact)
    ledger.remove(batch, contact)
    await batch.commit()
    expect(await rowKeys({ store })).toHaveLength(count - ROWS_PER_TURN)
    // A stop forgets which were to go.
    await store.close()
    const again = await open()
    const sweep = async () => {
      const next = again.store.batch()
      const any = again.ledger.sweep(next)
      await next.commit()
      return any
    }
    expect([await sweep(), await sweep(), await sweep()]).toEqual([true, true, false])
    expect(await rowKeys(again)).toEqual([])
    await again.store.close()
  })

  it('is not taken from rows that nobody stored', async () => {
    const { air, alice, bob } = await holding()
    const before = await rowKeys(bob)
    const [key] = before
    if (key === undefined) throw new Error('no row')
    const ofNobody = key.map((byte, i) => (i < 16 ? byte ^ 1 : byte))
    const unknown = key.map((byte, i) => (i === 20 ? byte ^ 1 : byte))
    const further = key.with(-2, 255)
    await bob.commit((batch) => {
      const noise = new Uint8Array(100)
      for (const stray of [ofNobody, unknown, further]) {
        batch.put(BUCKETS.partialRecords, stray, noise)
      }
    })
    await bob.crash()
    await bob.restart()
    await air.slot()
    expect((await leftOf([ofNobody, unknown], bob)).left).toEqual([])
    await arrived(air, alice)
    expect(await bob.received()).toEqual([LONG, 'short'])
    await air.slots(2)
    expect(await leftOf([...before, further], bob)).toEqual({ left: [], few: true })
  })
})

it('a crash at any step neither loses nor repeats what comes in several boxes', async () => {
  const text = LONG.slice(0, 6000)
  const run = async (crashAt: number | undefined) => {
    const { air, alice, bob } = await pair()
    await air.slots(6)
    lose(air, bob, (place) => place === 1)
    bob.steps = 0
    bob.crashAt = crashAt
    await alice.send(text)
    await alice.send('short')
    for (let slot = 0; slot < 300 && alice.conversations.outbox().length > 0; slot++) {
      await air.slot()
      if (!bob.up) await bob.restart()
    }
    await air.slots(3)
    const few = (await rowKeys(bob)).length <= FEW
    return { texts: await bob.received(), few, steps: bob.steps }
  }
  const { steps, ...whole } = await run(undefined)
  expect(whole).toEqual({ texts: [text, 'short'], few: true })
  expect(steps).toBeGreaterThan(8)
  for (let crashAt = 1; crashAt <= Math.min(steps, 40); crashAt++) {
    const { texts, few } = await run(crashAt)
    expect({ crashAt, texts, few }).toEqual({ crashAt, texts: [text, 'short'], few: true })
  }
})

describe('a byte copy of the home', () => {
  const stolen: { remove(): Promise<void> }[] = []
  afterEach(async () => {
    for (const each of stolen.splice(0)) await each.remove()
  })

  it('has the key of what waits, and after it was applied the row without a key', async () => {
    const home = await WatchedHome.create()
    stolen.push(home)
    const { air, alice, bob } = await holding({ bob: { open: (ports) => home.open(ports) } })
    // LevelDB's log is in blocks, and a row may lie across two of them.
    const beginnings: Buffer[] = []
    for await (const [, row] of bob.store.iterate(BUCKETS.partialRecords, { limit: 8 })) {
      beginnings.push(Buffer.from(row.subarray(0, 200)))
    }
    const ledger = await storedLedger(bob.store, OPTIONS)
    const [contact] = ledger.contacts.values()
    const state = contact?.reader?.encode()
    if (!Array.isArray(state)) throw new Error('no reader')
    const epochs = state[4] as [string, Uint8Array, Uint8Array][]
    // Of the one record that is not whole.
    const partials = epochs.map((each) => each[2]).find(({ length }) => length > 32)
    const key = Buffer.from(partials?.subarray(-32) ?? [])
    expect(key).toHaveLength(32)
    const before = await home.steal()
    await arrived(air, alice)
    expect(await bob.received()).toEqual([LONG, 'short'])
    await air.slots(2)
    const after = await home.steal()
    stolen.push(before, after)
    const has = async (copy: typeof before) => {
      const { raw, opened } = await copy.contents()
      const isThere = (bytes: Buffer) => [raw, ...opened].some((part) => part.includes(bytes))
      return [beginnings.some(isThere), isThere(key)]
    }
    expect(await has(before)).toEqual([true, true])
    expect(await has(after)).toEqual([true, false])
    await bob.crash()
  })
})
