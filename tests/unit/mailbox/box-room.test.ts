import { describe, expect, it } from 'vitest'
import { HearsayError, silentLogger } from '../../../src/base/index.ts'
import { BoxRoom, type RoomyShelf } from '../../../src/mailbox/box-room.ts'
import {
  EVICT_BATCH,
  SCARCE_BOX_BYTES,
  SHED_INTERVAL_MS,
  STORED_BOX_BYTES,
} from '../../../src/mailbox/constants.ts'
import { BUCKETS, RECLAIM_ROOM_BYTES } from '../../../src/store/index.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { signal } from './fixtures.ts'

const MIB = 1024 * 1024
const MARKS = { noneBytes: 64 * MIB, lowBytes: 256 * MIB, enoughBytes: 320 * MIB }
const QUOTA = 4096 * MIB
const FEW = Math.floor(SCARCE_BOX_BYTES / STORED_BOX_BYTES)

interface MachineOptions {
  readonly diskMiB: number
  readonly boxes: number
  readonly othersMiB?: number
  /** Deleted boxes that an earlier run has left in the tables. */
  readonly deadMiB?: number
}

/** A disk with boxes, with the room of boxes that are gone, and with what is not ours. */
class Machine {
  readonly clock = new VirtualClock()
  readonly room: BoxRoom
  readonly sheds: number[] = []
  readonly #diskBytes: number
  boxes: number
  refused = 0
  reclaims = 0
  others: number
  /** Something reads an older state: what is deleted keeps its room. */
  isPinned = false
  onReclaim: () => void = () => {}
  #dead: number
  #removed = 0
  #maxBoxes = Math.floor(QUOTA / STORED_BOX_BYTES)
  #isClosed = false
  readonly #work: Promise<void>[] = []

  constructor({ diskMiB, boxes, othersMiB = 0, deadMiB = 0 }: MachineOptions) {
    this.#diskBytes = diskMiB * MIB
    this.boxes = boxes
    this.others = othersMiB * MIB
    this.#dead = deadMiB * MIB
    this.room = new BoxRoom(
      {
        clock: this.clock,
        log: silentLogger,
        shelf: this.#shelf(),
        store: {
          bytesOf: async () => this.boxes * STORED_BOX_BYTES + this.#dead,
          reclaim: async (bucket) => {
            if (bucket !== BUCKETS.boxes) return
            this.reclaims++
            this.onReclaim()
            if (!this.isPinned) this.#dead = 0
          },
        },
        spawn: (work) => void this.#work.push(work(signal)),
      },
      { quotaBytes: QUOTA, marks: MARKS },
    )
  }

  get freeBytes(): number {
    return this.#diskBytes - this.others - this.#dead - this.boxes * STORED_BOX_BYTES
  }

  get freeMiB(): number {
    return this.freeBytes / MIB
  }

  get maxBoxes(): number {
    return this.#maxBoxes
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  async start(): Promise<void> {
    this.room.fit(this.freeBytes)
    await this.room.start()
    await this.#settle()
  }

  /** A second, in which so many boxes come. */
  async second(arrivals = 0): Promise<void> {
    await this.clock.advance(1_000)
    this.room.fit(this.freeBytes)
    await this.#settle()
    for (let i = 0; i < arrivals; i++) this.#take()
  }

  async seconds(count: number, arrivals = 0): Promise<void> {
    for (let i = 0; i < count; i++) await this.second(arrivals)
  }

  #take(): void {
    if (this.#isClosed) {
      this.refused++
      return
    }
    if (this.boxes >= this.#maxBoxes) this.#remove(EVICT_BATCH)
    this.boxes++
  }

  #remove(count: number): void {
    this.boxes -= count
    this.#removed += count
    this.#dead += count * STORED_BOX_BYTES
  }

