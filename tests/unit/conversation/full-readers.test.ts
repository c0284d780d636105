import { beforeAll, describe, expect, it } from 'vitest'
import {
  FORMER_STREAMS_MAX,
  HELD_BYTES_MAX,
  HELD_RECORDS_MAX,
  LATE_RANGES_MAX,
  READ_EPOCHS_MAX,
  STORED_BYTES_MAX,
} from '../../../src/conversation/constants.ts'
import { type Contact, streamsOf } from '../../../src/conversation/contact.ts'
import { decodeReader, encodeReader } from '../../../src/conversation/contact-codec.ts'
import { StreamReader } from '../../../src/conversation/reader.ts'
import { PRESETS } from '../../../src/directory/presets.ts'
import {
  BOX_PAYLOAD_BYTES,
  FRAGMENT_CHARGE_BYTES,
  FRAGMENT_HEADER_BYTES,
  MAX_PADDED_BYTES,
  MAX_PARTIAL_BYTES,
  MAX_PARTIAL_RECORDS,
} from '../../../src/stream/constants.ts'
import type { Segment } from '../../../src/stream/segments.ts'
import { NETWORK_ID } from '../../support/devices.ts'
import { hostileStream } from '../../support/hostile-stream.ts'
import { MemoryRows } from '../../support/memory-rows.ts'
import { seededRng } from '../../support/seeded-rng.ts'

const WINDOW = Math.max(...Object.values(PRESETS).map(({ addressWindow }) => addressWindow))
const OPTIONS = { networkId: NETWORK_ID, windowSize: WINDOW }
const FRAGMENT_BYTES = BOX_PAYLOAD_BYTES - FRAGMENT_HEADER_BYTES
/** The largest state of all readers of a contact that is stored with every box of it. */
const STATE_BYTES_MAX = 192 * 1024
const rng = seededRng('full readers')
const moment = (ms: number) => ({ at: ms, awake: ms })
const wait = (ms: number) => ({ at: ms, awake: 0, calm: 0 })

/** What one contact's reader costs on the disk, box by box. */
class Disk {
  readonly rows = new MemoryRows()
  readonly reader = new StreamReader(OPTIONS)

  /** As `hostileStream`; every box gives the bytes of its rows. */
  open(tag: string) {
    const box = hostileStream(this.reader, tag, OPTIONS)
    return (segments: readonly Segment[], skipped = 0) => {
      box(segments, skipped)
      return this.save()
    }
  }

  /** Bytes of rows that the turn has written. */
  save(): number {
    const before = this.rows.written
    this.rows.apply(this.reader.takeRows(rng))
    return this.rows.written - before
  }

  get stateBytes(): number {
    return encodeReader({
      reader: this.reader,
      formers: [],
    } as unknown as Contact).length
  }
}

const whole = (seq: number, total: number): Segment => {
  const data = new Uint8Array(total).fill(seq)
  data[total - 1] = 0x80
  return { seq, total, offset: 0, data }
}

const part = (seq: number, place: number): Segment => {
  const data = new Uint8Array(FRAGMENT_BYTES).fill(place)
  return { seq, total: MAX_PADDED_BYTES, offset: place * FRAGMENT_BYTES, data }
}

/** The most that a writer can make its reader hold, in every way at once. */
function full(): { disk: Disk; last: ReturnType<Disk['open']> } {
  const disk = new Disk()
  const epochs = Array.from({ length: READ_EPOCHS_MAX }, (_, i) => disk.open(`0.${i}`))
  const [first] = epochs
  if (first === undefined) throw new Error('no epoch')
  // Numbers of 2^50 and more take nine bytes each.
  const far = 2 ** 50
  let seq = far
  for (let i = 0; i < LATE_RANGES_MAX; i++) {
    first([whole(seq, 64)])
    disk.reader.giveUpGap(moment(0), wait(0))
    disk.reader.applied(seq)
    seq += 2
  }
  const each = Math.floor(HELD_BYTES_MAX / HELD_RECORDS_MAX)
  for (let i = 0; i < HELD_RECORDS_MAX; i += 3) {
    first(Array.from({ length: 3 }, (_, k) => whole(seq + 2 * (i + k), each)))
  }
  seq += 4 * HELD_RECORDS_MAX
  const count = Math.floor(MAX_PARTIAL_BYTES / (FRAGMENT_BYTES + FRAGMENT_CHARGE_BYTES))
  for (const box of epochs) {
    for (let i = 0; i < count; i++) {
      box([part(seq + 2 * (i % MAX_PARTIAL_RECORDS), Math.floor(i / MAX_PARTIAL_RECORDS))])
    }
    seq += 4 * MAX_PARTIAL_RECORDS
    // As many holes as the window has.
    box([], WINDOW - 1)
  }
  return { disk, last: epochs.at(-1) ?? first }
}

describe('a reader that holds all that a contact can make it hold', () => {
  let filled: ReturnType<typeof full>
  beforeAll(() => {
    filled = full()
  })

  it('holds more than a megabyte in rows, and all readers of a contact have a small state', () => {
    const { rows, reader } = filled.disk
    expect(rows.written).toBeGreaterThan(1_400_000)
    expect(reader.gaps().length).toBeGreaterThan(READ_EPOCHS_MAX * (WINDOW - 2))
    expect(reader.ackState().upTo).toBeGreaterThan(2 ** 50)
    const contact = {
      reader,
      formers: Array.from({ length: FORMER_STREAMS_MAX }, () => ({
        reader,
        until: Number.MAX_SAFE_INTEGER,
      })),
      ackDueAt: Number.MAX_SAFE_INTEGER,
    }
    const bytes = encodeReader(contact as unknown as Contact)
    expect(bytes.length).toBeGreaterThan(STATE_BYTES_MAX / 2)
    expect(bytes.length).toBeLessThan(STATE_BYTES_MAX)
    expect(bytes.length).toBeLessThan(STORED_BYTES_MAX)
    const copies = decodeReader(OPTIONS, bytes, rows.find)
    for (const copy of streamsOf({ ...contact, ...copies } as unknown as Contact)) {
      expect(copy.encode()).toEqual(reader.encode())
    }
  })

  it('writes as little for a box as one that holds nothing', () => {
    const empty = new Disk()
    const box = empty.open('0.0')
    const few = [box([whole(7, 1024)]), box([part(8, 0)]), box([])]
    const { disk, last } = filled
    const before = disk.stateBytes
    // It is full: what comes is dropped, or takes the place of what was here longest.
    expect(last([whole(7, 1024)])).toBeLessThanOrEqual(few[0] ?? 0)
    expect(last([part(8, 0)])).toBeLessThanOrEqual(few[1] ?? 0)
    expect(last([])).toBe(few[2])
    expect(disk.stateBytes).toBeLessThanOrEqual(before)
  })
})

it('what a reader stores with each box does not grow with the bytes that it holds', () => {
  const disk = new Disk()
  const box = disk.open('0.0')
  const costs: number[] = []
  for (let i = 0; i * FRAGMENT_BYTES < MAX_PADDED_BYTES - FRAGMENT_BYTES; i++) {
    costs.push(box([part(1, i)]) + disk.stateBytes)
  }
  expect(costs.length).toBeGreaterThan(100)
  expect(new Set(costs).size).toBe(1)
})
