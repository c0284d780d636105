import { beforeEach, describe, expect, it } from 'vitest'
import { isHearsayError, type Rng, silentLogger } from '../../../src/base/index.ts'
import { eventsApi } from '../../../src/node/events-api.ts'
import { Idempotency } from '../../../src/node/idempotency.ts'
import { RunningClock } from '../../../src/node/running-clock.ts'
import {
  type MemoryDisk,
  memoryDisk,
  openMemoryStore,
  type Store,
} from '../../../src/store/index.ts'
import { Bot } from '../../sim/faults/bot.ts'
import { ConsumerWatch } from '../../sim/faults/consumer-watch.ts'
import { plantedPatch } from '../../sim/faults/planted.ts'
import { ShortRetention } from '../../sim/faults/short-retention.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

/** One event in each. */
const STEP_MS = 1_000
const STEPS = 600
const STEPS_OF_A_LIFE = 40
const STEPS_TO_RETENTION = 10
/** The bot is away for longer than events are kept. It comes back with a start of the node. */
const AWAY = { from: 300, to: 400 }

let clock: VirtualClock
let rng: Rng
let disk: MemoryDisk
let store: Store
let counts: Record<string, number>
let violations: string[]
let bot: Bot

beforeEach(() => {
  clock = new VirtualClock()
  rng = seededRng('node')
  disk = memoryDisk()
  counts = {}
  violations = []
  const watch = new ConsumerWatch({ violation: (what) => violations.push(what) })
  const count = (what: string): void => {
    counts[what] = (counts[what] ?? 0) + 1
  }
  bot = new Bot({ clock, rng: seededRng('bot'), watch, count })
})

const openStore = () => openMemoryStore({ clock, rng, log: silentLogger }, { disk })

async function start(isInReach: boolean): Promise<void> {
  store = await openStore()
  bot.watch.opened(store.epoch, store.journal.oldestSeq())
  if (!isInReach) return
  const idempotency = new Idempotency({ store, running: new RunningClock({ clock, store }) })
  const events = eventsApi({ store, clock, idempotency })
  bot.reach({ events, excuses: () => false })
}

async function stop(): Promise<void> {
  bot.leave()
  await store.close()
}

async function append(): Promise<void> {
  const data = { at: clock.monotonic() }
  await store.batch().append({ type: 'test.event', data }).commit()
}

async function retain(retention: ShortRetention): Promise<void> {
  if (!bot.watch.isMade) return
  const policy = retention.policy(clock.monotonic(), store.headSeq())
  bot.watch.retains(policy)
  bot.watch.retained((await store.retain(policy)).oldestSeq)
}

/** Ten minutes of a node, or until something is wrong. Resolves with the last event that the bot was given. */
async function live(betweenLives = async (): Promise<void> => {}): Promise<number | undefined> {
  const retention = new ShortRetention()
  await start(true)
  for (let step = 1; step <= STEPS && violations.length === 0; step++) {
    await append()
    await clock.advance(STEP_MS)
    if (step === AWAY.from) bot.leave()
    if (step % STEPS_TO_RETENTION === 0) await retain(retention)
    if (step % STEPS_OF_A_LIFE !== 0) continue
    await stop()
    await betweenLives()
    await start(step < AWAY.from || step >= AWAY.to)
  }
  return bot.finish()
}

describe('a bot that reads the events of a node', () => {
  it('is given all of them, over stops of the node and its own, but for what is gone', async () => {
    expect(await live()).toBe(STEPS)
    expect(violations).toEqual([])
    for (const what of ['acks answered', 'resumes', 'overruns']) {
      expect(counts[`consumer ${what}`] ?? 0).toBeGreaterThan(0)
    }
  })

  it('says so when its node has lost the consumer', async () => {
    await live(async () => {
      const other = await openStore()
      await other.consumers.delete('bot')
      await other.close()
    })
    expect(violations[0]).toBe('consumer: it is gone')
  })

  it('sees that feeds acknowledge by themselves', async () => {
    const unpatch = plantedPatch('ack-ahead')
    try {
      await live()
    } finally {
      unpatch?.()
    }
    expect(violations[0]).toMatch(/which nobody has acknowledged|were to be kept/)
  })

  it('holds against its node what no disk excuses', async () => {
    const refuse = () => Promise.reject(new TypeError('a bug'))
    const consumers = { list: refuse, create: refuse, delete: refuse }
    const events = { open: refuse, ack: refuse, consumers }
    bot.reach({ events, excuses: (error) => isHearsayError(error) })
    await clock.advance(30 * STEP_MS)
    expect(violations[0]).toContain('a bug')
  })
})

describe('the retention of simulated nodes', () => {
  it('keeps an event for eight seconds once it is acknowledged, else for 45', () => {
    const retention = new ShortRetention()
    expect(retention.policy(0, 5)).toEqual({ dropUpTo: 0, dropAckedUpTo: 0 })
    expect(retention.policy(7_999, 9)).toEqual({ dropUpTo: 0, dropAckedUpTo: 0 })
    expect(retention.policy(8_000, 9)).toEqual({ dropUpTo: 0, dropAckedUpTo: 5 })
    expect(retention.policy(44_999, 20)).toEqual({ dropUpTo: 0, dropAckedUpTo: 9 })
    expect(retention.policy(45_000, 21)).toEqual({ dropUpTo: 5, dropAckedUpTo: 9 })
    expect(retention.policy(60_000, 30)).toEqual({ dropUpTo: 9, dropAckedUpTo: 21 })
  })
})
