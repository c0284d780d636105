import { describe, expect, it } from 'vitest'
import {
  type BoxBytes,
  HearsayError,
  type NodeId,
  type Rng,
  silentLogger,
  TaskGroup,
  toHex,
} from '../../../src/base/index.ts'
import {
  ASKS_MAX,
  COURIER_OPEN_MAX,
  REPLY_FLOOR_MS,
  REQUEST_BODY_BYTES,
  SEALED_ANSWER_BYTES,
  SEALED_REQUEST_BYTES,
} from '../../../src/mix/constants.ts'
import { MixCounts, type MixEvent } from '../../../src/mix/counts.ts'
import { Courier } from '../../../src/mix/courier.ts'
import type { MixFrame } from '../../../src/mix/frame.ts'
import { decodeReply, encodeRequest, type MixRequest } from '../../../src/mix/request.ts'
import {
  createSurb,
  openReply,
  sphinxGeometry,
  type Surb,
  unwrapPacket,
} from '../../../src/sphinx/index.ts'
import { BOX_BYTES } from '../../../src/stream/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { sphinxRoute } from '../../support/sphinx-route.ts'
import { ksTwoSample, ksUniform } from '../../support/statistics.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { nodeAt } from './fixtures.ts'

const HOPS = 3
const DELAY_MS = 500
const geometry = sphinxGeometry({ suite: 'x25519', hops: HOPS, bodyBytes: REQUEST_BODY_BYTES })
const rng = seededRng('courier')
const { keys, route } = sphinxRoute(rng, 'x25519', HOPS)
const keeper = nodeAt('keeper')
const box = rng.bytes(BOX_BYTES) as BoxBytes
const sealed = rng.bytes(SEALED_REQUEST_BYTES)
const answer = rng.bytes(SEALED_ANSWER_BYTES)

const REQUESTS: Record<MixRequest['kind'], MixRequest> = {
  publish: { kind: 'publish', box },
  fetch: { kind: 'fetch', keeper, sealed },
  echo: { kind: 'echo' },
}
const KINDS = Object.keys(REQUESTS) as MixRequest['kind'][]

class Bench {
  readonly clock = new VirtualClock()
  readonly counts = new MixCounts()
  readonly tasks = new TaskGroup(silentLogger)
  readonly sent: { to: NodeId; frame: MixFrame; at: number }[] = []
  readonly published: BoxBytes[] = []
  publish: () => Promise<void> = async () => undefined
  linked: (to: NodeId) => boolean = () => true
  known: (node: NodeId) => boolean = () => true
  readonly courier: Courier

  constructor(seed: string) {
    this.courier = new Courier(
      {
        clock: this.clock,
        rng: seededRng(seed),
        counts: this.counts,
        publish: {
          publish: async (bytes) => {
            this.published.push(bytes)
            await this.publish()
          },
        },
        isKnown: (node) => this.known(node),
        deliver: (to, frame) => {
          if (!this.linked(to)) return false
          this.sent.push({ to, frame, at: this.clock.monotonic() })
          return true
        },
        spawn: (name, task) => this.tasks.spawn(name, task),
      },
      { geometry, mixDelayMs: DELAY_MS },
    )
  }

  /** A request with its SURB, as it comes out of a packet. */
  arrive(request: MixRequest, surb = aSurb()): Surb {
    const plaintext = new Uint8Array(geometry.plaintextBytes)
    plaintext.set(surb.bytes)
    plaintext.set(encodeRequest(rng, request), geometry.surbBytes)
    this.courier.arrive(plaintext)
    return surb
  }

  run(ms: number): Promise<void> {
    return this.clock.advance(ms)
  }

  get replies() {
    return this.sent.flatMap(({ to, frame, at }) =>
      frame.kind === 'packet' ? [{ to, at, packet: frame.packet }] : [],
    )
  }

  get asks() {
    return this.sent.flatMap(({ to, frame }) => (frame.kind === 'ask' ? [{ to, ...frame }] : []))
  }

  get counted(): Partial<Record<MixEvent, number>> {
    return this.counts.snapshot()
  }
}

const aSurb = (random: Rng = rng): Surb => createSurb(random, geometry, route, nodeAt('asker'))
const LONG_ENOUGH = REPLY_FLOOR_MS + 10 * DELAY_MS

/** What the maker of the SURB reads in the reply packet. */
function read(surb: Surb, packet: Uint8Array): Uint8Array | undefined {
  let current: Uint8Array = packet
  for (const key of keys) {
    const unwrapped = unwrapPacket(geometry, key, current)
    if (unwrapped?.kind === 'forward') current = unwrapped.packet
    else if (unwrapped?.kind === 'reply') return openReply(geometry, surb.keys, unwrapped.payload)
  }
  return undefined
}

