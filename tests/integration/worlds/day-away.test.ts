import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { RpcServer } from '../../../rpc/index.ts'
import { silentLogger, systemClock, systemRng } from '../../../src/base/index.ts'
import { EventRetention } from '../../../src/node/event-retention.ts'
import { eventsApi } from '../../../src/node/events-api.ts'
import { Idempotency } from '../../../src/node/idempotency.ts'
import { messagesApi } from '../../../src/node/messages-api.ts'
import { RunningClock } from '../../../src/node/running-clock.ts'
import { eventually, ROOT, Running, withFolder } from '../../support/e2e.ts'
import { FakeNodeApi } from '../../support/fake-node-api.ts'
import { fakeConfig } from '../../support/rpc-harness.ts'
import { World, type WorldNode } from '../../support/world.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
/** A day of it in minutes of a processor: a packet of each node every 30 s. */
const SLOW = {
  slotMs: 30_000,
  mixDelayMs: 15_000,
  boxRate: 0.1,
  keyEpochMs: HOUR_MS,
  layerEpochMs: HOUR_MS,
}
const DAY_MINUTES = 24 * 60
const EVERY_MINUTES = 5
/** For the last text of the day to arrive. */
const QUIET_MINUTES = 30
const NOON_MINUTE = DAY_MINUTES / 2
/** Of real time: for a Python program to start, and to answer. */
const BOT_MS = 120_000

const running: World[] = []

afterEach(async () => {
  for (const world of running.splice(0)) await world.stop()
})

/** One start of a node, with what its clients ask for behind the real RPC server. */
class Served {
  readonly #server: RpcServer
  readonly #clock: RunningClock
  readonly #retention: EventRetention

  private constructor(parts: {
    server: RpcServer
    clock: RunningClock
    retention: EventRetention
  }) {
    this.#server = parts.server
    this.#clock = parts.clock
    this.#retention = parts.retention
  }

  static async start({ world, store, session }: WorldNode, socketPath: string): Promise<Served> {
    const { clock } = world
    const ran = new RunningClock({ store, clock })
    const idempotency = new Idempotency({ store, running: ran })
    const nothing = (): void => undefined
    const node = Object.assign(new FakeNodeApi(), {
      events: eventsApi({ store, clock, idempotency }),
      ...messagesApi({
        store,
        clock,
        idempotency,
        conversations: () => session.conversations,
        needSpace: nothing,
        releaseHold: nothing,
      }),
    })
    const versions = { daemon: '0.1.0', node: process.versions.node }
    // The program on the other side lives in real time.
    const ports = { node, config: fakeConfig, clock: systemClock, rng: systemRng }
    const server = new RpcServer(
      { ...ports, log: silentLogger, versions },
      { socketPath, checkResults: true },
    )
    await server.start()
    return new Served({
      server,
      clock: ran,
      retention: new EventRetention({ store, running: ran }),
    })
  }

  /** As a node's upkeep. */
  async minuteIsOver(minute: number): Promise<void> {
    this.#clock.beat()
    if (minute % 60 === 0) await this.#retention.retain()
  }

  async stop(): Promise<void> {
    await this.#server.stop()
    await this.#clock.flush()
  }
}

it('the Python bot, killed for a day of virtual time, answers every text of the day exactly once', async () => {
  expect(spawnSync('python3', ['--version']).status, 'python3 is missing').toBe(0)
  await withFolder(async (home) => {
    const world = await World.of(['alice', 'bob', 'carol'], {
      seed: 'a day away',
      preset: 'lab',
      overrides: SLOW,
    })
    running.push(world)
    const [alice, bob] = world.nodes as [WorldNode, WorldNode, WorldNode]
    await bob.accept(await alice.invite('bob'), 'alice')
    const isReady = () => alice.phase('bob') === 'ready' && bob.phase('alice') === 'ready'
    await world.until('alice and bob are contacts', isReady, HOUR_MS)
    const socket = join(home, 'rpc.sock')
    let served = await Served.start(bob, socket)
    const bot = () =>
      new Running('python3', [join(ROOT, 'scripts', 'echo_bot.py')], {
        env: { HEARSAY_HOME: home },
        timeoutMs: BOT_MS,
      })
    /** Both times go on: that of the nodes, and that of the bot. */
    const answered = (count: number) =>
      eventually(`${count} answers`, BOT_MS, async () => {
        await world.run(1_000)
        return (await alice.received()).length >= count
      })

    const first = bot()
    await first.says('listening')
    await alice.send('bob', 'text 0')
    await answered(1)
    first.child.kill('SIGKILL')
    await first.result

    let texts = 1
    for (let minute = 1; minute <= DAY_MINUTES; minute++) {
      const isDue = minute % EVERY_MINUTES === 0 && minute < DAY_MINUTES - QUIET_MINUTES
      if (isDue) await alice.send('bob', `text ${texts++}`)
      await world.run(MINUTE_MS)
      await served.minuteIsOver(minute)
      if (minute !== NOON_MINUTE) continue
      await served.stop()
      await bob.stop()
      await bob.start()
      served = await Served.start(bob, socket)
    }
    expect((await bob.received()).length).toBe(texts)
    expect((await alice.received()).length).toBe(1)

    const second = bot()
    await answered(texts)
    // What could bring one a second time has its chance.
    await world.run(5 * MINUTE_MS)
    expect(await alice.received()).toEqual(
      Array.from({ length: texts }, (_, i) => `echo: text ${i}`),
    )
    second.child.kill('SIGTERM')
    await second.result
    await served.stop()
  })
}, 900_000)
