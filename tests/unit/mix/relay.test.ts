import { describe, expect, it } from 'vitest'
import {
  type ErrorCode,
  HearsayError,
  type NodeId,
  silentLogger,
  toHex,
} from '../../../src/base/index.ts'
import {
  DELAY_MEANS_MAX,
  RELAY_PENDING_MAX,
  REQUEST_BODY_BYTES,
} from '../../../src/mix/constants.ts'
import { MixCounts, type MixEvent } from '../../../src/mix/counts.ts'
import type { MixFrame } from '../../../src/mix/frame.ts'
import type { RingKey } from '../../../src/mix/key-ring.ts'
import type { ReplaySet, ReplayVerdict } from '../../../src/mix/replay-set.ts'
import { Relay } from '../../../src/mix/relay.ts'
import {
  createSurb,
  type Hop,
  mixKeyPair,
  sphinxGeometry,
  unwrapPacket,
  useSurb,
  wrapPacket,
} from '../../../src/sphinx/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { flipped, sphinxRoute } from '../../support/sphinx-route.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { nodeAt } from './fixtures.ts'

const HOPS = 3
const DELAY_MS = 500
const EPOCH = 40
const geometry = sphinxGeometry({ suite: 'x25519', hops: HOPS, bodyBytes: REQUEST_BODY_BYTES })
const rng = seededRng('relay')
// Delays of 0, 1001 and 2002 ms.
const { keys, route, seeds } = sphinxRoute(rng, 'x25519', HOPS)
const plaintext = rng.bytes(geometry.plaintextBytes)

type Sent = { to: NodeId; frame: MixFrame; at: number }

interface RelayOptions {
  readonly hop?: number
  readonly ring?: readonly RingKey[]
}

/** The mix of one hop of the route, with a disk that takes its time. */
class Bench {
  readonly clock = new VirtualClock()
  readonly counts = new MixCounts()
  readonly sent: Sent[] = []
  readonly arrived: Uint8Array[] = []
  readonly taken: { epoch: number; tag: string }[] = []
  diskMs = 0
  diskFails: ErrorCode | 'foreign' | undefined
  verdict: ReplayVerdict | undefined
  known = true
  linked = true
  readonly relay: Relay

  constructor({ hop = 0, ring }: RelayOptions = {}) {
    const held = ring ?? [{ epoch: EPOCH, pair: keys[hop] as RingKey['pair'] }]
    this.relay = new Relay(
      {
        clock: this.clock,
        log: silentLogger,
        counts: this.counts,
        keys: { current: () => [...held] },
        replays: { take: (epoch, tag) => this.take(epoch, toHex(tag)) },
        isKnown: () => this.known,
        deliver: (to, frame) => {
          if (this.linked) this.sent.push({ to, frame, at: this.clock.monotonic() })
          return this.linked
        },
        arrive: (bytes) => void this.arrived.push(bytes),
      },
      { geometry, mixDelayMs: DELAY_MS },
    )
  }

  take = (epoch: number, tag: string): ReturnType<ReplaySet['take']> => {
    const isKnown = this.taken.some((each) => each.tag === tag && each.epoch === epoch)
    const verdict = this.verdict ?? (isKnown ? 'known' : 'fresh')
    if (verdict !== 'fresh') return { verdict }
    this.taken.push({ epoch, tag })
    return { verdict, durable: this.#write() }
  }

  async #write(): Promise<void> {
    await this.clock.sleep(this.diskMs)
    if (this.diskFails === 'foreign') throw new Error('not ours')
    if (this.diskFails !== undefined) throw new HearsayError(this.diskFails, 'the disk is gone')
  }

  run(ms: number): Promise<void> {
    return this.clock.advance(ms)
  }

  get counted(): Partial<Record<MixEvent, number>> {
    return this.counts.snapshot()
  }
}

/** The packet as it comes to a hop. */
function packetAt(hop: number, hops: readonly Hop[] = route): Uint8Array {
  let packet: Uint8Array = wrapPacket(rng, geometry, hops, plaintext)
  for (const key of keys.slice(0, hop)) {
    const unwrapped = unwrapPacket(geometry, key, packet)
    if (unwrapped?.kind !== 'forward') throw new Error('lost on the way')
    packet = unwrapped.packet
  }
  return packet
}

const withDelay = (delayMs: number): Hop[] => route.map((hop) => ({ ...hop, delayMs }))

