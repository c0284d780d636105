import { describe, expect, it } from 'vitest'
import { HearsayError } from '../../../src/base/index.ts'
import { parseBox } from '../../../src/stream/index.ts'
import { codeOf, OPTIONS, pair } from '../../support/devices.ts'

const HOUR_MS = 3_600_000

describe('a text', () => {
  it.each([
    ['empty', ''],
    ['of every plane', 'é ‮abc‬ 👩‍👩‍👧‍👦 \u0000 \u{10ffff} Ω'],
    ['of exactly 64 KiB', '✓'.repeat(21_845) + 'a'],
  ])('%s arrives as it was written', async (_what, text) => {
    const { air, alice, bob } = await pair()
    const id = await alice.send(text)
    await air.until(async () => (await alice.state(id)) === 'delivered')
    expect(await bob.received()).toEqual([text])
    expect(await bob.journal('message.received')).toMatchObject([{ data: { body: { text } } }])
  })

  it.each([
    ['above 64 KiB', `${'✓'.repeat(21_845)}ab`, 'record-too-large'],
    ['that is not Unicode', 'half a pair \ud800', 'bad-value'],
  ])('%s is refused and leaves no trace', async (_what, text, code) => {
    const { alice } = await pair()
    const head = alice.store.headSeq()
    expect(await codeOf(() => alice.send(text))).toBe(code)
    expect(alice.conversations.outbox()).toEqual([])
    expect(alice.store.headSeq()).toBe(head)
    await alice.crash()
    await alice.restart()
    expect(alice.conversations.outbox()).toEqual([])
  })

  it('goes through its states, each with an event and a time, and never back', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(8)
    bob.keeps = false
    air.hears = (_box, to) => to !== bob
    const id = await alice.send('hello')
    await air.until(async () => (await alice.state(id)) === 'stored', 40)
    air.hears = () => true
    await air.until(async () => (await alice.state(id)) === 'delivered', 80)
    const { history } = await alice.conversations.message(id)
    expect(history.map((change) => change.state)).toEqual(['queued', 'sent', 'stored', 'delivered'])
    const types = (await alice.events()).filter((type) => type.startsWith('message.'))
    expect(types).toEqual(['message.queued', 'message.sent', 'message.stored', 'message.delivered'])
    await alice.crash()
    await alice.restart()
    await air.slots(10)
    expect(await alice.state(id)).toBe('delivered')
  })

  it('shares boxes with all texts that wait', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(8)
    const texts = Array.from({ length: 20 }, (_, i) => `short text ${i}`)
    const before = air.sent.length
    for (const text of texts) await alice.send(text)
    await air.until(async () => (await bob.received()).length === 20, 10)
    expect(air.sentBy(alice, before)).toBeLessThanOrEqual(2)
    expect(await bob.received()).toEqual(texts)
  })

  it('is bound to a box only when a peer is there to take it', async () => {
    const { air, alice } = await pair()
    await air.slots(8)
    alice.linked = false
    const id = await alice.send('later')
    const before = air.sent.length
    await air.slots(20)
    expect(air.sentBy(alice, before)).toBe(0)
    expect(await alice.state(id)).toBe('queued')
    const message = await alice.conversations.message(id)
    await alice.commit((batch) => alice.conversations.cancel(batch, message))
    expect(await alice.state(id)).toBe('cancelled')
  })

  it('that no peer took is not sent, and goes again without the loss of an address', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(8)
    alice.peers = 0
    const id = await alice.send('x'.repeat(5000))
    await air.slots(6)
    expect(await alice.state(id)).toBe('queued')
    alice.peers = 1
    await air.until(async () => (await alice.state(id)) === 'delivered', 10)
    expect(await bob.received()).toEqual(['x'.repeat(5000)])
  })

  it('finds no peer for hours and uses up no more addresses than boxes', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(8)
    alice.peers = 0
    const id = await alice.send('patience')
    await air.slots(100)
    alice.peers = 1
    const before = air.sent.length
    await air.until(async () => (await alice.state(id)) === 'delivered', 8)
    expect(air.sentBy(alice, before)).toBe(1)
    expect(await bob.received()).toEqual(['patience'])
  })

  it('that found no peer before midnight goes in a box of the new day', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(8)
    alice.peers = 0
    await alice.send('late')
    await air.slots(3)
    await air.slot(13 * HOUR_MS)
    alice.peers = 1
    const before = air.sent.length
    await air.until(async () => (await bob.received()).length === 1, 8)
    const [sent] = air.sent.slice(before)
    const today = Math.floor(air.clock.now() / (24 * HOUR_MS))
    expect(sent && parseBox(sent.box).expiryDay).toBe(today + OPTIONS.ttlDays)
  })

  it('whose middle box no peer took is whole before it counts as sent', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(8)
    bob.keeps = false
    air.keepers = false
    await alice.send('y'.repeat(9000))
    for (let slot = 0; slot < 12; slot++) {
      alice.peers = slot === 2 ? 0 : 1
      await air.slot()
    }
    expect(await bob.received()).toEqual(['y'.repeat(9000)])
  })
})

