import { describe, expect, it } from 'vitest'
import { type Address, type BoxBytes, silentLogger } from '../../../src/base/index.ts'
import { ADDRESSES_PER_TURN, BOXES_PER_TURN } from '../../../src/conversation/constants.ts'
import type { Contact } from '../../../src/conversation/contact.ts'
import { Ledger } from '../../../src/conversation/ledger.ts'
import { Listener } from '../../../src/conversation/listener.ts'
import { StreamReader } from '../../../src/conversation/reader.ts'
import { Watch } from '../../../src/conversation/watch.ts'
import { signKeyPairFromSeed } from '../../../src/crypto/index.ts'
import { openMemoryStore } from '../../../src/store/index.ts'
import { coverBox, firstChain, parseBox } from '../../../src/stream/index.ts'
import { NETWORK_ID, OPTIONS } from '../../support/devices.ts'
import { seededRng } from '../../support/seeded-rng.ts'
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
  return new Ledger({ store, rng }, { ...READER, ackRoundTripMs: OPTIONS.ackRoundTripMs })
}

function contact(of: Ledger, streams: StreamReader, claims: StreamReader[] = []): Contact {
  const made = of.create(
    {
      alias: 'friend',
      role: 'inviter',
      inviteId: '',
      createdAt: 0,
      inviteExpiresAt: 0,
      phase: 'ready',
      reason: '',
      verified: false,
      boxesDone: 0,
      lastHeardAt: 0,
      heardDay: 0,
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
    const owner = contact(book, reader('0.1'))
    const listener = new Listener(
      { ledger: book, watch, boxes: { find: async () => [] } },
      { ...OPTIONS },
    )
    const boxes: BoxBytes[] = []
    for (let index = 0; index < 2 * BOXES_PER_TURN + 1; index++) {
      const box = coverBox({ networkId: NETWORK_ID, expiryDay: 9, rng })
      watch.add(parseBox(box).address, { kind: 'stream', contact: owner, tag: '0.1', index })
      listener.hear(box, { confirmed: true, conflict: false })
      boxes.push(box)
    }
    const read = [listener.takeHeard(), listener.takeHeard(), listener.takeHeard()]
    expect(read.map((turn) => turn.length)).toEqual([BOXES_PER_TURN, BOXES_PER_TURN, 1])
    expect(read.flat().map(({ box }) => box)).toEqual(boxes)
    expect(listener.takeHeard()).toEqual([])
  })
})
