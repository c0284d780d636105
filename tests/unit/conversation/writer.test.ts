import { describe, expect, it } from 'vitest'
import { NO_DIGEST, recordDigest } from '../../../src/conversation/identifiers.ts'
import { newOutRecord, type OutRecord } from '../../../src/conversation/out-record.ts'
import { decodeRecord, encodeRecord } from '../../../src/conversation/records.ts'
import { StreamWriter, type WriteEpoch } from '../../../src/conversation/writer.ts'
import { firstChain, Reassembler } from '../../../src/stream/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'

const HOUR_MS = 3_600_000
const TRIP_MS = 1000

function epoch(tag: string, since = 0): WriteEpoch {
  const secret = new Uint8Array(32).fill(tag.length + tag.charCodeAt(0))
  return { tag, chain: firstChain(secret), rootSeed: new Uint8Array(32).fill(5), since }
}

function make(tag = '0.1') {
  const writer = new StreamWriter(
    { rng: seededRng('writer') },
    { ackRoundTripMs: TRIP_MS },
    { epoch: epoch(tag), staged: undefined, nextSeq: 1, nextQueued: 1 },
  )
  const text = (length: number): OutRecord => {
    const messageId = new Uint8Array(16)
    const bytes = encodeRecord({ kind: 'text', messageId, text: 'x'.repeat(length), sentAt: 0 })
    const record = newOutRecord(writer.state.nextQueued, 'text', bytes)
    writer.take(record)
    return record
  }
  /** Drafts a box and reports it as sent. Returns the numbers that end in it. */
  const send = (now: number): number[] | undefined => {
    const draft = writer.draft(now, true, undefined)
    if (draft !== undefined) writer.sent(draft.finished, now)
    return draft?.finished.map((record) => record.seq)
  }
  return { writer, text, send }
}

