import { describe, expect, it } from 'vitest'
import { equalBytes, HOUR_MS, isHearsayError, toBase64Url } from '../../../src/base/index.ts'
import {
  OUTBOX_BYTES_MAX,
  OUTBOX_RECORDS_MAX,
  OUTBOX_TOTAL_BYTES_MAX,
  OUTBOX_TOTAL_RECORDS_MAX,
} from '../../../src/conversation/constants.ts'
import {
  checkRoom,
  filledBy,
  type Holder,
  type Load,
  loadOf,
} from '../../../src/conversation/outbox-limits.ts'
import { BUCKETS } from '../../../src/store/index.ts'
import { damage } from '../../support/copied-disk.ts'
import { codeOf, Device, OPTIONS, pair } from '../../support/devices.ts'
import { storedLedger } from '../../support/stored-ledger.ts'

const TEXT_BYTES = 65_000
const OF_CONTACT = 'wait for this contact'
const OF_ALL = 'wait for all contacts together'

const holder = (records: number, bytes = 0): Holder => ({
  writer: { waiting: records },
  outboxBytes: bytes,
})

/** Why one more text of a contact is refused, and the limit that it names; undefined when it is not. */
function refusal(others: readonly Holder[], contact: Holder, bytes = 1) {
  const error = quota(others, contact, bytes)
  return error && [error.message, error.details['limit']]
}

function quota(others: readonly Holder[], contact: Holder, bytes: number) {
  try {
    checkRoom([...others, contact], contact, bytes)
  } catch (error) {
    if (!isHearsayError(error, 'quota-exceeded')) throw error
    return error
  }
  return undefined
}

/** What contacts have who take all that they are given, in turns. */
function greedy(count: number): Holder[] {
  const held = Array.from({ length: count }, () => holder(0))
  for (let refused = 0; refused < count; ) {
    refused = 0
    for (const [index, each] of held.entries()) {
      const others = held.filter((other) => other !== each)
      if (refusal(others, each, TEXT_BYTES) === undefined) {
        held[index] = holder(each.writer?.waiting ?? 0, each.outboxBytes + TEXT_BYTES)
      } else refused++
    }
  }
  return held
}