describe('an unacknowledged text', () => {
  it('goes out nine times at most, at drawn times, and is reported when its time is over', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(8)
    await bob.crash()
    const before = air.sent.length
    const id = await alice.send('anybody?', 'friend', 10 * HOUR_MS)
    await air.slots(800)
    const times = air.sent.slice(before).map(({ at }) => at)
    expect(times).toHaveLength(9)
    const delays = times.map((at) => (at - (times[0] ?? 0)) / 2000)
    for (const [i, delay] of delays.entries()) {
      const step = i === 0 ? 0 : 2 * 1.5 ** (i - 1)
      expect(delay).toBeGreaterThanOrEqual(step)
      expect(delay).toBeLessThanOrEqual(2 * step + 0.5)
    }
    expect(await alice.state(id)).toBe('stored')
    await air.slots(1, 10 * HOUR_MS)
    expect(await alice.state(id)).toBe('expired')
    expect(await alice.events()).toContain('message.expired')
    // What takes its place is offered no more often than the text was, and then all is quiet.
    await air.slots(800)
    expect(air.sentBy(alice, before)).toBe(9 + 9)
    await air.slots(800)
    expect(air.sentBy(alice, before)).toBe(9 + 9)
    expect(alice.conversations.outbox()).toEqual([])
  })
})

describe('acks', () => {
  it('are neither acknowledged nor offered again', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(20)
    const before = air.sent.length
    const id = await alice.send('one text')
    await air.until(async () => (await alice.state(id)) === 'delivered', 10)
    await air.slots(400)
    expect([air.sentBy(alice, before), air.sentBy(bob, before)]).toEqual([1, 1])
  })

  it('that are lost are made up for when the text is offered again', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(20)
    alice.keeps = false
    air.keepers = false
    air.hears = (_box, to) => to !== alice
    const id = await alice.send('one text')
    await air.slots(4)
    expect(await bob.received()).toEqual(['one text'])
    air.hears = () => true
    await air.until(async () => (await alice.state(id)) === 'delivered', 60)
    expect(await bob.received()).toEqual(['one text'])
  })

  it('that no peer took go again', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(20)
    bob.peers = 0
    const id = await alice.send('one text')
    await air.slots(4)
    bob.peers = 1
    const before = air.sent.length
    await air.until(async () => (await alice.state(id)) === 'delivered', 4)
    expect(air.sentBy(alice, before)).toBe(0)
  })

  it('wait for settle time and jitter, also when a text goes before', async () => {
    const slow = { options: { ackSettleMs: 20_000, ackJitterMs: 10_000 } }
    const { air, alice, bob } = await pair({ bob: slow })
    await air.slots(200)
    const id = await alice.send('ping')
    const start = air.clock.now()
    await air.slots(4)
    await bob.send('pong')
    await air.until(async () => (await alice.received()).length === 1, 10)
    await air.until(async () => (await alice.state(id)) === 'delivered', 200)
    const waited = air.clock.now() - start
    expect(waited).toBeGreaterThan(20_000)
    expect(waited).toBeLessThan(32_000)
  })
})

describe('taking a message back', () => {
  it('is exact: before any box carries it, and never after', async () => {
    const { air, alice, bob } = await pair()
    await air.slots(8)
    const ids = [await alice.send('kept'), await alice.send('taken back')]
    const cancel = async (id: Uint8Array | undefined) => {
      const message = await alice.conversations.message(id ?? new Uint8Array())
      await alice.commit((batch) => alice.conversations.cancel(batch, message))
    }
    await cancel(ids[1])
    await air.until(async () => (await bob.received()).length === 1, 10)
    expect(await codeOf(() => cancel(ids[0]))).toBe('message-too-late')
    expect(await codeOf(() => cancel(ids[1]))).toBe('message-too-late')
    await alice.send('next')
    await air.until(async () => (await bob.received()).length === 2, 10)
    expect(await bob.received()).toEqual(['kept', 'next'])
    expect(await bob.events()).not.toContain('message.gap')
    expect(await alice.state(ids[1] ?? new Uint8Array())).toBe('cancelled')
  })

  it('is refused for a message in a box that is sealed and waits for its moment', async () => {
    const { air, alice } = await pair()
    await air.slots(8)
    const id = await alice.send('bound')
    const box = await alice.conversations.nextBox()
    expect(box).toBeDefined()
    const message = await alice.conversations.message(id)
    const error = await alice
      .commit((batch) => alice.conversations.cancel(batch, message))
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(HearsayError)
    expect(error).toMatchObject({ code: 'message-too-late', details: { alreadySent: true } })
  })
})

describe('limits', () => {
  it('stop a contact that never answers from filling the disk', async () => {
    const { alice, bob } = await pair()
    await bob.crash()
    const big = { to: 'friend', text: 'z'.repeat(65_000), expiresInMs: undefined }
    // With its id, time and code a record is 33 bytes longer than its text.
    const most = Math.floor((32 * 1024 * 1024) / 65_033)
    await alice.commit((batch) => {
      for (let i = 0; i < most; i++) alice.conversations.send(batch, big)
    })
    expect(await codeOf(() => alice.send(big.text))).toBe('quota-exceeded')
    expect(alice.conversations.depth().queued).toBe(most)
  })

  it('are free again when messages end', async () => {
    const { air, alice, bob } = await pair()
    await bob.crash()
    const fill = (count: number) =>
      alice.commit((batch) => {
        const text = { to: 'friend', text: 'x'.repeat(65_000), expiresInMs: HOUR_MS }
        for (let i = 0; i < count; i++) alice.conversations.send(batch, text)
      })
    await fill(300)
    await alice.crash()
    await alice.restart()
    await air.slots(2, 2 * HOUR_MS)
    expect(alice.conversations.depth().queued).toBe(0)
    await fill(500)
  })
})
