import { afterEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../../../src/base/index.ts'
import { STORED_BYTES_MAX } from '../../../src/conversation/constants.ts'
import { MlsAdapter, Removals } from '../../../src/conversation/index.ts'
import {
  advanceChain,
  type BoxKeys,
  type ChainState,
  copyChain,
  openBox,
  Reassembler,
} from '../../../src/stream/index.ts'
import { decodeCbor } from '../../../src/wire/index.ts'
import { Air, Device, NETWORK_ID, OPTIONS } from '../../support/devices.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { storedLedger } from '../../support/stored-ledger.ts'
import { type StolenHome, WatchedHome } from '../../support/thief.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const BOXES = 50
const FURTHER = 8

const homes: { remove(): Promise<void> }[] = []
const devices: Device[] = []
afterEach(async () => {
  for (const device of devices.splice(0)) await device.crash()
  for (const home of homes.splice(0)) await home.remove()
})

async function contactIn(store: Device['store']) {
  const ledger = await storedLedger(store, OPTIONS)
  const [contact] = [...ledger.contacts.values()]
  if (contact === undefined) throw new Error('no contact')
  return contact
}

/** Deletes the history of the contact: messages, events that mention it, and the tables that held them. */
async function deleteHistory(device: Device): Promise<void> {
  const removals = new Removals({ store: device.store })
  while (await removals.eraseSome(device.conversations.contact('friend').id)) continue
  for (const { seq } of await device.journal()) await device.store.batch().redact(seq).commit()
  await device.store.compact()
}

function step(chain: ChainState): { keys: BoxKeys; next: ChainState; secrets: Buffer[] } {
  const chainKey = Buffer.from(chain.chainKey.slice())
  const { keys, next } = advanceChain(chain)
  return { keys, next, secrets: [chainKey, Buffer.from(keys.key), Buffer.from(keys.blind)] }
}

/** Alice has sent `BOXES` boxes to bob in one epoch, a text each, and all were acknowledged. */
async function fiftyBoxes() {
  const air = new Air()
  const [aliceHome, bobHome] = [await WatchedHome.create(), await WatchedHome.create()]
  homes.push(aliceHome, bobHome)
  const on = (home: WatchedHome) => ({
    realJobs: true,
    open: (ports: Parameters<WatchedHome['open']>[0]) => home.open(ports),
  })
  const alice = await Device.create(air, 'alice', on(aliceHome))
  const bob = await Device.create(air, 'bob', on(bobHome))
  devices.push(alice, bob)
  await bob.add(await alice.invite())
  await air.until(() => alice.phase() === 'ready' && bob.phase() === 'ready')
  await air.slots(6)
  const { writer } = await contactIn(alice.store)
  if (writer === undefined) throw new Error('no stream')
  const start = copyChain(writer.state.epoch.chain)
  const talk = async (from: number, count: number) => {
    for (let i = from; i < from + count; i++) {
      await alice.send(textOf(i))
      await air.slot()
    }
    await air.until(() => alice.conversations.outbox().length === 0, 20)
  }
  await talk(0, BOXES)
  return { air, alice, bob, aliceHome, bobHome, start, talk }
}

/** What opens the first fifty boxes: their keys, all secrets they come from, and the chain key after them. */
function secretsFrom(start: ChainState) {
  const secrets: Buffer[] = []
  const keys: BoxKeys[] = []
  let chain = copyChain(start)
  for (let i = 0; i < BOXES; i++) {
    const done = step(chain)
    secrets.push(...done.secrets)
    keys.push(done.keys)
    chain = done.next
  }
  return { secrets, keys, current: Buffer.from(chain.chainKey.slice()) }
}

async function searched(home: StolenHome, secrets: readonly Buffer[]): Promise<string[]> {
  const { raw, opened } = await home.contents()
  const found = secrets.filter((secret) => [raw, ...opened].some((part) => part.includes(secret)))
  return found.map((secret) => secret.toString('latin1'))
}

const textOf = (i: number) => `the text of box ${String(i).padStart(3, '0')}, for nobody else`

describe('a byte copy of a home after fifty boxes, the history deleted', () => {
  it('opens none of them on either side, by any key in it, and the next ones only', async () => {
    const { air, alice, bob, aliceHome, bobHome, start, talk } = await fiftyBoxes()
    await deleteHistory(alice)
    await deleteHistory(bob)
    const stolen = [await aliceHome.steal(), await bobHome.steal()] as const
    homes.push(...stolen)
    await talk(BOXES, FURTHER)

    const { secrets, keys, current } = secretsFrom(start)
    const texts = Array.from({ length: BOXES }, (_, i) => Buffer.from(textOf(i)))
    const boxes = air.sent.filter(({ from }) => from === 'alice').map(({ box }) => box)
    // These are the keys: with them the recorded boxes would open.
    const seventh = keys[7] as BoxKeys
    const box = boxes.find((candidate) => opens(seventh, candidate))
    expect(textsIn(box, seventh)).toContain(textOf(7))

    for (const home of stolen) {
      expect(await searched(home, [...secrets, ...texts])).toEqual([])
      // The search works: the present chain key is there, under a key of the shelf.
      expect(await searched(home, [current])).toHaveLength(1)
    }
    await expectOnlyLaterBoxes(stolen[0], boxes, 'writer')
    await expectOnlyLaterBoxes(stolen[1], boxes, 'reader')
  })

  it('would show texts while the history is there, and after deletion without a compaction', async () => {
    const { alice, aliceHome, start } = await fiftyBoxes()
    const before = await aliceHome.steal()
    homes.push(before)
    // Keys do not wait for that: they are gone with every box, without any clearing up.
    expect(await searched(before, secretsFrom(start).secrets)).toEqual([])
    const shows = async (home: StolenHome, i: number) =>
      (await searched(home, [Buffer.from(textOf(i))])).length === 1
    expect(await shows(before, 3)).toBe(true)
    const compact = alice.store.compact.bind(alice.store)
    const lazy = new Proxy(alice.store, {
      get: (target, name) => {
        if (name === 'compact') return async () => {}
        return Reflect.get(target, name, target) as unknown
      },
    })
    alice.store = lazy
    await deleteHistory(alice)
    const deleted = await aliceHome.steal()
    homes.push(deleted)
    // Deleted rows lie in LevelDB's files until they are rewritten: why deleting a history compacts.
    expect(await shows(deleted, 3)).toBe(true)
    await compact()
    const compacted = await aliceHome.steal()
    homes.push(compacted)
    expect(await shows(compacted, 3)).toBe(false)
  })
})

function opens(keys: BoxKeys, box: Parameters<typeof openBox>[2]): boolean {
  try {
    openBox(NETWORK_ID, keys, box)
    return true
  } catch {
    return false
  }
}

function textsIn(box: Uint8Array | undefined, keys: BoxKeys): unknown[] {
  if (box === undefined) return []
  const records = new Reassembler().accept(0, openBox(NETWORK_ID, keys, box))
  return records.map(({ bytes }) => {
    const items = decodeCbor(bytes, { maxBytes: STORED_BYTES_MAX })
    return Array.isArray(items) ? items[2] : undefined
  })
}

/** Opens the copy with the program: its chain gives the boxes after the theft and none before. */
async function expectOnlyLaterBoxes(
  home: StolenHome,
  boxes: readonly Uint8Array[],
  role: 'writer' | 'reader',
): Promise<void> {
  const ports = { clock: new VirtualClock(), rng: seededRng('thief'), log: silentLogger }
  const store = await home.open(ports)
  const { writer, reader, keys } = await contactIn(store)
  const texts: unknown[] = []
  if (role === 'writer') {
    let chain = writer?.state.epoch.chain as ChainState
    for (let i = 0; i < FURTHER; i++) {
      const done = step(chain)
      const box = boxes.find((candidate) => opens(done.keys, candidate))
      texts.push(...textsIn(box, done.keys))
      chain = done.next
    }
  } else {
    for (const box of boxes) {
      for (const { tag, index } of reader?.watched() ?? []) {
        try {
          const accepted = reader?.accept(tag, index, box as never)
          if (accepted?.fresh !== true) continue
          const record = reader?.next()
          if (record === undefined) continue
          const items = decodeCbor(record.bytes, { maxBytes: STORED_BYTES_MAX })
          texts.push(Array.isArray(items) ? items[2] : undefined)
          reader?.applied(record.seq)
          break
        } catch {
          // Another box.
        }
      }
    }
  }
  expect(texts).toEqual(Array.from({ length: FURTHER }, (_, i) => textOf(BOXES + i)))
  // Nor does the MLS state give the secret of the epoch again.
  const mls = new MlsAdapter({ rng: seededRng('mls'), clock: ports.clock })
  for (const group of [keys.ownGroup, keys.peerGroup]) {
    const state = group?.state ?? new Uint8Array()
    const again = mls.exportStream({ state })
    await expect(again).rejects.toMatchObject({ details: { reason: 'already-exported' } })
  }
  await store.close()
}
