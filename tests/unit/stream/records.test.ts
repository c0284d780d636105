import { describe, expect, it } from 'vitest'
import {
  BOX_PAYLOAD_BYTES,
  isPaddedLength,
  MAX_PADDED_BYTES,
  MAX_PARTIAL_BYTES,
  MAX_RECORD_BYTES,
  MAX_WHOLE_BYTES,
  paddedLength,
  Reassembler,
  type RecordIn,
  RowChanges,
  SALTED_PAYLOAD_BYTES,
  Segmenter,
} from '../../../src/stream/index.ts'
import { MAX_PARTIAL_RECORDS } from '../../../src/stream/constants.ts'
import { encodeSegments, parseSegments, type Segment } from '../../../src/stream/segments.ts'
import { MemoryRows } from '../../support/memory-rows.ts'
import { Writer } from '../../../src/wire/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { errorCode } from '../../support/outcome.ts'

const rng = seededRng('records')

/** Random at its end, where mistakes show; the seeded generator is slow. */
function record(seq: number, length: number) {
  const bytes = new Uint8Array(length).fill(seq)
  const tail = rng.bytes(Math.min(length, 3000))
  bytes.set(tail, length - tail.length)
  return { seq, bytes }
}

function drain(segmenter: Segmenter): Uint8Array[] {
  const payloads = []
  while (segmenter.pending) payloads.push(segmenter.fill().payload)
  return payloads
}

/** A reassembler that is stored and read back. */
function onDisk(): { changes: RowChanges; rows: MemoryRows; reassembler: Reassembler } {
  const changes = new RowChanges()
  const rows = new MemoryRows()
  return { changes, rows, reassembler: new Reassembler(changes) }
}

function reopened({ changes, rows, reassembler }: ReturnType<typeof onDisk>) {
  rows.apply(changes.take(rng))
  const again = new RowChanges()
  const state = reassembler.encode()
  return { changes: again, rows, reassembler: Reassembler.decode(state, rows.find, again), state }
}

const seqs = (records: RecordIn[]) => records.map(({ seq }) => seq)

describe('record classes', () => {
  it('leave room for the marker and cost at most 12 %', () => {
    for (let length = 0; length < 70_000; length += 37) {
      const padded = paddedLength(length)
      expect(padded).toBeGreaterThan(length)
      expect(isPaddedLength(padded)).toBe(true)
      expect(length <= 64 ? 1 : padded / (length + 1)).toBeLessThan(1.12)
    }
  })

  it('are few', () => {
    const classes = new Set(
      Array.from({ length: MAX_RECORD_BYTES / 64 }, (_, i) => paddedLength(64 * i)),
    )
    expect(classes.size).toBeLessThan(200)
    expect(paddedLength(0)).toBe(64)
    expect(paddedLength(63)).toBe(64)
    expect(isPaddedLength(65)).toBe(false)
    expect(isPaddedLength(0)).toBe(false)
    expect(isPaddedLength(64.5)).toBe(false)
  })
})