/** Delays of the replies to one kind of request. */
async function delaysOf(kind: MixRequest['kind'], count: number, prepare?: (bench: Bench) => void) {
  const bench = new Bench(`delays of ${kind}`)
  prepare?.(bench)
  const surb = aSurb()
  for (let i = 0; i < count; i++) bench.arrive(REQUESTS[kind], surb)
  await bench.run(LONG_ENOUGH)
  expect(bench.replies).toHaveLength(count)
  return bench.replies.map(({ at }) => at)
}

describe('a courier', () => {
  it.each(KINDS)('replies once to a %s, with the size of every packet', async (kind) => {
    const bench = new Bench(kind)
    const surb = bench.arrive(REQUESTS[kind])
    expect(bench.courier.open).toBe(1)
    await bench.run(LONG_ENOUGH)
    expect(bench.courier.open).toBe(0)
    await bench.run(10 * LONG_ENOUGH)
    expect(bench.replies).toHaveLength(1)
    const [reply] = bench.replies
    expect(reply?.packet.length).toBe(geometry.packetBytes)
    expect(toHex(reply?.to as NodeId)).toBe(toHex(route[0]?.nodeId as NodeId))
    const opened = read(surb, reply?.packet as Uint8Array)
    expect(opened?.length).toBe(geometry.plaintextBytes)
    expect(decodeReply(opened as Uint8Array)).toBeUndefined()
    expect(bench.counts.of('replied')).toBe(1)
  })

  it('replies after a floor and an exponential time, whatever it is asked', async () => {
    const delays = await Promise.all(KINDS.map((kind) => delaysOf(kind, 250)))
    for (const sample of delays) {
      expect(Math.min(...sample)).toBeGreaterThanOrEqual(REPLY_FLOOR_MS)
      const uniform = sample.map((at) => 1 - Math.exp(-(at + 0.5 - REPLY_FLOOR_MS) / DELAY_MS))
      expect(ksUniform(uniform)).toBeGreaterThan(0.001)
      expect(ksTwoSample(sample, delays[0] as number[])).toBeGreaterThan(0.001)
    }
  })

  it('replies at the same time however its gossip and its keeper behave', async () => {
    const usual = await delaysOf('publish', 50)
    const never = (bench: Bench) => (bench.publish = () => new Promise(() => undefined))
    const refused = (bench: Bench) =>
      (bench.publish = async () => {
        throw new HearsayError('not-courier', 'another layer')
      })
    for (const prepare of [never, refused]) {
      expect(await delaysOf('publish', 50, prepare)).toEqual(usual)
    }
    const silent = await delaysOf('fetch', 50)
    const unlinked = (bench: Bench) => (bench.linked = (to) => toHex(to) !== toHex(keeper))
    expect((await delaysOf('fetch', 50, unlinked)).length).toBe(silent.length)
  })

  it('brings a box into gossip once, at once, and counts what became of it', async () => {
    const bench = new Bench('publish')
    bench.arrive(REQUESTS.publish)
    await bench.run(0)
    expect(bench.published.map(toHex)).toEqual([toHex(box)])
    bench.publish = async () => {
      throw new HearsayError('not-courier', 'another layer')
    }
    bench.arrive(REQUESTS.publish)
    await bench.run(LONG_ENOUGH)
    expect(bench.counted).toEqual({ published: 1, 'not-published': 1, replied: 2 })
  })

  it('replies to what it does not understand', async () => {
    const bench = new Bench('unknown')
    const surb = aSurb()
    const plaintext = rng.bytes(geometry.plaintextBytes)
    plaintext.set(surb.bytes)
    plaintext[geometry.surbBytes] = 77
    bench.courier.arrive(plaintext)
    await bench.run(LONG_ENOUGH)
    expect(read(surb, bench.replies[0]?.packet as Uint8Array)).toBeDefined()
    expect(bench.counted).toEqual({ replied: 1 })
  })

  it('does what is asked and replies to nobody when the SURB is none', async () => {
    const bench = new Bench('malformed')
    const plaintext = rng.bytes(geometry.plaintextBytes)
    plaintext[32] = 99
    plaintext.set(encodeRequest(rng, REQUESTS.publish), geometry.surbBytes)
    bench.courier.arrive(plaintext)
    await bench.run(LONG_ENOUGH)
    expect(bench.counted).toEqual({ published: 1, malformed: 1 })
    expect(bench.sent).toEqual([])
    expect(bench.courier.open).toBe(0)
  })

  it('replies to nobody outside the network, and loses a reply without a link', async () => {
    const bench = new Bench('misrouted')
    bench.known = () => false
    bench.arrive(REQUESTS.echo)
    await bench.run(LONG_ENOUGH)
    bench.known = () => true
    bench.linked = () => false
    bench.arrive(REQUESTS.echo)
    await bench.run(LONG_ENOUGH)
    expect(bench.counted).toEqual({ misrouted: 1, 'no-link': 1 })
  })

  it('keeps no view of the packet', async () => {
    const bench = new Bench('views')
    const surb = aSurb()
    const plaintext = new Uint8Array(geometry.plaintextBytes)
    plaintext.set(surb.bytes)
    plaintext.set(encodeRequest(rng, REQUESTS.publish), geometry.surbBytes)
    bench.courier.arrive(plaintext)
    plaintext.fill(0)
    await bench.run(LONG_ENOUGH)
    expect(bench.published.map(toHex)).toEqual([toHex(box)])
    expect(read(surb, bench.replies[0]?.packet as Uint8Array)).toBeDefined()
  })

  it('has so many replies to come and no more', async () => {
    const bench = new Bench('open')
    const plaintext = rng.bytes(geometry.plaintextBytes)
    plaintext[geometry.surbBytes] = 2
    for (let i = 0; i < COURIER_OPEN_MAX + 3; i++) bench.courier.arrive(plaintext)
    expect(bench.courier.open).toBe(COURIER_OPEN_MAX)
    expect(bench.counted).toEqual({ overloaded: 3 })
    await bench.tasks.stop()
    expect(bench.courier.open).toBe(0)
    expect(bench.clock.pendingTimers).toBe(0)
  })

  it('replies to nobody once it stops', async () => {
    const bench = new Bench('stop')
    bench.arrive(REQUESTS.echo)
    await bench.run(100)
    await bench.tasks.stop()
    await bench.run(LONG_ENOUGH)
    expect(bench.sent).toEqual([])
    expect(bench.clock.pendingTimers).toBe(0)
  })
})