  #shelf(): RoomyShelf {
    const count = () => this.boxes
    const removed = () => this.#removed
    const maxBoxes = () => this.#maxBoxes
    const isClosed = () => this.#isClosed
    return {
      get count() {
        return count()
      },
      get removed() {
        return removed()
      },
      get maxBoxes() {
        return maxBoxes()
      },
      get isClosed() {
        return isClosed()
      },
      setRoom: (room) => {
        this.#maxBoxes = room.maxBoxes
        this.#isClosed = room.isClosed
      },
      shedTo: async (goal) => {
        this.sheds.push(this.boxes - goal)
        this.#remove(this.boxes - goal)
      },
    }
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#work.splice(0))
  }
}

async function machine(options: MachineOptions): Promise<Machine> {
  const made = new Machine(options)
  await made.start()
  return made
}

describe('the room for boxes', () => {
  it('ends where the disk would have less than enough, and not at the quota', async () => {
    const disk = await machine({ diskMiB: 1_024, boxes: 0 })
    const most = Math.floor((704 * MIB) / STORED_BOX_BYTES)
    await disk.seconds(288, 1_000)
    expect(disk.boxes).toBe(288_000)
    await disk.seconds(100, 1_000)
    expect(disk.boxes).toBeLessThanOrEqual(most)
    expect(disk.boxes).toBeGreaterThan(most - 2 * EVICT_BATCH)
    // What makes room for others takes room itself until it is given back.
    expect(disk.freeMiB).toBeGreaterThan(250)
    expect({ sheds: disk.sheds, refused: disk.refused }).toEqual({ sheds: [], refused: 0 })
  })

  it('gives way to others at once and once, and gives the space back', async () => {
    const disk = await machine({ diskMiB: 2_048, boxes: 400_000, othersMiB: 500 })
    await disk.seconds(5, 20)
    expect(disk.sheds).toEqual([])
    disk.others = 900 * MIB
    expect(disk.freeMiB).toBeLessThan(256)
    await disk.seconds(2, 20)
    expect(disk.freeMiB).toBeGreaterThan(319)
    expect(disk.freeMiB).toBeLessThan(321)
    expect(disk.reclaims).toBe(1)
    expect(disk.sheds).toHaveLength(1)
  })

  it('does not let go of boxes that it takes again, whatever comes', async () => {
    const disk = await machine({ diskMiB: 2_048, boxes: 400_000, othersMiB: 900 })
    await disk.seconds(2)
    const [left, reclaims] = [disk.boxes, disk.reclaims]
    expect(disk.sheds).toHaveLength(1)
    let least = Number.POSITIVE_INFINITY
    for (let i = 0; i < 3_600; i++) {
      await disk.second(20)
      least = Math.min(least, disk.freeMiB)
      expect(Math.abs(disk.boxes - left)).toBeLessThanOrEqual(2 * EVICT_BATCH)
    }
    // Each that came has taken another's place: 176 MiB of those that went, given back when space was scarce.
    expect(disk.sheds).toHaveLength(1)
    expect(disk.refused).toBe(0)
    expect(disk.reclaims - reclaims).toBeGreaterThan(0)
    expect(disk.reclaims - reclaims).toBeLessThan(6)
    expect(least).toBeGreaterThan(255)
  })

  it('is taken again when others have left it', async () => {
    const disk = await machine({ diskMiB: 2_048, boxes: 400_000, othersMiB: 900 })
    await disk.seconds(2)
    const left = disk.boxes
    disk.others = 500 * MIB
    await disk.seconds(60, 1_000)
    expect(disk.boxes).toBe(left + 60_000)
    expect(disk.freeMiB).toBeGreaterThan(320)
  })

  it('is that of the last minutes where others leave nothing, and then nothing', async () => {
    const disk = await machine({ diskMiB: 2_048, boxes: 400_000, othersMiB: 500 })
    for (let i = 0; i < 4_000; i++) {
      if (disk.freeMiB > 120 && disk.others < 1_900 * MIB) disk.others += 10 * MIB
      await disk.second(20)
    }
    expect(disk.others).toBe(1_900 * MIB)
    expect(disk.boxes).toBeGreaterThan(FEW - 2 * EVICT_BATCH)
    expect(disk.boxes).toBeLessThanOrEqual(FEW)
    expect(disk.refused).toBe(0)
    expect(disk.room.roomBytes).toBeLessThanOrEqual(SCARCE_BOX_BYTES)
    await disk.second()
    disk.others += disk.freeBytes - 60 * MIB
    await disk.second()
    const { boxes } = disk
    await disk.seconds(10, 20)
    expect({ isClosed: disk.isClosed, refused: disk.refused }).toEqual({
      isClosed: true,
      refused: 200,
    })
    expect([disk.boxes, disk.room.roomBytes]).toEqual([boxes, 0])
  })

  it('is not made by rewriting tables where that could fill the disk, until there is room for it', async () => {
    const disk = await machine({ diskMiB: 2_048, boxes: 400_000, othersMiB: 1_031 })
    expect(disk.freeMiB).toBeLessThan(64)
    await disk.seconds(120, 20)
    // To let them go would take room, and give none back.
    expect([disk.sheds, disk.reclaims, disk.refused]).toEqual([[], 0, 2_400])
    disk.others -= 30 * MIB
    await disk.seconds(2, 20)
    expect(disk.sheds).toHaveLength(1)
    expect(disk.reclaims).toBe(1)
    expect(disk.freeMiB).toBeGreaterThan(319)
    expect(disk.isClosed).toBe(false)
  })

  it('is made of what an earlier run has left in the tables before any box goes', async () => {
    const disk = await machine({ diskMiB: 1_024, boxes: 200_000, deadMiB: 300, othersMiB: 120 })
    expect(disk.sheds).toEqual([])
    expect([disk.reclaims, disk.boxes]).toEqual([1, 200_000])
    expect(disk.freeMiB).toBeGreaterThan(320)
  })

  it('is not paid for with all boxes while something keeps what was deleted', async () => {
    const disk = await machine({ diskMiB: 2_048, boxes: 400_000, othersMiB: 500 })
    disk.isPinned = true
    disk.others = 900 * MIB
    await disk.seconds((3 * SHED_INTERVAL_MS) / 1_000)
    expect(disk.sheds.length).toBeLessThanOrEqual(3)
  })

  it('counts what a rewriting of tables holds for moments until the disk was looked at again', async () => {
    const disk = await machine({ diskMiB: 2_048, boxes: 400_000, othersMiB: 500 })
    expect(disk.room.heldBytes).toBe(0)
    const held: number[] = []
    disk.onReclaim = () => {
      // A look at the disk while it goes on.
      disk.room.fit(70 * MIB)
      held.push(disk.room.heldBytes)
    }
    disk.others = 900 * MIB
    await disk.second()
    expect(held).toEqual([RECLAIM_ROOM_BYTES])
    expect(disk.room.heldBytes).toBe(RECLAIM_ROOM_BYTES)
    await disk.second()
    expect(disk.room.heldBytes).toBe(0)
  })

  it('stays owed when the tables could not be rewritten, which is tried again after a minute', async () => {
    const disk = await machine({ diskMiB: 2_048, boxes: 400_000, othersMiB: 500 })
    disk.onReclaim = () => {
      throw new HearsayError('overloaded', 'a backup still reads what was deleted')
    }
    disk.others = 900 * MIB
    await disk.seconds(59)
    expect([disk.sheds.length, disk.reclaims]).toEqual([1, 1])
    disk.onReclaim = () => {}
    await disk.seconds(3)
    expect([disk.sheds.length, disk.reclaims]).toEqual([1, 2])
    expect(disk.freeMiB).toBeGreaterThan(319)
  })

  it('is as little as a new quota says, at once, and the space is given back', async () => {
    const disk = await machine({ diskMiB: 100_000, boxes: 400_000 })
    disk.room.setQuota(512 * MIB)
    await disk.second()
    expect(disk.boxes).toBe(Math.floor((512 * MIB) / STORED_BOX_BYTES))
    expect(disk.maxBoxes).toBe(disk.boxes)
    expect(disk.room.roomBytes).toBe(512 * MIB)
    expect(disk.reclaims).toBe(1)
  })
})