describe('the writer of a stream', () => {
  it('binds only what the box can carry', () => {
    const { writer, text } = make()
    for (let i = 0; i < 10; i++) text(500)
    const draft = writer.draft(0, true, undefined)
    expect(draft?.finished).toHaveLength(3)
    expect(draft?.bound).toEqual(draft?.finished)
    expect(writer.queue).toHaveLength(7)
  })

  it('lets a large text share its boxes and the next begin in its last', () => {
    const { writer, text } = make()
    text(5000)
    text(100)
    const seqs = [1, 2, 3].map(() => writer.draft(0, true, undefined)?.finished.map((r) => r.seq))
    expect(seqs).toEqual([[], [], [2, 1]])
  })

  it('offers a record 1 + 8 times, and 8 times more for any number of gap reports', () => {
    const { writer, text, send } = make()
    text(10)
    expect(send(0)).toEqual([1])
    let boxes = 1
    for (let now = 100; now < 200 * TRIP_MS; now += 100) {
      writer.acknowledge(9, [[1, 1]], now)
      if (writer.wants(now, true) && send(now)) boxes++
    }
    expect(boxes).toBe(1 + 8 + 8)
    expect(writer.outstanding.size).toBe(1)
  })

  it('offers for a gap report at once, and for the next when it can have been heard meanwhile', () => {
    const { writer, text, send } = make()
    text(10)
    send(0)
    const offersAt = (now: number) => {
      writer.acknowledge(9, [[1, 1]], now)
      return writer.wants(now, true) && send(now) !== undefined
    }
    expect([100, 101, 100 + TRIP_MS - 1, 100 + TRIP_MS].map(offersAt)).toEqual([
      true,
      false,
      false,
      true,
    ])
  })

  it('spends one offer on all the reports that come before it can be sent', () => {
    const { writer, text, send } = make()
    const record = text(10)
    send(0)
    for (let i = 0; i < 20; i++) writer.acknowledge(9, [[1, 1]], TRIP_MS + i)
    expect([record.gapOffers, record.due?.length]).toEqual([1, 1 + 8])
    expect(send(2 * TRIP_MS - 1)).toEqual([1])
    writer.acknowledge(9, [[1, 1]], 3 * TRIP_MS)
    expect(record.gapOffers).toBe(2)
  })

  it('spends one offer on a report that ends so many records that it takes effect in parts', () => {
    const { writer, text, send } = make()
    const [first] = Array.from({ length: 60 }, () => text(10))
    while (writer.queue.length > 0) send(0)
    let ended = 0
    for (let i = 0; i < 6; i++) ended += writer.acknowledge(60, [[1, 1]], TRIP_MS, 10).length
    expect([ended, first?.gapOffers]).toEqual([59, 1])
  })

  it('does not offer what is on its way or being filled, whatever a gap report says', () => {
    const { writer, text } = make()
    text(5000)
    const first = writer.draft(0, true, undefined)
    expect(writer.acknowledge(1, [], 0)).toEqual([])
    writer.acknowledge(1, [[1, 1]], 0)
    expect(first?.touched.map((record) => record.seq)).toEqual([1])
    writer.draft(0, true, undefined)
    const last = writer.draft(0, true, undefined)
    expect(last?.finished.map((record) => record.seq)).toEqual([1])
    expect(writer.wants(1e9, true)).toBe(false)
  })

  it('stops offering a record at once when it is acknowledged, also in the middle', () => {
    const { writer, text, send } = make()
    text(5000)
    for (let i = 0; i < 3; i++) send(0)
    expect(writer.draft(5 * TRIP_MS, true, undefined)?.touched).toHaveLength(1)
    expect(writer.acknowledge(1, [], 0)).toHaveLength(1)
    expect(writer.wants(1e9, true)).toBe(false)
    expect(writer.draft(1e9, true, undefined)).toBeUndefined()
  })

  it('never ends a record of which a part was never in a box, whatever an ack says', () => {
    const { writer, text } = make()
    text(5000)
    writer.draft(0, true, undefined)
    expect(writer.acknowledge(Number.MAX_SAFE_INTEGER, [], 0)).toEqual([])
    expect(writer.outstanding.size).toBe(1)
  })

  it('tells an ack of another record under the same number, but not of a tombstone', () => {
    const { writer, text, send } = make()
    const record = text(10)
    send(0)
    const own = recordDigest(record.bytes)
    const other = recordDigest(Uint8Array.of(1))
    expect([own, NO_DIGEST, other].map((digest) => writer.isAnother(1, digest))).toEqual([
      false,
      false,
      true,
    ])
    expect(writer.isAnother(2, other)).toBe(false)
    writer.bury(record, 1_000)
    expect(writer.isAnother(1, own)).toBe(false)
    writer.acknowledge(1, [], 0)
    expect(writer.isAnother(1, other)).toBe(false)
  })

  it('begins again with everything that was in a lost box', () => {
    const { writer, text, send } = make()
    text(3000)
    text(10)
    const lost = writer.draft(0, true, undefined)
    writer.lost(lost?.touched ?? [])
    const reassembler = new Reassembler()
    const seqs: number[] = []
    for (let index = 0; index < 3; index++) {
      const draft = writer.draft(1, true, undefined)
      if (draft === undefined) break
      seqs.push(...reassembler.accept(index, draft.payload).map((record) => record.seq))
      writer.sent(draft.finished, 1)
    }
    expect(seqs).toEqual([2, 1])
    expect(send(1)).toBeUndefined()
  })

  it('replaces an ack that found no room by a newer one', () => {
    const { writer } = make()
    const ack = (upTo: number) =>
      encodeRecord({ kind: 'ack', upTo, missing: [], digest: NO_DIGEST })
    const draft = writer.draft(0, true, ack(7))
    const [record] = new Reassembler().accept(0, draft?.payload ?? new Uint8Array())
    expect(decodeRecord(record?.bytes ?? new Uint8Array())).toMatchObject({ upTo: 7 })
    expect(writer.wants(0, true)).toBe(false)
  })

  it('erases chain key and seed of the epoch that it leaves', () => {
    const { writer, text, send } = make()
    const old = writer.state.epoch
    writer.stage(epoch('0.2'), 0, 0)
    text(1)
    send(0)
    expect(writer.state.epoch.tag).toBe('0.2')
    expect(old.chain.chainKey.every((byte) => byte === 0)).toBe(true)
    expect(old.rootSeed.every((byte) => byte === 0)).toBe(true)
  })
})