describe('a question to a keeper', () => {
  it('goes out at once, and its answer comes back with the reply', async () => {
    const bench = new Bench('ask')
    const surb = bench.arrive(REQUESTS.fetch)
    const [ask] = bench.asks
    expect([toHex(ask?.to as NodeId), toHex(ask?.sealed as Uint8Array)]).toEqual([
      toHex(keeper),
      toHex(sealed),
    ])
    const buffer = answer.slice()
    expect(bench.courier.answered(keeper, ask?.ref as Uint8Array, buffer)).toBe(true)
    buffer.fill(0)
    await bench.run(LONG_ENOUGH)
    const opened = read(surb, bench.replies[0]?.packet as Uint8Array)
    expect(toHex(decodeReply(opened as Uint8Array) as Uint8Array)).toBe(toHex(answer))
  })

  it('is answered by the keeper that was asked, once, and in time', async () => {
    const bench = new Bench('answers')
    const surb = bench.arrive(REQUESTS.fetch)
    const ref = bench.asks[0]?.ref as Uint8Array
    const wrong = rng.bytes(SEALED_ANSWER_BYTES)
    const { courier } = bench
    expect(courier.answered(nodeAt('another'), ref, wrong)).toBe(false)
    expect(courier.answered(keeper, rng.bytes(ref.length), wrong)).toBe(false)
    expect(courier.answered(keeper, ref, answer)).toBe(true)
    expect(courier.answered(keeper, ref, wrong)).toBe(false)
    await bench.run(LONG_ENOUGH)
    expect(courier.answered(keeper, ref, wrong)).toBe(false)
    const opened = read(surb, bench.replies[0]?.packet as Uint8Array)
    expect(toHex(decodeReply(opened as Uint8Array) as Uint8Array)).toBe(toHex(answer))
    await bench.run(LONG_ENOUGH)
    expect(bench.replies).toHaveLength(1)
  })

  it('gets a name of its own each time', () => {
    const bench = new Bench('names')
    for (let i = 0; i < 20; i++) bench.arrive(REQUESTS.fetch)
    expect(new Set(bench.asks.map(({ ref }) => toHex(ref))).size).toBe(20)
  })

  it('to nobody in the network, or without a link, is not asked, and has its reply', async () => {
    const bench = new Bench('nobody')
    bench.known = (node) => toHex(node) !== toHex(keeper)
    bench.arrive(REQUESTS.fetch)
    bench.known = () => true
    bench.linked = (to) => toHex(to) !== toHex(keeper)
    bench.arrive(REQUESTS.fetch)
    await bench.run(LONG_ENOUGH)
    expect(bench.asks).toEqual([])
    expect(bench.counted).toEqual({ 'no-link': 1, replied: 2 })
  })

  it('is one of so many at a time: more get a reply without an answer', async () => {
    const bench = new Bench('many')
    const surb = aSurb()
    for (let i = 0; i < ASKS_MAX + 2; i++) bench.arrive(REQUESTS.fetch, surb)
    expect(bench.asks).toHaveLength(ASKS_MAX)
    await bench.run(LONG_ENOUGH)
    expect(bench.replies).toHaveLength(ASKS_MAX + 2)
    bench.arrive(REQUESTS.fetch)
    expect(bench.asks).toHaveLength(ASKS_MAX + 1)
  })
})