describe('a mix', () => {
  it('hands a packet to its next hop, in the form that this one opens', async () => {
    const bench = new Bench()
    bench.relay.take(packetAt(0))
    await bench.run(1)
    expect(bench.counted).toEqual({ relayed: 1 })
    const [sent] = bench.sent
    expect(toHex(sent?.to as NodeId)).toBe(toHex((route[1] as Hop).nodeId))
    const next = sent?.frame.kind === 'packet' ? sent.frame.packet : new Uint8Array(0)
    const opened = unwrapPacket(geometry, keys[1] as RingKey['pair'], next)
    expect(opened?.kind).toBe('forward')
    expect(bench.relay.pending).toBe(0)
  })

  it('holds it for as long as its sender said, the time of the disk included', async () => {
    for (const [diskMs, heldMs] of [
      [0, 1_001],
      [400, 1_001],
      [1_500, 1_500],
    ] as const) {
      const bench = new Bench({ hop: 1 })
      bench.diskMs = diskMs
      bench.relay.take(packetAt(1))
      expect(bench.relay.pending).toBe(1)
      await bench.run(heldMs - 1)
      expect(bench.sent).toEqual([])
      await bench.run(1)
      expect(bench.sent.map(({ at }) => at)).toEqual([heldMs])
    }
  })

  it('as the courier gets the plaintext when its delay is over', async () => {
    const bench = new Bench({ hop: 2 })
    bench.relay.take(packetAt(2))
    await bench.run(2_001)
    expect(bench.arrived).toEqual([])
    await bench.run(1)
    expect(bench.arrived.map(toHex)).toEqual([toHex(plaintext)])
    expect(bench.sent).toEqual([])
  })

  it('as the last of a reply hands SURB id and payload to the recipient', async () => {
    const recipient = nodeAt('recipient')
    const surb = createSurb(rng, geometry, route, recipient)
    const bench = new Bench({ hop: 2 })
    let { packet } = useSurb(geometry, surb.bytes, rng.bytes(geometry.plaintextBytes))
    for (const key of keys.slice(0, 2)) {
      const unwrapped = unwrapPacket(geometry, key, packet)
      if (unwrapped?.kind === 'forward') packet = unwrapped.packet
    }
    bench.relay.take(packet)
    await bench.run(2_002)
    expect(bench.counted).toEqual({ delivered: 1 })
    const [sent] = bench.sent
    expect(toHex(sent?.to as NodeId)).toBe(toHex(recipient))
    expect(sent?.frame.kind === 'reply' && toHex(sent.frame.surbId)).toBe(toHex(surb.id))
  })

  it('says with nothing but a count that something is wrong with a packet', async () => {
    const good = packetAt(0)
    const cases: [MixEvent, Uint8Array][] = [
      ['malformed', rng.bytes(geometry.packetBytes)],
      ['malformed', new Uint8Array(geometry.packetBytes)],
      ['malformed', good.subarray(1)],
      ['malformed', new Uint8Array(0)],
      ['malformed', flipped(good, 0)],
      ['malformed', flipped(good, 8 * 40)],
      ['malformed', flipped(good, 8 * geometry.headerBytes - 1)],
      ['malformed', packetAt(1)],
    ]
    for (const [event, packet] of cases) {
      const bench = new Bench()
      bench.relay.take(packet)
      await bench.run(10_000)
      expect(bench.counted).toEqual({ [event]: 1 })
      expect([bench.sent, bench.arrived, bench.taken, bench.relay.pending]).toEqual([[], [], [], 0])
    }
  })

  it('refuses a packet that it has seen, also in the same turn and while it is held', async () => {
    const bench = new Bench({ hop: 1 })
    const packet = packetAt(1)
    bench.relay.take(packet)
    bench.relay.take(packet)
    await bench.run(500)
    bench.relay.take(packet)
    await bench.run(5_000)
    bench.relay.take(packet)
    expect(bench.counted).toEqual({ relayed: 1, replay: 3 })
    expect(bench.sent).toHaveLength(1)
    // The same header with another payload is the same packet.
    bench.relay.take(flipped(packet, 8 * geometry.packetBytes - 1))
    expect(bench.counted).toEqual({ relayed: 1, replay: 4 })
  })

  it('hands on nothing while it cannot tell what it has seen', async () => {
    const bench = new Bench()
    bench.verdict = 'full'
    bench.relay.take(packetAt(0))
    await bench.run(1_000)
    expect(bench.counted).toEqual({ 'replay-full': 1 })
    expect(bench.sent).toEqual([])
  })

  it.each(['storage-poisoned', 'foreign'] as const)(
    'hands on nothing whose tag is not on disk (%s)',
    async (code) => {
      const bench = new Bench()
      bench.diskFails = code
      bench.relay.take(packetAt(0))
      expect(bench.relay.pending).toBe(1)
      await bench.run(1_000)
      expect(bench.counted).toEqual({ storage: 1 })
      expect([bench.sent, bench.relay.pending]).toEqual([[], 0])
    },
  )

  it('remembers a packet before it says that the payload was touched', async () => {
    const bench = new Bench({ hop: 2 })
    const tagged = flipped(packetAt(2), 8 * geometry.packetBytes - 5)
    bench.relay.take(tagged)
    await bench.run(2_002)
    bench.relay.take(tagged)
    expect(bench.counted).toEqual({ tagged: 1, replay: 1 })
    expect([bench.arrived, bench.sent]).toEqual([[], []])
  })

  it('does not hold a packet for longer than an honest sender would say', async () => {
    const longest = DELAY_MEANS_MAX * DELAY_MS
    const bench = new Bench()
    bench.relay.take(packetAt(0, withDelay(longest + 1)))
    expect(bench.counted).toEqual({ 'bad-delay': 1 })
    // It did not cost a place among the tags either.
    expect(bench.taken).toEqual([])
    bench.relay.take(packetAt(0, withDelay(longest)))
    await bench.run(longest)
    expect(bench.counted).toEqual({ 'bad-delay': 1, relayed: 1 })
  })

  it('hands nothing to nodes that the network does not have', async () => {
    const bench = new Bench()
    bench.known = false
    bench.relay.take(packetAt(0))
    await bench.run(1)
    expect(bench.counted).toEqual({ misrouted: 1 })
    expect(bench.sent).toEqual([])
  })

  it('loses what has no link', async () => {
    const bench = new Bench()
    bench.linked = false
    bench.relay.take(packetAt(0))
    await bench.run(1)
    expect(bench.counted).toEqual({ 'no-link': 1 })
  })

  it('holds so many packets and no more, and goes on when some are through', async () => {
    const pair = keys[2] as RingKey['pair']
    const packet = packetAt(2)
    // The same packet again and again: its secret is worked out once.
    const secret = pair.decapsulate(packet.subarray(2, 2 + geometry.shareBytes))
    const quick = { ...pair, decapsulate: () => secret?.slice() }
    const bench = new Bench({ ring: [{ epoch: EPOCH, pair: quick }] })
    const writes: (() => void)[] = []
    bench.take = () => {
      const durable = new Promise<void>((_done, fail) => {
        writes.push(() => fail(new HearsayError('storage-poisoned', 'the disk is gone')))
      })
      return { verdict: 'fresh', durable }
    }
    for (let i = 0; i < RELAY_PENDING_MAX + 5; i++) bench.relay.take(packet)
    expect(bench.relay.pending).toBe(RELAY_PENDING_MAX)
    expect(bench.counted).toEqual({ overloaded: 5 })
    for (const fail of writes.splice(0, 3)) fail()
    await bench.run(0)
    expect(bench.relay.pending).toBe(RELAY_PENDING_MAX - 3)
    for (let i = 0; i < 5; i++) bench.relay.take(packet)
    expect(bench.relay.pending).toBe(RELAY_PENDING_MAX)
    expect(bench.counted).toEqual({ overloaded: 7, storage: 3 })
  })
})