describe('the limits of the outbox', () => {
  it('of one contact are the number of its records and the bytes of its texts', () => {
    expect(refusal([], holder(OUTBOX_RECORDS_MAX - 1))).toBeUndefined()
    const records = [`too many messages ${OF_CONTACT}`, OUTBOX_RECORDS_MAX]
    expect(refusal([], holder(OUTBOX_RECORDS_MAX))).toEqual(records)
    expect(refusal([], holder(1, OUTBOX_BYTES_MAX - 9), 9)).toBeUndefined()
    const bytes = [`messages of too many bytes ${OF_CONTACT}`, OUTBOX_BYTES_MAX]
    expect(refusal([], holder(1, OUTBOX_BYTES_MAX - 9), 10)).toEqual(bytes)
  })

  it('hold for all contacts together, also for one of whom nothing waits', () => {
    const many = Array.from({ length: 4 }, () => holder(OUTBOX_RECORDS_MAX))
    const records = [`too many messages ${OF_ALL}`, OUTBOX_TOTAL_RECORDS_MAX]
    expect(refusal([...many, holder(OUTBOX_RECORDS_MAX - 1)], holder(0))).toBeUndefined()
    expect(refusal([...many, holder(OUTBOX_RECORDS_MAX)], holder(0))).toEqual(records)
    const large = [holder(1, OUTBOX_BYTES_MAX), holder(1, OUTBOX_BYTES_MAX - 9)]
    const bytes = [`messages of too many bytes ${OF_ALL}`, OUTBOX_TOTAL_BYTES_MAX]
    expect(refusal(large, holder(0), 9)).toBeUndefined()
    expect(refusal(large, holder(0), 10)).toEqual(bytes)
  })

  it('say whether it is this contact alone that gets no more', () => {
    const of = (others: readonly Holder[], contact: Holder, bytes = 1) =>
      quota(others, contact, bytes)?.details['of']
    expect(of([], holder(OUTBOX_RECORDS_MAX))).toBe('contact')
    expect(of([], holder(1, OUTBOX_BYTES_MAX))).toBe('contact')
    const others = [holder(1, OUTBOX_BYTES_MAX)]
    // There is room for it, and its share is used up.
    expect(of(others, holder(1, OUTBOX_BYTES_MAX - 9), 9)).toBe('contact')
    expect(of([...others, holder(1, OUTBOX_BYTES_MAX - 9)], holder(0), 10)).toBe('all')
    const many = Array.from({ length: 5 }, () => holder(OUTBOX_RECORDS_MAX))
    expect(of(many, holder(0))).toBe('all')
  })

  it('count a contact without a stream as nothing', () => {
    const ended: Holder = { writer: undefined, outboxBytes: 0 }
    expect(loadOf([ended, holder(3, 7), holder(4, 8)])).toEqual({ records: 7, bytes: 15 })
  })

  it.each([2, 5, 40])('leave room for a newcomer when %d contacts take all they get', (count) => {
    const held = greedy(count)
    const free = OUTBOX_TOTAL_BYTES_MAX - loadOf(held).bytes
    expect(free).toBeGreaterThanOrEqual(OUTBOX_TOTAL_BYTES_MAX / (2 * count + 1) - TEXT_BYTES)
    expect(refusal(held, holder(0), TEXT_BYTES)).toBeUndefined()
    const [first, ...others] = held
    expect(refusal(others, first as Holder, TEXT_BYTES)?.[0]).toContain(OF_ALL)
  })

  it('leave a contact all of its own while little waits for others: it cannot tell how much', () => {
    const others = [holder(1, OUTBOX_TOTAL_BYTES_MAX / 4)]
    expect(refusal(others, holder(1, OUTBOX_BYTES_MAX - 9), 9)).toBeUndefined()
    const records = [holder(0.7 * OUTBOX_TOTAL_RECORDS_MAX)]
    expect(refusal(records, holder(OUTBOX_RECORDS_MAX - 1))).toBeUndefined()
  })

  it('let a home that is beyond them write again once it is below', () => {
    const before = [holder(OUTBOX_RECORDS_MAX * 9)]
    expect(refusal(before, holder(0))?.[0]).toContain(OF_ALL)
    expect(filledBy(loadOf(before))).toBe(1.8)
    expect(refusal([holder(OUTBOX_RECORDS_MAX)], holder(0))).toBeUndefined()
  })

  it('are filled by whichever is nearer', () => {
    expect(filledBy({ records: OUTBOX_TOTAL_RECORDS_MAX / 4, bytes: 0 })).toBe(0.25)
    expect(filledBy({ records: 1, bytes: OUTBOX_TOTAL_BYTES_MAX / 2 })).toBe(0.5)
  })
})

/** Alice with two friends, bob (`friend`) and carol. */
async function three() {
  const { air, alice, bob } = await pair()
  const carol = await Device.create(air, 'carol')
  await carol.add(await alice.invite('carol'))
  await air.until(() => alice.phase('carol') === 'ready' && carol.phase() === 'ready')
  await air.slots(12)
  return { air, alice, bob, carol }
}

/** What the device counts. */
function counted({ conversations }: Device): Load {
  const { records, bytes } = conversations.depth()
  return { records, bytes }
}

/** What a start would count. */
async function onDisk({ store }: Device): Promise<Load> {
  const { contacts } = await storedLedger(store, OPTIONS)
  return loadOf(contacts.values())
}

