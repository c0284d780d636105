import { describe, expect, it } from 'vitest'
import type { BoxBytes } from '../../../src/base/index.ts'
import {
  ACK_RANGES_MAX,
  HELD_RECORDS_MAX,
  LATE_RANGES_MAX,
} from '../../../src/conversation/constants.ts'
import { NO_DIGEST } from '../../../src/conversation/identifiers.ts'
import { SeqRanges } from '../../../src/conversation/ranges.ts'
import { StreamReader } from '../../../src/conversation/reader.ts'
import { signKeyPairFromSeed } from '../../../src/crypto/index.ts'
import {
  advanceChain,
  BOX_PAYLOAD_BYTES,
  firstChain,
  sealBox,
  Segmenter,
} from '../../../src/stream/index.ts'
import type { CborValue } from '../../../src/wire/index.ts'
import { NETWORK_ID, OPTIONS } from '../../support/devices.ts'
import { MemoryRows } from '../../support/memory-rows.ts'
import { seededRng } from '../../support/seeded-rng.ts'

const ROOT_SEED = new Uint8Array(32).fill(3)
const { publicKey: ROOT } = signKeyPairFromSeed(ROOT_SEED)
const SECRET = new Uint8Array(32).fill(4)
const moment = (ms: number) => ({ at: ms, awake: ms })
const wait = (ms: number) => ({ at: ms, awake: 0, calm: 0 })

/** A writer of anything at all, in one epoch. */
function hostileWriter() {
  let chain = firstChain(SECRET)
  let index = 0
  const seal = (payload: Uint8Array): { index: number; box: BoxBytes } => {
    const { next, keys } = advanceChain(chain)
    chain = next
    const box = sealBox({ networkId: NETWORK_ID, expiryDay: 9, rootSeed: ROOT_SEED, keys, payload })
    return { index: index++, box }
  }
  const records = (...seqs: number[]) => {
    const segmenter = new Segmenter()
    for (const seq of seqs) segmenter.push({ seq, bytes: Uint8Array.of(seq & 255) })
    return seal(segmenter.fill().payload)
  }
  return { seal, records }
}

function make() {
  const reader = new StreamReader(OPTIONS)
  reader.open('0.1', ROOT, firstChain(SECRET))
  reader.extend(OPTIONS.windowSize)
  const writer = hostileWriter()
  const take = (...seqs: number[]) => {
    const { index, box } = writer.records(...seqs)
    const accepted = reader.accept('0.1', index, box)
    reader.extend(OPTIONS.windowSize)
    return accepted
  }
  const applyAll = () => {
    const seqs: number[] = []
    for (let next = reader.next(); next !== undefined; next = reader.next()) {
      seqs.push(next.seq)
      reader.applied(next.seq)
    }
    return seqs
  }
  return { reader, writer, take, applyAll }
}