describe('Segmenter', () => {
  it('puts at least eight short texts into one box', () => {
    const segmenter = new Segmenter()
    for (let seq = 0; seq < 20; seq++) segmenter.push(record(seq, 40))
    const { payload, started, finished } = segmenter.fill()
    expect(payload.length).toBe(BOX_PAYLOAD_BYTES)
    expect(started).toEqual(Array.from({ length: 20 }, (_, seq) => seq))
    expect(finished).toEqual(started)
    expect(segmenter.pending).toBe(false)
  })

  it('gives zeros when nothing waits', () => {
    const { payload, started, finished } = new Segmenter().fill()
    expect(payload).toEqual(new Uint8Array(BOX_PAYLOAD_BYTES))
    expect([...started, ...finished]).toEqual([])
    expect(new Reassembler().accept(0, payload)).toEqual([])
  })

  it('splits a large record and says where it begins and ends', () => {
    const segmenter = new Segmenter()
    segmenter.push(record(3, 5000))
    const fills = []
    while (segmenter.pending) fills.push(segmenter.fill())
    expect(fills.map(({ started }) => started)).toEqual([[3], [], []])
    expect(fills.map(({ finished }) => finished)).toEqual([[], [], [3]])
  })

  it('never splits a record that fits a box', () => {
    const segmenter = new Segmenter()
    const largest = MAX_WHOLE_BYTES - 1
    for (let seq = 0; seq < 6; seq++) segmenter.push(record(seq, seq % 2 === 0 ? largest : 900))
    for (const payload of drain(segmenter)) {
      expect(parseSegments(payload).every((s) => s.data.length === s.total)).toBe(true)
    }
  })

  it('lets short texts pass a large record that is under way, and lets it go on', () => {
    const segmenter = new Segmenter()
    segmenter.push(record(0, 50_000))
    segmenter.fill()
    let boxes = 0
    for (let seq = 1; seq < 400; seq++) {
      segmenter.push(record(seq, 40))
      const { finished } = segmenter.fill()
      boxes++
      expect(finished).toContain(seq)
      if (finished.includes(0)) break
    }
    expect(boxes).toBeLessThan(35)
  })

  it('starves neither a large record nor one that fills a box', () => {
    const segmenter = new Segmenter()
    segmenter.push(record(0, 20_000))
    segmenter.fill()
    for (let seq = 1; seq < 100; seq++) segmenter.push(record(seq, 1900))
    const finished: number[] = []
    for (let box = 0; box < 60; box++) finished.push(...segmenter.fill().finished)
    expect(finished.slice(0, 10)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect(finished).toContain(0)
  })

  it('has one large record under way at a time, in the order of pushing', () => {
    const segmenter = new Segmenter()
    for (let seq = 0; seq < 4; seq++) segmenter.push(record(seq, 4000 + seq * 1000))
    const open = new Set<number>()
    const ends: number[] = []
    while (segmenter.pending) {
      const { started, finished } = segmenter.fill()
      for (const seq of started) open.add(seq)
      for (const seq of finished) open.delete(seq)
      expect(open.size).toBeLessThanOrEqual(1)
      ends.push(...finished)
    }
    expect(ends).toEqual([0, 1, 2, 3])
  })

  it('takes no record twice, none above the limit, and gives records back', () => {
    const segmenter = new Segmenter()
    segmenter.push(record(1, 10))
    expect(errorCode(() => segmenter.push(record(1, 10)))).toBe('bad-value')
    expect(errorCode(() => segmenter.push(record(2, MAX_RECORD_BYTES + 1)))).toBe(
      'record-too-large',
    )
    expect(segmenter.has(1)).toBe(true)
    expect(segmenter.drop(1)).toBe(true)
    expect(segmenter.drop(1)).toBe(false)
    expect(segmenter.pending).toBe(false)
    segmenter.push(record(1, 10))
    expect(segmenter.pendingCount).toBe(1)
  })

  it('fills no payload that could not carry a large record, and none above a box', () => {
    for (const capacity of [0, 255, BOX_PAYLOAD_BYTES + 1, Number.NaN]) {
      expect(errorCode(() => new Segmenter().fill(capacity))).toBe('bad-value')
    }
    const segmenter = new Segmenter()
    segmenter.push(record(1, 2000))
    let boxes = 0
    for (; segmenter.pending && boxes < 20; boxes++) segmenter.fill(256)
    expect(boxes).toBe(9)
  })

  it('does not change what was pushed when the caller reuses the buffer', () => {
    const segmenter = new Segmenter()
    const bytes = rng.bytes(100)
    const before = bytes.slice()
    segmenter.push({ seq: 1, bytes })
    bytes.fill(0)
    expect(new Reassembler().accept(0, segmenter.fill().payload)[0]?.bytes).toEqual(before)
  })
})

describe('Reassembler', () => {
  const big = record(9, 20_000)
  const payloads = (() => {
    const segmenter = new Segmenter()
    segmenter.push(big)
    return drain(segmenter)
  })()

  it('gives back records of every size, up to the largest', () => {
    for (const length of [0, 1, 63, 64, 1919, 1920, 1931, 4096, MAX_RECORD_BYTES]) {
      const sent = record(5, length)
      const segmenter = new Segmenter()
      segmenter.push(sent)
      const reassembler = new Reassembler()
      const got = drain(segmenter).flatMap((payload, i) => reassembler.accept(i, payload))
      expect(got.length).toBe(1)
      expect(got[0]?.seq).toBe(5)
      expect(Buffer.compare(got[0]?.bytes ?? new Uint8Array(0), sent.bytes)).toBe(0)
      expect(reassembler.heldBytes).toBe(0)
    }
  })

  it('does not mind the order of the boxes', () => {
    const reassembler = new Reassembler()
    const got = payloads.toReversed().flatMap((payload, i) => reassembler.accept(50 - i, payload))
    expect(got).toMatchObject([{ ...big, boxIndex: 50 - payloads.length + 1 }])
  })

  it('gives nothing of a record with a hole, until the next offer fills it', () => {
    const reassembler = new Reassembler()
    payloads.forEach((payload, i) => {
      expect(i === 4 ? [] : reassembler.accept(i, payload)).toEqual([])
    })
    expect(reassembler.partial).toEqual([9])
    const again = new Segmenter()
    again.push({ seq: 1, bytes: rng.bytes(700) })
    again.push(big)
    const got = drain(again).flatMap((payload, i) => reassembler.accept(100 + i, payload))
    expect(seqs(got)).toContain(9)
    expect(got.find(({ seq }) => seq === 9)?.bytes).toEqual(big.bytes)
  })

  it('delivers a whole record beside a partial one at once', () => {
    const reassembler = new Reassembler()
    reassembler.accept(0, payloads[0] as Uint8Array)
    const small = new Segmenter()
    small.push(record(10, 40))
    expect(seqs(reassembler.accept(5, small.fill().payload))).toEqual([10])
    expect(reassembler.partial).toEqual([9])
  })

  it('changes nothing when a payload is malformed', () => {
    const { reassembler, changes } = onDisk()
    reassembler.accept(0, payloads[0] as Uint8Array)
    changes.take(rng)
    const before = reassembler.encode()
    const bad = (payloads[1] as Uint8Array).slice()
    bad[0] = 7
    expect(errorCode(() => reassembler.accept(1, bad))).toBe('bad-value')
    const padding = encodeSegments(
      [{ seq: 1, total: 64, offset: 0, data: new Uint8Array(64) }],
      200,
    )
    expect(errorCode(() => reassembler.accept(1, padding))).toBe('bad-encoding')
    expect(errorCode(() => reassembler.accept(1, new Uint8Array(BOX_PAYLOAD_BYTES + 1)))).toBe(
      'bad-length',
    )
    expect(reassembler.encode()).toEqual(before)
    expect(changes.take(rng)).toEqual({ written: [], gone: [] })
  })

  it('never joins bytes of contradicting fragments', () => {
    const fragment = (offset: number, fill: number): Segment => ({
      seq: 1,
      total: 128,
      offset,
      data: new Uint8Array(64).fill(fill),
    })
    const page = (segment: Segment) => encodeSegments([segment], 200)
    const reassembler = new Reassembler()
    reassembler.accept(0, page(fragment(0, 1)))
    reassembler.accept(1, page(fragment(0, 2)))
    // The tail completes the second beginning, not the first.
    const tail = { ...fragment(64, 2), data: new Uint8Array(64).fill(2) }
    tail.data[63] = 0x80
    const [got] = reassembler.accept(2, page(tail))
    expect(got?.bytes).toEqual(new Uint8Array(127).fill(2))
  })

  it('joins overlapping fragments in any order as a map of bytes would', () => {
    const total = 1024
    const padded = new Uint8Array(total).map((_, i) => i % 251)
    padded[total - 1] = 0x80
    const below = (limit: number) => (rng.bytes(2)[0] as number) % limit
    for (let round = 0; round < 60; round++) {
      let disk = onDisk()
      const here = new Set<number>()
      for (let box = 0; ; box++) {
        const offset = Math.floor((below(256) / 256) * (total - 64))
        const length = 64 + below(Math.min(200, total - offset - 63))
        const data = padded.slice(offset, offset + length)
        const payload = encodeSegments([{ seq: 1, total, offset, data }], 400)
        const got = disk.reassembler.accept(box, payload)
        for (let at = offset; at < offset + length; at++) here.add(at)
        const whole = here.size === total
        expect(got.map(({ bytes }) => bytes)).toEqual(whole ? [padded.slice(0, -1)] : [])
        if (whole || box === 40) break
        expect(disk.reassembler.heldBytes % 64).toBe(here.size % 64)
        if (below(4) === 0) disk = reopened(disk)
      }
    }
  })

  it('holds no more than its limit, whatever a writer sends', () => {
    const reassembler = new Reassembler()
    for (let seq = 0; seq < 500; seq++) {
      const data = new Uint8Array(1900).fill(1)
      const payload = encodeSegments([{ seq, total: MAX_PADDED_BYTES, offset: 0, data }], 1931)
      expect(reassembler.accept(seq, payload)).toEqual([])
      expect(reassembler.heldBytes).toBeLessThanOrEqual(MAX_PARTIAL_BYTES)
    }
    expect(reassembler.partial).toContain(499)
    expect(reassembler.partial).not.toContain(0)
  })

  it('holds no more than its limit of the shortest fragments', () => {
    const reassembler = new Reassembler()
    const data = new Uint8Array(64).fill(1)
    for (let box = 0; box < 300; box++) {
      const segments: Segment[] = []
      for (let i = 0; i < 23; i++) {
        const at = box * 23 + i
        const offset = (at * 65) % (MAX_PADDED_BYTES - 64)
        segments.push({ seq: Math.floor(at / 3000), total: MAX_PADDED_BYTES, offset, data })
      }
      reassembler.accept(box, encodeSegments(segments, BOX_PAYLOAD_BYTES))
      expect(reassembler.heldBytes).toBeLessThanOrEqual(MAX_PARTIAL_BYTES)
    }
  })

  it('drops a partial record that makes no progress for thousands of boxes', () => {
    const reassembler = new Reassembler()
    reassembler.accept(0, payloads[0] as Uint8Array)
    const empty = new Uint8Array(BOX_PAYLOAD_BYTES)
    for (let box = 1; box <= 4096; box++) reassembler.accept(box, empty)
    expect(reassembler.partial).toEqual([9])
    reassembler.accept(4097, empty)
    expect(reassembler.partial).toEqual([])
  })

  it('goes on from its stored state', () => {
    let disk = onDisk()
    const got: RecordIn[] = []
    payloads.forEach((payload, i) => {
      got.push(...disk.reassembler.accept(i, payload))
      const { state, ...next } = reopened(disk)
      disk = next
      expect(disk.reassembler.encode()).toEqual(state)
    })
    expect(got).toMatchObject([{ ...big, boxIndex: payloads.length - 1 }])
  })

  it('stores every fragment once, and its state holds none of their bytes', () => {
    const disk = onDisk()
    const states = payloads.slice(0, -1).map((payload, i) => {
      disk.reassembler.accept(i, payload)
      const before = disk.rows.written
      disk.rows.apply(disk.changes.take(rng))
      expect(disk.rows.written - before).toBeLessThanOrEqual(BOX_PAYLOAD_BYTES)
      return disk.reassembler.encode().length
    })
    expect(new Set(states).size).toBe(1)
    expect(disk.rows.count).toBe(payloads.length - 1)
    const [record] = disk.reassembler.accept(99, payloads.at(-1) as Uint8Array)
    disk.rows.apply(disk.changes.take(rng))
    expect(disk.rows.count).toBe(payloads.length)
    if (record === undefined) throw new Error('not whole')
    disk.changes.drop(record.rows)
    disk.rows.apply(disk.changes.take(rng))
    expect(disk.rows.count).toBe(0)
  })

  it('refuses to give a state whose rows were not taken', () => {
    const { reassembler, changes } = onDisk()
    reassembler.accept(0, payloads[0] as Uint8Array)
    expect(errorCode(() => reassembler.encode())).toBe('bug')
    changes.take(rng)
    reassembler.accept(1, payloads[1] as Uint8Array)
    expect(errorCode(() => reassembler.encode())).toBe('bug')
  })

  it('lacks what stood in a damaged row, and takes it from the next offer', () => {
    let disk = onDisk()
    payloads.slice(0, -1).forEach((payload, i) => {
      disk.reassembler.accept(i, payload)
      disk.rows.apply(disk.changes.take(rng))
    })
    disk.rows.damage((place) => place === 2)
    disk = reopened(disk)
    expect(disk.reassembler.partial).toEqual([9])
    expect(disk.reassembler.accept(90, payloads.at(-1) as Uint8Array)).toEqual([])
    const [record] = disk.reassembler.accept(91, payloads[2] as Uint8Array)
    expect(record?.bytes).toEqual(big.bytes)
    disk.rows.apply(disk.changes.take(rng))
    if (record !== undefined) disk.changes.drop(record.rows)
    disk.rows.apply(disk.changes.take(rng))
    expect(disk.rows.count).toBe(0)
  })

  it('lacks a record whose rows are all damaged, and lets them go', () => {
    let disk = onDisk()
    disk.reassembler.accept(0, payloads[0] as Uint8Array)
    disk.rows.apply(disk.changes.take(rng))
    disk.rows.damage(() => true)
    disk = reopened(disk)
    expect(disk.reassembler.partial).toEqual([])
    disk.rows.apply(disk.changes.take(rng))
    expect(disk.rows.count).toBe(0)
  })

  it('reads the first version of its state, which held the bytes', () => {
    const first = (payloads[0] as Uint8Array).subarray(19)
    const total = paddedLength(big.bytes.length)
    const state = new Writer(1 + 8 + 4 + 8 + 4 + 8 + 4 + 4 + 4 + first.length)
    state.u8(1).u64(1).u32(1).u64(9).u32(total).u64(1).u32(1).u32(0).vector32(first)
    const disk = onDisk()
    const { find } = disk.rows
    disk.reassembler = Reassembler.decode(state.finish(), find, disk.changes)
    expect(disk.reassembler.partial).toEqual([9])
    const { reassembler } = reopened(disk)
    const got = payloads.slice(1).flatMap((payload, i) => reassembler.accept(i, payload))
    expect(got).toMatchObject([big])
  })

  it('holds few records that are not whole, however short they are', () => {
    const disk = onDisk()
    const data = new Uint8Array(64).fill(1)
    for (let seq = 1; seq <= 3 * MAX_PARTIAL_RECORDS; seq++) {
      const payload = encodeSegments([{ seq, total: 128, offset: 0, data }], BOX_PAYLOAD_BYTES)
      disk.reassembler.accept(seq, payload)
      disk.rows.apply(disk.changes.take(rng))
      expect(disk.rows.count).toBe(Math.min(seq, MAX_PARTIAL_RECORDS))
    }
    expect(disk.reassembler.partial[0]).toBe(2 * MAX_PARTIAL_RECORDS + 1)
  })

  it('forgets on request', () => {
    const reassembler = new Reassembler()
    reassembler.accept(0, payloads[0] as Uint8Array)
    reassembler.drop(9)
    expect(reassembler.partial).toEqual([])
    reassembler.accept(0, payloads[0] as Uint8Array)
    reassembler.clear()
    expect(reassembler.heldBytes).toBe(0)
  })
})

describe('a payload', () => {
  const data = (length: number) => new Uint8Array(length).fill(1)

  it('is refused for impossible segments', () => {
    const bad: Segment[] = [
      { seq: 1, total: 65, offset: 0, data: data(65) },
      { seq: 1, total: 65, offset: 0, data: data(64) },
      { seq: 1, total: 128, offset: 65, data: data(64) },
      { seq: 1, total: 128, offset: 128, data: data(1) },
      { seq: 1, total: 128, offset: 0, data: data(0) },
      { seq: 1, total: 128, offset: 0, data: data(63) },
      { seq: 1, total: 128, offset: 64, data: data(63) },
      { seq: 1, total: MAX_PADDED_BYTES * 2, offset: 0, data: data(64) },
    ]
    for (const segment of bad) {
      expect(errorCode(() => parseSegments(encodeSegments([segment], 300)))).toBe('bad-value')
    }
  })

  it('is refused when it is cut or does not end in zeros', () => {
    const payload = encodeSegments([{ seq: 1, total: 64, offset: 0, data: data(64) }], 90)
    expect(parseSegments(payload.subarray(0, 75)).length).toBe(1)
    for (const length of [1, 5, 10, 11, 74]) {
      expect(errorCode(() => parseSegments(payload.subarray(0, length)))).toBe('bad-length')
    }
    const dirty = payload.slice()
    dirty[89] = 1
    expect(errorCode(() => parseSegments(dirty))).toBe('trailing-bytes')
  })

  it('fits a salted box too', () => {
    const segmenter = new Segmenter()
    segmenter.push(record(1, 1700))
    const { payload, finished } = segmenter.fill(SALTED_PAYLOAD_BYTES)
    expect(payload.length).toBe(SALTED_PAYLOAD_BYTES)
    expect(finished).toEqual([1])
    expect(seqs(new Reassembler().accept(0, payload))).toEqual([1])
  })
})
