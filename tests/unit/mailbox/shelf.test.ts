import { afterEach, describe, expect, it } from 'vitest'
import { asAddress, type BoxBytes, toHex } from '../../../src/base/index.ts'
import { BoxRows } from '../../../src/mailbox/box-rows.ts'
import { BUCKETS, memoryDisk, openMemoryStore } from '../../../src/store/index.ts'
import { boxHash } from '../../../src/stream/index.ts'
import { damage } from '../../support/copied-disk.ts'
import { storePorts } from '../../support/store-contract.ts'
import {
  addressOf,
  box,
  conflict,
  EXPIRY,
  NETWORK,
  publication,
  TODAY,
  world,
  type WorldOptions,
} from './fixtures.ts'

const worlds: ReturnType<typeof world>[] = []

async function single(options: Partial<WorldOptions> = {}) {
  const made = world({ nodes: 1, ...options })
  worlds.push(made)
  return { ...made, ...(await made.add(0)) }
}

afterEach(async () => {
  await Promise.all(worlds.splice(0).map((each) => each.close()))
})

const HOUR = 3_600_000
const DAY = 24 * HOUR

describe('mailbox shelf', () => {
  it('gives back what gossip brought, also after a restart', async () => {
    const { mailbox, add, store } = await single()
    const one = box()
    await mailbox.accept(publication(one))
    expect(await mailbox.find([addressOf(one)])).toEqual([one])
    expect((await mailbox.lookup(addressOf(one))).map(toHex)).toEqual([toHex(boxHash(one))])
    await mailbox.stop()
    await store.close()
    const again = await add(0)
    expect(await again.mailbox.find([addressOf(one)])).toEqual([one])
    expect(again.mailbox.status()).toMatchObject({ boxes: 1, hot: 1 })
  })

  it('gives a box that is still being written: whoever waits for it now may have missed its arrival', async () => {
    const { mailbox } = await single()
    const one = box()
    const stored = mailbox.accept(publication(one))
    expect(await mailbox.find([addressOf(one)])).toEqual([one])
    await stored
  })

  it('takes a box once', async () => {
    const { mailbox } = await single()
    const one = publication(box())
    await Promise.all([1, 2, 3].map(() => mailbox.accept(one)))
    expect(mailbox.status()).toMatchObject({ boxes: 1, dropped: { known: 2 } })
  })

  it('keeps both boxes of a conflict in the order they came, and no third', async () => {
    const { mailbox } = await single()
    const [a, b, c] = conflict(3) as [BoxBytes, BoxBytes, BoxBytes]
    await Promise.all([a, b, c].map((each) => mailbox.accept(publication(each))))
    expect(await mailbox.find([addressOf(a)])).toEqual([a, b])
    expect(await mailbox.lookup(addressOf(a))).toHaveLength(2)
    expect(mailbox.status()).toMatchObject({ boxes: 2, dropped: { third: 1 } })
  })

  it('drops expired boxes, boxes from the future and malformed publications', async () => {
    const { mailbox } = await single()
    await mailbox.accept(publication(box(TODAY - 1)))
    await mailbox.accept(publication(box(EXPIRY + 2)))
    await mailbox.accept(new Uint8Array(3))
    const wrongVersion = publication(box())
    wrongVersion[wrongVersion.length - 2_048]! ^= 0xff
    await mailbox.accept(wrongVersion)
    expect(mailbox.status()).toMatchObject({
      boxes: 0,
      dropped: { expired: 1, future: 1, malformed: 2 },
    })
    await mailbox.accept(publication(box(TODAY)))
    await mailbox.accept(publication(box(EXPIRY + 1)))
    expect(mailbox.status().boxes).toBe(2)
  })

  it('forgets what is not its own to keep when it is no longer hot', async () => {
    const { mailbox, clock, placement } = await single({ nodes: 12 })
    const boxes = Array.from({ length: 30 }, () => box())
    for (const each of boxes) await mailbox.accept(publication(each))
    await clock.advance(HOUR + 10 * 60_000)
    expect(mailbox.status().hot).toBe(0)
    for (const each of boxes) {
      const found = await mailbox.find([addressOf(each)])
      expect(found.length > 0).toBe(placement.isKeeper(addressOf(each), TODAY))
    }
    expect(mailbox.status().boxes).toBe(
      boxes.filter((each) => placement.isKeeper(addressOf(each), TODAY)).length,
    )
  })

  it('removes kept boxes after their last day, and counts right', async () => {
    const { mailbox, clock, store } = await single()
    const one = box()
    await mailbox.accept(publication(one))
    await clock.advance(2 * DAY)
    expect(await mailbox.find([addressOf(one)])).toHaveLength(1)
    await clock.advance(DAY)
    expect(await mailbox.find([addressOf(one)])).toEqual([])
    expect(mailbox.status()).toMatchObject({ boxes: 0, hot: 0 })
    for (const bucket of [BUCKETS.boxes, BUCKETS.hotBoxes, BUCKETS.boxExpiry]) {
      const left = []
      for await (const [key] of store.iterate(bucket)) left.push(key)
      expect(left).toEqual([])
    }
  })

  it('evicts the farthest kept boxes first and leaves the hot window alone', async () => {
    const { mailbox, clock, placement } = await single({ maxBytes: 100 * 2_560 })
    const old = Array.from({ length: 90 }, () => box())
    for (const each of old) await mailbox.accept(publication(each))
    await clock.advance(HOUR + 10 * 60_000)
    const fresh = Array.from({ length: 30 }, () => box())
    for (const each of fresh) await mailbox.accept(publication(each))
    expect(mailbox.status().boxes).toBeLessThanOrEqual(100)
    for (const each of fresh) expect(await mailbox.find([addressOf(each)])).toHaveLength(1)
    const distance = (each: BoxBytes) => placement.distance(addressOf(each), TODAY)
    const left: number[] = []
    const gone: number[] = []
    for (const each of old) {
      const found = await mailbox.find([addressOf(each)])
      ;(found.length > 0 ? left : gone).push(distance(each))
    }
    expect(gone).toHaveLength(64)
    expect(Math.max(...left)).toBeLessThanOrEqual(Math.min(...gone))
  })

  it('evicts the oldest hot boxes when nothing else is left', async () => {
    const { mailbox, clock } = await single({ maxBytes: 100 * 2_560 })
    const first = box()
    await mailbox.accept(publication(first))
    await clock.advance(10 * 60_000)
    for (let i = 0; i < 110; i++) await mailbox.accept(publication(box()))
    expect(mailbox.status().boxes).toBeLessThanOrEqual(100)
    expect(await mailbox.find([addressOf(first)])).toEqual([])
  })

  it('does not write addresses, hashes or boxes into the keys of the disk', async () => {
    const { mailbox, store } = await single()
    const one = box()
    await mailbox.accept(publication(one))
    const secrets = [addressOf(one), boxHash(one), NETWORK].map((bytes) => toHex(bytes.slice(0, 8)))
    for (const bucket of [BUCKETS.boxes, BUCKETS.hotBoxes, BUCKETS.boxExpiry]) {
      for await (const [key] of store.iterate(bucket)) {
        for (const secret of secrets) expect(toHex(key)).not.toContain(secret)
      }
    }
  })
})