describe('the reader of a stream', () => {
  it('gives records out in order, whatever the order of the boxes', () => {
    const { take, applyAll } = make()
    take(3, 2)
    expect(applyAll()).toEqual([])
    take(1)
    expect(applyAll()).toEqual([1, 2, 3])
    expect(take(2).sequenced).toBe(true)
    expect(applyAll()).toEqual([])
  })

  it('says nothing but the truth in its acks', () => {
    const { reader, take, applyAll } = make()
    take(1)
    applyAll()
    take(3)
    take(6)
    expect(reader.ackState()).toMatchObject({
      upTo: 6,
      missing: [
        [2, 2],
        [4, 5],
      ],
    })
    for (let seq = 8; seq < 80; seq += 2) take(seq)
    const { upTo, missing } = reader.ackState()
    expect(missing).toHaveLength(ACK_RANGES_MAX)
    expect(upTo).toBe(34)
    expect(missing.at(-1)).toEqual([33, 33])
  })

  it('takes a jump of 2^50 numbers in its stride', () => {
    const { reader, take, applyAll } = make()
    take(2 ** 50)
    expect(reader.giveUpGap(moment(0), wait(10))).toBe(0)
    expect(reader.giveUpGap(moment(10), wait(10))).toBe(2 ** 50 - 1)
    expect(applyAll()).toEqual([2 ** 50])
    expect(reader.ackState()).toMatchObject({ upTo: 2 ** 50, missing: [[1, 2 ** 50 - 1]] })
    take(7)
    expect(applyAll()).toEqual([7])
    expect(reader.ackState().missing).toEqual([
      [1, 6],
      [8, 2 ** 50 - 1],
    ])
  })

  it('knows the day before which nothing more comes, over a restart too', () => {
    const { reader, writer, take } = make()
    take(2)
    for (const seq of [3, 4]) {
      const { index, box } = writer.records(seq)
      reader.accept('0.1', index, box, 3)
    }
    reader.extend(OPTIONS.windowSize)
    expect(reader.nexts().get('0.1')).toBe(3)
    expect(reader.gaps()).toEqual([])
    // None after the newest is older, over a restart too.
    const rows = new MemoryRows()
    rows.apply(reader.takeRows(seededRng('rows')))
    const copy = StreamReader.decode(OPTIONS, reader.encode(), rows.find)
    for (const each of [reader, copy]) {
      expect(each.heads(new Map([['0.1', 6]])).map(({ notBefore }) => notBefore)).toEqual([3, 3, 3])
    }
  })

  it('gives up no more holes than it can remember: what an ack does not name as missing is here', () => {
    const { reader, take, applyAll } = make()
    const holes = 3 * LATE_RANGES_MAX
    for (let i = 1; i <= holes; i++) {
      take(2 * i)
      reader.giveUpGap(moment(i * 20), wait(0))
      applyAll()
    }
    // Behind the last hole that may be given up the records wait, and are no secret either.
    const { upTo, missing } = reader.ackState()
    expect(missing).toHaveLength(ACK_RANGES_MAX)
    expect(upTo).toBeLessThan(2 * ACK_RANGES_MAX + 3)
    expect(reader.giveUpGap(moment(1e9), wait(0))).toBe(0)
    // Each hole that is filled lets another one go, until all is here.
    for (let i = 1; i <= holes; i++) {
      take(2 * i - 1)
      applyAll()
      reader.giveUpGap(moment(1e9 + i), wait(0))
      applyAll()
    }
    expect(reader.ackState()).toMatchObject({ upTo: 2 * holes, missing: [] })
  })

  it('takes of a hole that was given up the ends first when it may not have two of one', () => {
    const { reader, take, applyAll } = make()
    for (let i = 1; i <= LATE_RANGES_MAX; i++) {
      take(4 * i)
      reader.giveUpGap(moment(i * 20), wait(0))
      applyAll()
    }
    take(2)
    expect(applyAll()).toEqual([])
    take(3, 1)
    expect(applyAll()).toEqual([3, 1])
    take(2)
    expect(applyAll()).toEqual([2])
  })

  it('holds back nothing that waits in a stream that is over, however many holes it has', () => {
    const { reader, take, applyAll } = make()
    const last = 2 * (LATE_RANGES_MAX + 5)
    for (let seq = 2; seq <= last; seq += 2) take(seq)
    reader.close()
    const applied: number[] = []
    for (let i = 0; i < last && reader.isHolding; i++) {
      reader.giveUpGap(moment(i), wait(0))
      applied.push(...applyAll())
    }
    expect(applied.at(-1)).toBe(last)
    expect(applied).toHaveLength(last / 2)
  })

  it('holds a bounded number of records and bytes, and the one that is due beyond that', () => {
    const { reader, take, writer, applyAll } = make()
    for (let seq = 2; seq < 1400; seq += 20) take(...Array.from({ length: 20 }, (_, i) => seq + i))
    const { upTo } = reader.ackState()
    expect(upTo).toBe(513)
    const bytes = new Uint8Array(200_000)
    for (const seq of [2000, 2001, 1]) {
      const segmenter = new Segmenter()
      segmenter.push({ seq, bytes })
      while (segmenter.pending) {
        const { index, box } = writer.seal(segmenter.fill().payload)
        reader.accept('0.1', index, box)
        reader.extend(OPTIONS.windowSize)
      }
    }
    expect(applyAll()).toHaveLength(513)
  })

  it('reads a payload of nonsense as an empty box and goes on', () => {
    const { reader, writer, take, applyAll } = make()
    for (const payload of [
      new Uint8Array(BOX_PAYLOAD_BYTES).fill(255),
      new Uint8Array(BOX_PAYLOAD_BYTES).fill(1),
      new Uint8Array(BOX_PAYLOAD_BYTES).fill(2),
    ]) {
      const { index, box } = writer.seal(payload)
      const accepted = reader.accept('0.1', index, box)
      expect(accepted).toMatchObject({ fresh: true, unsequenced: [], sequenced: false })
      expect(reader.extend(OPTIONS.windowSize)).toHaveLength(1)
    }
    take(1)
    expect(applyAll()).toEqual([1])
  })

  it('changes nothing for a box that does not open or comes twice', () => {
    const { reader, writer } = make()
    const { index, box } = writer.records(1)
    const bad = box.slice() as BoxBytes
    bad[100] = (bad[100] ?? 0) ^ 1
    const before = JSON.stringify(reader.encode())
    expect(() => reader.accept('0.1', index, bad)).toThrow('authentication failed')
    expect(JSON.stringify(reader.encode())).toBe(before)
    expect(reader.accept('0.1', index, box).fresh).toBe(true)
    reader.takeRows(seededRng('rows'))
    const after = JSON.stringify(reader.encode())
    expect(reader.accept('0.1', index, box).fresh).toBe(false)
    expect(reader.accept('9.9', index, box).fresh).toBe(false)
    expect(JSON.stringify(reader.encode())).toBe(after)
  })

  it('watches three epochs at most, and closes only what comes before a named one', () => {
    const { reader } = make()
    const open = (tag: string) => {
      const unwatched = reader.open(tag, ROOT, firstChain(new Uint8Array(32).fill(tag.length)))
      reader.extend(OPTIONS.windowSize)
      return unwatched
    }
    expect(open('0.1')).toEqual([])
    expect(open('0.22')).toEqual([])
    expect(open('0.333')).toEqual([])
    expect(open('0.4444')).toHaveLength(OPTIONS.windowSize)
    expect(reader.closeBefore('0.1')).toEqual([])
    expect(reader.closeBefore('7.7')).toEqual([])
    expect(reader.closeBefore('0.333')).toHaveLength(OPTIONS.windowSize)
    expect(reader.watched()).toHaveLength(2 * OPTIONS.windowSize)
  })

  it('derives as many addresses as its caller can spare, over all epochs', () => {
    const reader = new StreamReader(OPTIONS)
    reader.open('0.1', ROOT, firstChain(SECRET))
    reader.open('0.2', ROOT, firstChain(new Uint8Array(32).fill(5)))
    const size = OPTIONS.windowSize
    const tags = (count: number) => reader.extend(count).map(({ tag, index }) => [tag, index])
    expect(reader.watched()).toEqual([])
    expect(tags(0)).toEqual([])
    expect(tags(size - 1)).toEqual(Array.from({ length: size - 1 }, (_, i) => ['0.1', i]))
    expect(tags(2)).toEqual([
      ['0.1', size - 1],
      ['0.2', 0],
    ])
    expect(reader.isFull).toBe(false)
    expect(tags(1000)).toHaveLength(size - 1)
    expect(reader.isFull).toBe(true)
    expect(tags(1000)).toEqual([])
    reader.clear()
    expect(tags(1000)).toEqual([])
  })

  it('is the same after it was stored, held records and holes included', () => {
    const { reader, take, applyAll } = make()
    take(1)
    applyAll()
    take(5)
    reader.giveUpGap(moment(0), wait(0))
    applyAll()
    take(9, 11)
    const rows = new MemoryRows()
    rows.apply(reader.takeRows(seededRng('rows')))
    const copy = StreamReader.decode(OPTIONS, reader.encode(), rows.find)
    expect(copy.ackState()).toEqual(reader.ackState())
    expect(copy.watched()).toEqual(reader.watched())
    expect(copy.encode()).toEqual(reader.encode())
  })

  it('names the highest record in its acks, and none that was given up', () => {
    const { reader, take, applyAll } = make()
    expect(reader.ackState().digest).toEqual(NO_DIGEST)
    take(1)
    const { digest } = reader.ackState()
    expect(digest).not.toEqual(NO_DIGEST)
    for (const record of reader.upcoming(1)) record.fill(0)
    applyAll()
    expect(reader.ackState()).toMatchObject({ upTo: 1, digest })
    reader.takeRows(seededRng('rows'))
    const copy = StreamReader.decode(OPTIONS, reader.encode(), new MemoryRows().find)
    expect(copy.ackState()).toEqual(reader.ackState())
    take(3)
    expect(reader.ackState().digest).not.toEqual(digest)
    reader.giveUpGap(moment(0), wait(0))
    applyAll()
    expect(reader.ackState()).toMatchObject({ upTo: 3, missing: [[2, 2]] })
    expect(reader.ackState().digest).not.toEqual(NO_DIGEST)
  })

  it('reads a state that was stored without the digest', () => {
    const { reader, take, applyAll } = make()
    take(1)
    applyAll()
    reader.takeRows(seededRng('rows'))
    const [, ...state] = reader.encode() as unknown[]
    const earlier = [2, ...state.slice(0, -1)]
    const copy = StreamReader.decode(OPTIONS, earlier, new MemoryRows().find)
    expect(copy.ackState()).toEqual({ upTo: 1, missing: [], digest: NO_DIGEST })
    for (const wrong of [
      [3, ...state.slice(0, -1)],
      [2, ...state],
      [4, ...state],
    ]) {
      expect(() => StreamReader.decode(OPTIONS, wrong, new MemoryRows().find)).toThrow('decode')
    }
  })

  it('lacks a record whose row is damaged, and says so', () => {
    const { reader, take, applyAll } = make()
    take(1)
    applyAll()
    take(3)
    take(4)
    const rows = new MemoryRows()
    rows.apply(reader.takeRows(seededRng('rows')))
    // The first record was applied before it was stored.
    expect(rows.count).toBe(2)
    expect(reader.ackState()).toMatchObject({ upTo: 4, missing: [[2, 2]] })
    rows.damage((place) => place === 1)
    const copy = StreamReader.decode(OPTIONS, reader.encode(), rows.find)
    expect(copy.ackState()).toMatchObject({ upTo: 3, missing: [[2, 2]] })
    rows.apply(copy.takeRows(seededRng('gone')))
    expect(rows.count).toBe(1)
  })

  it('counts what is lost with damaged rows by number, until it comes again or is given up', () => {
    const { reader, writer, take } = make()
    for (const seq of [2, 10, 3]) take(seq)
    const rows = new MemoryRows()
    rows.apply(reader.takeRows(seededRng('rows')))
    rows.damage((place) => place < 2)
    const copy = StreamReader.decode(OPTIONS, reader.encode(), rows.find)
    expect(copy.lost).toBe(2)
    // The hole is as wide as two, but only one of those that are lost is in it.
    expect([copy.giveUpGap(moment(0), wait(0)), copy.lost]).toEqual([2, 1])
    const { index, box } = writer.records(10)
    copy.accept('0.1', index, box)
    expect(copy.lost).toBe(0)
  })

  it('stores what is lost until it was told, and has room for what comes all the same', () => {
    const { reader, writer, take } = make()
    const far = Array.from({ length: HELD_RECORDS_MAX }, (_, i) => i + 2)
    while (far.length > 0) take(...far.splice(0, 16))
    const rows = new MemoryRows()
    rows.apply(reader.takeRows(seededRng('rows')))
    rows.damage(() => true)
    const decode = (state: CborValue) => StreamReader.decode(OPTIONS, state, rows.find)
    let copy = decode(reader.encode())
    const { index, box } = writer.records(2000)
    copy.accept('0.1', index, box)
    rows.apply(copy.takeRows(seededRng('more')))
    copy = decode(copy.encode())
    expect(copy.lost).toBe(HELD_RECORDS_MAX)
    expect([copy.giveUpGap(moment(0), wait(0)), copy.lost, copy.next()?.seq]).toEqual([
      1999, 0, 2000,
    ])
    copy = decode(reader.encode())
    copy.forgetLost()
    rows.apply(copy.takeRows(seededRng('told')))
    expect(decode(copy.encode()).lost).toBe(0)
  })

  it('does not count a damaged row of a record that was given up before', () => {
    const { reader, take, applyAll } = make()
    take(3)
    reader.giveUpGap(moment(0), wait(0))
    applyAll()
    take(2)
    const rows = new MemoryRows()
    rows.apply(reader.takeRows(seededRng('rows')))
    rows.damage(() => true)
    expect(StreamReader.decode(OPTIONS, reader.encode(), rows.find).lost).toBe(0)
  })

  it('reads the first version of its state, which held the records', () => {
    const { reader, take } = make()
    take(2)
    const rows = new MemoryRows()
    rows.apply(reader.takeRows(seededRng('rows')))
    const [, contiguous, late, , epochs] = reader.encode() as [number, number, [], [], []]
    const old = [contiguous, late, [[2, Uint8Array.of(2)]], epochs]
    const copy = StreamReader.decode(OPTIONS, old, () => [])
    expect(copy.ackState()).toEqual(reader.ackState())
    expect(copy.upcoming(2)).toEqual([Uint8Array.of(2)])
    const written = new MemoryRows()
    written.apply(copy.takeRows(seededRng('rows')))
    const again = StreamReader.decode(OPTIONS, copy.encode(), written.find)
    expect(again.upcoming(2)).toEqual([Uint8Array.of(2)])
    for (const value of [null, [], old.slice(1), [3, ...old]]) {
      const decode = () => StreamReader.decode(OPTIONS, value, () => [])
      expect(decode).toThrow(expect.objectContaining({ code: 'storage-corrupt' }) as Error)
    }
  })

  it('lets the rows of an epoch and of all go when they are closed', () => {
    const { reader, take } = make()
    const rows = new MemoryRows()
    const save = () => rows.apply(reader.takeRows(seededRng('rows')))
    const [seal] = [hostileWriter().seal]
    const big = new Segmenter()
    big.push({ seq: 9, bytes: new Uint8Array(5000) })
    const { index, box } = seal(big.fill().payload)
    reader.accept('0.1', index, box)
    reader.extend(1)
    save()
    expect(rows.count).toBe(1)
    reader.open('0.2', ROOT, firstChain(new Uint8Array(32).fill(5)))
    reader.closeBefore('0.2')
    save()
    expect(rows.count).toBe(0)
    expect(take(7).fresh).toBe(false)
    reader.clear()
    save()
    expect(reader.next()).toBeUndefined()
  })
})

describe('a set of ranges', () => {
  it('splits and shrinks', () => {
    const ranges = new SeqRanges([[1, 3]])
    ranges.append(5, 9)
    for (const seq of [2, 5, 9, 4, 100]) ranges.remove(seq)
    expect(ranges.list()).toEqual([
      [1, 1],
      [3, 3],
      [6, 8],
    ])
    expect([1, 2, 6, 9].map((seq) => ranges.has(seq))).toEqual([true, false, true, false])
    expect([1, 6, 7, 8].map((seq) => ranges.splits(seq))).toEqual([false, false, true, false])
  })
})