describe('the move to a staged epoch', () => {
  function staged(tag?: string) {
    const made = make(tag)
    const commit = newOutRecord(1, 'commit', new Uint8Array(4200).fill(1))
    made.writer.take(commit)
    made.writer.stage(epoch('0.7'), commit.queued, 0)
    return { ...made, commit }
  }
  const tagOf = (writer: StreamWriter) => writer.state.epoch.tag

  it('waits for the ack of the commit and begins with a switch record', () => {
    const { writer, text, send } = staged()
    for (let i = 0; i < 3; i++) send(0)
    text(10)
    send(10)
    expect(tagOf(writer)).toBe('0.1')
    expect(writer.acknowledge(1, [], 20)).toHaveLength(1)
    expect(writer.wants(20, true)).toBe(true)
    const draft = writer.draft(20, true, undefined)
    expect(tagOf(writer)).toBe('0.7')
    expect(draft?.bound.map((record) => record.kind)).toEqual(['switch'])
    const [first] = new Reassembler().accept(0, draft?.payload ?? new Uint8Array())
    const body = decodeRecord(first?.bytes ?? new Uint8Array())
    expect(body).toEqual({ kind: 'switch', generation: 0, epoch: 7 })
  })

  it('waits for all before the commit too, which the reader could not read in the next epoch', () => {
    const { writer, text, send } = make()
    text(10)
    const commit = newOutRecord(writer.state.nextQueued, 'commit', new Uint8Array(10))
    send(0)
    writer.take(commit)
    writer.stage(epoch('0.7'), commit.queued, 0)
    expect(send(0)).toEqual([2])
    // The reader has the commit and waits for the text: the offer for its report comes where it reads.
    expect(writer.acknowledge(2, [[1, 1]], 20)).toHaveLength(1)
    expect(send(20)).toEqual([1])
    expect(tagOf(writer)).toBe('0.1')
    writer.acknowledge(2, [], 30)
    send(30)
    expect(tagOf(writer)).toBe('0.7')
  })

  it('does not wait for ever for a reader who is away, but gives the commit all its offers', () => {
    const { writer, send } = staged()
    for (let i = 0; i < 3; i++) send(0)
    expect(writer.wants(HOUR_MS - 1, false)).toBe(true)
    for (let now = 0; now < HOUR_MS; now += TRIP_MS) send(now)
    expect(tagOf(writer)).toBe('0.1')
    send(HOUR_MS)
    expect(tagOf(writer)).toBe('0.7')
  })

  it('waits beyond the hour while offers of the commit are due', () => {
    const { writer, send } = staged()
    for (let i = 0; i < 3; i++) send(HOUR_MS - 1)
    send(HOUR_MS + 1)
    expect(tagOf(writer)).toBe('0.1')
  })

  it('never leaves the stream of a key exchange without an answer', () => {
    const { writer, send } = staged('r')
    for (let now = 0; now < 3 * HOUR_MS; now += TRIP_MS) send(now)
    expect(tagOf(writer)).toBe('r')
  })

  it('happens between records, also under load', () => {
    const { writer, text, send } = staged()
    for (let i = 0; i < 3; i++) send(0)
    writer.acknowledge(1, [], 1)
    // A large text is under way when the ack comes; new ones wait until it is out.
    for (let i = 0; i < 20; i++) text(6000)
    const tags: string[] = []
    for (let i = 0; i < 12; i++) {
      send(2)
      tags.push(tagOf(writer))
    }
    expect(new Set(tags)).toEqual(new Set(['0.7']))
    const again = make()
    for (let i = 0; i < 20; i++) again.text(6000)
    again.send(0)
    again.writer.stage(epoch('0.7'), 0, 0)
    const seen: string[] = []
    for (let i = 0; i < 5; i++) {
      again.send(0)
      seen.push(tagOf(again.writer))
    }
    expect(seen).toEqual(['0.1', '0.1', '0.1', '0.7', '0.7'])
  })
})