describe('a damaged mailbox', () => {
  /** A node with so many hot boxes whose rows in these buckets are damaged while it is off. */
  async function damaged(buckets: readonly number[], isHit: (row: number) => boolean) {
    const made = await single()
    const boxes = Array.from({ length: 6 }, () => box())
    for (const each of boxes) await made.mailbox.accept(publication(each))
    await made.mailbox.stop()
    await made.store.close()
    const disk = made.disks.get(0)
    if (disk === undefined) throw new Error('no disk')
    for (const bucket of buckets) {
      let row = 0
      await damage(disk, bucket, () => isHit(row++))
    }
    return { ...made, boxes, ...(await made.add(0)) }
  }

  it('starts with every box whose entry in the hot window is damaged', async () => {
    const { mailbox, boxes, clock } = await damaged([BUCKETS.hotBoxes], (row) => row % 2 === 0)
    expect(mailbox.status()).toMatchObject({ boxes: 6, hot: 6 })
    for (const each of boxes) expect(await mailbox.find([addressOf(each)])).toHaveLength(1)
    await clock.advance(2 * HOUR)
    expect(mailbox.status()).toMatchObject({ boxes: 6, hot: 0 })
    await clock.advance(4 * DAY)
    expect(mailbox.status()).toMatchObject({ boxes: 0 })
  })

  it('does not have a box that is damaged, and takes it again', async () => {
    const { mailbox, boxes } = await damaged([BUCKETS.boxes, BUCKETS.hotBoxes], () => true)
    expect(mailbox.status()).toMatchObject({ hot: 0 })
    const one = boxes[0] as BoxBytes
    expect(await mailbox.find([addressOf(one)])).toEqual([])
    await mailbox.accept(publication(one))
    expect(await mailbox.find([addressOf(one)])).toEqual([one])
    expect(mailbox.status()).toMatchObject({ hot: 1 })
  })

  it('goes on sweeping past entries that are damaged, and counts its boxes anew', async () => {
    const { mailbox, clock } = await damaged(
      [BUCKETS.boxExpiry, BUCKETS.mailboxCount],
      (row) => row % 2 === 0,
    )
    expect(mailbox.status()).toMatchObject({ boxes: 6, hot: 6 })
    await clock.advance(4 * DAY)
    expect(mailbox.status()).toMatchObject({ boxes: 0, hot: 0 })
  })

  it('sweeps behind any number of entries that are lost with their boxes', async () => {
    const disk = memoryDisk()
    const open = async () => {
      const store = await openMemoryStore(storePorts, { disk })
      return { store, rows: new BoxRows(store, () => 0) }
    }
    const { store, rows } = await open()
    const batch = rows.batch()
    for (let i = 0; i < 8; i++) {
      const one = publication(box())
      const address = asAddress(new Uint8Array(32).fill(i))
      const state = { expiryDay: 1, slot: 0, heardAt: i * HOUR, confirmed: true, kept: true }
      const entry = { address, boxHash: new Uint8Array(32), ...state }
      rows.put(batch, { entry, publication: one }, true)
    }
    await batch.commit()
    const lost = new Set<string>()
    for (let i = 0; i < 7; i++) {
      const key = store.keyFor(BUCKETS.boxes, new Uint8Array(32).fill(i))
      lost.add(toHex(key))
    }
    await store.close()
    const isLost = (key: Uint8Array) => lost.has(toHex(key.slice(-21, -1)))
    for (const bucket of [BUCKETS.boxes, BUCKETS.hotBoxes, BUCKETS.boxExpiry]) {
      await damage(disk, bucket, isLost)
    }
    const again = await open()
    const found = []
    for await (const { address } of again.rows.hotBefore(DAY, 2)) found.push(address[0])
    const over = await again.rows.expiredBefore(2, 2)
    expect([found, over.map(({ address }) => address[0])]).toEqual([[7], [7]])
    await again.store.close()
  })
})