describe('the keys of a packet', () => {
  const older = mixKeyPair('x25519', rng.bytes(32))
  const ring: RingKey[] = [
    { epoch: EPOCH + 1, pair: mixKeyPair('x25519', rng.bytes(32)) },
    { epoch: EPOCH, pair: mixKeyPair('x25519', seeds[0] as Uint8Array) },
  ]

  it('are tried one after another, and its tag belongs to the one that fits', async () => {
    const bench = new Bench({ ring })
    bench.relay.take(packetAt(0))
    await bench.run(1)
    expect(bench.counted).toEqual({ relayed: 1 })
    expect(bench.taken.map(({ epoch }) => epoch)).toEqual([EPOCH])
  })

  it('of another epoch do not open it', async () => {
    const bench = new Bench({ ring: ring.slice(0, 1) })
    bench.relay.take(packetAt(0))
    expect(bench.counted).toEqual({ malformed: 1 })
    const none = new Bench({ ring: [] })
    none.relay.take(packetAt(0))
    expect(none.counted).toEqual({ malformed: 1 })
  })

  it('that are erased open nothing any more', () => {
    const bench = new Bench({ ring: [{ epoch: EPOCH, pair: older }] })
    const hops = [{ ...(route[0] as Hop), publicKey: older.publicKey }, ...route.slice(1)]
    older.wipe()
    bench.relay.take(packetAt(0, hops))
    expect(bench.counted).toEqual({ malformed: 1 })
  })
})

describe('a mix that stops', () => {
  it('drops what it holds and takes nothing more', async () => {
    const bench = new Bench({ hop: 1 })
    bench.relay.take(packetAt(1))
    await bench.run(10)
    bench.relay.take(packetAt(1))
    bench.relay.stop()
    bench.relay.take(packetAt(1))
    await bench.run(10_000)
    expect(bench.sent).toEqual([])
    expect(bench.counted).toEqual({})
    expect(bench.clock.pendingTimers).toBe(0)
  })

  it('starts no delay for a tag that is written after it', async () => {
    const bench = new Bench({ hop: 1 })
    bench.diskMs = 100
    bench.relay.take(packetAt(1))
    bench.relay.stop()
    await bench.run(100)
    expect(bench.clock.pendingTimers).toBe(0)
    await bench.run(5_000)
    expect(bench.sent).toEqual([])
  })
})