describe('what waits', () => {
  it('is counted as it is on disk, however messages and contacts end', async () => {
    const { air, alice, bob, carol } = await three()
    const expectNoDrift = async (): Promise<Load> => {
      const now = counted(alice)
      expect(now).toEqual(await onDisk(alice))
      return now
    }
    const before = await expectNoDrift()
    expect(before.bytes).toBe(0)

    // Accepted, sent, acknowledged.
    for (const to of ['friend', 'carol', 'friend']) await alice.send('x'.repeat(3_000), to)
    expect((await expectNoDrift()).bytes).toBeGreaterThan(9_000)
    await air.slots(2)
    await expectNoDrift()
    await air.until(() => alice.conversations.depth().queued === 0)
    expect((await expectNoDrift()).bytes).toBe(0)

    // Taken back.
    await bob.crash()
    const taken = await alice.conversations.message(await alice.send('taken back'))
    await alice.commit((batch) => alice.conversations.cancel(batch, taken))
    expect((await expectNoDrift()).bytes).toBe(0)

    // Expired: one that a box has carried, and one that none has.
    const expired = [await alice.send('carried', 'friend', HOUR_MS)]
    await air.until(async () => (await alice.state(expired[0] as Uint8Array)) !== 'queued')
    expired.push(await alice.send('not carried', 'friend', HOUR_MS))
    await expectNoDrift()
    await air.slots(2, 2 * HOUR_MS)
    for (const id of expired) expect(await alice.state(id)).toBe('expired')
    const buried = await expectNoDrift()
    expect(buried.bytes).toBe(0)
    expect(buried.records).toBeGreaterThan(0)

    // Loaded again.
    await alice.send('waits for bob')
    await alice.send('waits for carol', 'carol')
    const waiting = await expectNoDrift()
    await alice.crash()
    await alice.restart()
    expect(await expectNoDrift()).toEqual(waiting)

    // Moved into new streams: the store has another epoch.
    await alice.crash()
    await alice.start({ restored: true })
    for (const device of [alice, carol]) await device.noteResetPlaces()
    expect([alice.phase(), alice.phase('carol')]).toEqual(['recovering', 'recovering'])
    expect((await expectNoDrift()).bytes).toBe(waiting.bytes)

    // Failed with the contact.
    const { id } = alice.conversations.contact('friend')
    await alice.crash()
    await damage(alice.disk, BUCKETS.contacts, (key) => equalBytes(key.subarray(0, id.length), id))
    await alice.restart()
    expect(alice.phase(`lost-${toBase64Url(id)}`)).toBe('failed: card lost')
    const left = await expectNoDrift()
    expect(left.bytes).toBeGreaterThan(0)
    expect(left.bytes).toBeLessThan(waiting.bytes)

    // Removed with the contact.
    await alice.commit((batch) => alice.conversations.remove(batch, 'carol'))
    expect(await expectNoDrift()).toEqual({ records: 0, bytes: 0 })
  })

  it('for one contact takes the room of another, also after a start, until it ends', async () => {
    const { alice } = await three()
    const text = 'z'.repeat(TEXT_BYTES)
    /** Sends until it is refused. Returns why. */
    const fill = (to: string) =>
      alice.commit((batch) => {
        try {
          for (;;) alice.conversations.send(batch, { to, text, expiresInMs: undefined })
        } catch (error) {
          return (error as Error).message
        }
      })
    expect(await fill('friend')).toContain(OF_CONTACT)
    const { bytes } = counted(alice)
    expect(await fill('carol')).toContain(OF_ALL)
    expect(counted(alice).bytes - bytes).toBeLessThan(OUTBOX_BYTES_MAX)
    expect(alice.conversations.depth().filled).toBeGreaterThan(0.5)

    await alice.crash()
    await alice.restart()
    expect(await codeOf(() => alice.send(text, 'carol'))).toBe('quota-exceeded')
    await alice.commit((batch) => alice.conversations.remove(batch, 'friend'))
    await alice.send(text, 'carol')
    expect(await fill('carol')).toContain(OF_CONTACT)
  }, 60_000)
})
