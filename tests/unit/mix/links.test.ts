import { describe, expect, it } from 'vitest'
import { HearsayError, type NodeId, silentLogger, toHex } from '../../../src/base/index.ts'
import {
  LINK_RETRY_FIRST_MS,
  LINK_RETRY_MAX_MS,
  LINK_TICK_MS,
  LINKS_OPENING_MAX,
} from '../../../src/mix/constants.ts'
import { MIX_PROTOCOL, MixLinks } from '../../../src/mix/mix-links.ts'
import { linksOf } from '../../../src/mix/wanted-links.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { nodeAt } from './fixtures.ts'

const self = nodeAt('self')
const LINGER_MS = 20_000
const FRAME_BYTES = 100
const names = (nodes: readonly NodeId[]) => nodes.map(toHex).toSorted()
const range = (count: number, from = 0) => Array.from({ length: count }, (_, i) => nodeAt(from + i))

class Bench {
  readonly clock = new VirtualClock()
  readonly heard: [string, Uint8Array][] = []
  readonly openings: { node: NodeId; at: number }[] = []
  readonly closings: NodeId[] = []
  readonly sent: [string, Uint8Array][] = []
  readonly standing = new Set<string>()
  readonly links: MixLinks
  readonly stopper = new AbortController()
  wanted: readonly NodeId[] = []
  connected: readonly NodeId[] = []
  open: (node: NodeId) => Promise<void> = async () => undefined
  receive: (from: NodeId, frame: Uint8Array) => void = () => undefined

  constructor() {
    this.links = new MixLinks(
      {
        clock: this.clock,
        rng: seededRng('links'),
        log: silentLogger,
        links: {
          accept: (_protocol, _options, onFrame) => {
            this.receive = onFrame
          },
          isOpen: (node, protocol) => protocol === MIX_PROTOCOL && this.standing.has(toHex(node)),
          open: async (node) => {
            this.openings.push({ node, at: this.clock.monotonic() })
            await this.open(node)
            this.standing.add(toHex(node))
          },
          send: (node, _protocol, frame) => {
            if (!this.standing.has(toHex(node))) return false
            this.sent.push([toHex(node), frame])
            return true
          },
          close: (node) => {
            this.closings.push(node)
            this.standing.delete(toHex(node))
          },
        },
        wanted: () => this.wanted,
        connected: () => this.connected,
        onFrame: (from, frame) => void this.heard.push([toHex(from), frame]),
      },
      { self, frameBytes: FRAME_BYTES, lingerMs: LINGER_MS },
    )
  }

  run(): void {
    this.links.run(this.stopper.signal).catch(() => undefined)
  }

  advance(ms: number): Promise<void> {
    return this.clock.advance(ms)
  }
}

describe('links', () => {
  it('are opened to every neighbour that is wanted, a few at a time', async () => {
    const bench = new Bench()
    bench.wanted = range(20)
    bench.run()
    await bench.advance(0)
    expect(bench.openings).toHaveLength(LINKS_OPENING_MAX)
    await bench.advance(3 * 1.5 * LINK_TICK_MS)
    expect([...bench.standing].toSorted()).toEqual(names(bench.wanted))
    expect(bench.openings).toHaveLength(20)
  })

  it('that hang do not keep others from being opened, as far as there is room', async () => {
    const bench = new Bench()
    const stuck = range(LINKS_OPENING_MAX - 1)
    bench.wanted = [...stuck, ...range(5, 100)]
    bench.open = (node) =>
      stuck.some((each) => toHex(each) === toHex(node))
        ? new Promise(() => undefined)
        : Promise.resolve()
    bench.run()
    await bench.advance(30 * LINK_TICK_MS)
    expect([...bench.standing].toSorted()).toEqual(names(range(5, 100)))
    expect(bench.openings).toHaveLength(bench.wanted.length)
  })

  it('to nodes that are connected do not wait behind those to nodes that have gone', async () => {
    const bench = new Bench()
    const gone = range(40)
    const back = range(3, 100)
    bench.open = (node) =>
      back.some((each) => toHex(each) === toHex(node))
        ? Promise.resolve()
        : new Promise(() => undefined)
    bench.wanted = gone
    bench.run()
    await bench.advance(5 * LINK_TICK_MS)
    expect(bench.openings).toHaveLength(LINKS_OPENING_MAX)
    bench.connected = back
    bench.wanted = [...gone, ...back]
    await bench.advance(1.5 * LINK_TICK_MS)
    expect([...bench.standing].toSorted()).toEqual(names(back))
  })

  it('that cannot be opened are tried again after twice the time, up to a longest', async () => {
    const bench = new Bench()
    bench.wanted = range(1)
    bench.open = async () => {
      throw new HearsayError('peer-unreachable', 'nobody there')
    }
    bench.run()
    await bench.advance(300_000)
    const waits = bench.openings.slice(1).map(({ at }, i) => at - (bench.openings[i]?.at ?? 0))
    for (const [i, wait] of waits.entries()) {
      const base = Math.min(LINK_RETRY_MAX_MS, LINK_RETRY_FIRST_MS * 2 ** i)
      expect(wait).toBeGreaterThanOrEqual(0.5 * base)
      expect(wait).toBeLessThanOrEqual(1.5 * base + 1.5 * LINK_TICK_MS)
    }
    expect(waits.length).toBeGreaterThan(8)
    // It comes back: the next trial succeeds, and from then on it is quiet.
    bench.open = async () => undefined
    await bench.advance(2 * LINK_RETRY_MAX_MS)
    const tried = bench.openings.length
    await bench.advance(100_000)
    expect(bench.openings).toHaveLength(tried)
    expect(bench.standing.size).toBe(1)
  })

  it('that broke are opened again at once, as if they had never failed', async () => {
    const bench = new Bench()
    bench.wanted = range(3)
    bench.run()
    await bench.advance(LINK_TICK_MS)
    bench.standing.clear()
    await bench.advance(1.5 * LINK_TICK_MS)
    expect(bench.standing.size).toBe(3)
  })

  it('that nobody needs any more stay for what is under way, then they are closed', async () => {
    const bench = new Bench()
    bench.wanted = range(3)
    bench.run()
    await bench.advance(LINK_TICK_MS)
    bench.wanted = range(1)
    await bench.advance(LINGER_MS - 2 * LINK_TICK_MS)
    expect(bench.closings).toEqual([])
    await bench.advance(4 * LINK_TICK_MS)
    expect(names(bench.closings)).toEqual(names(range(2, 1)))
    expect([...bench.standing]).toEqual(names(range(1)))
    await bench.advance(10 * LINGER_MS)
    expect(bench.closings).toHaveLength(2)
    expect(bench.openings).toHaveLength(3)
  })

  it('that are wanted again in time never go', async () => {
    const bench = new Bench()
    bench.wanted = range(2)
    bench.run()
    for (let round = 0; round < 5; round++) {
      await bench.advance(LINGER_MS - 2 * LINK_TICK_MS)
      bench.wanted = bench.wanted.length === 2 ? range(1) : range(2)
    }
    expect(bench.closings).toEqual([])
    expect(bench.openings).toHaveLength(2)
  })

  it('that are given up while they open are not kept, nor tried again', async () => {
    const bench = new Bench()
    bench.wanted = range(1)
    bench.open = async () => {
      throw new HearsayError('timeout', 'too slow')
    }
    bench.run()
    await bench.advance(LINK_TICK_MS)
    bench.wanted = []
    await bench.advance(LINGER_MS + 2 * LINK_TICK_MS)
    const tried = bench.openings.length
    await bench.advance(200_000)
    expect(bench.openings).toHaveLength(tried)
    expect(names(bench.closings)).toEqual(names(range(1)))
  })

  it('survive a fault of ours in one of them', async () => {
    const bench = new Bench()
    bench.wanted = range(2)
    bench.open = async (node) => {
      if (toHex(node) === toHex(nodeAt(0))) throw new TypeError('a fault')
    }
    bench.run()
    await bench.advance(5 * LINK_TICK_MS)
    expect([...bench.standing]).toEqual(names(range(1, 1)))
    bench.open = async () => undefined
    await bench.advance(2 * LINK_TICK_MS)
    expect(bench.standing.size).toBe(2)
  })

  it('are left alone once the node stops', async () => {
    const bench = new Bench()
    bench.run()
    await bench.advance(LINK_TICK_MS)
    bench.stopper.abort()
    bench.wanted = range(2)
    await bench.advance(10 * LINK_TICK_MS)
    expect(bench.openings).toEqual([])
    expect(bench.clock.pendingTimers).toBe(0)
  })
})

describe('a frame', () => {
  const frame = new Uint8Array(FRAME_BYTES).fill(1)

  it('goes to a neighbour whose link stands, and is lost otherwise', async () => {
    const bench = new Bench()
    bench.wanted = range(1)
    expect(bench.links.send(nodeAt(0), frame)).toBe(false)
    bench.run()
    await bench.advance(0)
    expect(bench.links.isOpen(nodeAt(0))).toBe(true)
    expect(bench.links.send(nodeAt(0), frame)).toBe(true)
    expect(bench.sent.map(([to]) => to)).toEqual([toHex(nodeAt(0))])
  })

  it('to this node itself crosses no link, and comes back in a later turn', async () => {
    const bench = new Bench()
    expect(bench.links.isOpen(self)).toBe(true)
    expect(bench.links.send(self, frame)).toBe(true)
    expect(bench.heard).toEqual([])
    await bench.advance(0)
    expect(bench.heard).toEqual([[toHex(self), frame]])
    expect(bench.sent).toEqual([])
  })

  it('of a neighbour is handed on with who brought it', () => {
    const bench = new Bench()
    bench.receive(nodeAt(4), frame)
    expect(bench.heard).toEqual([[toHex(nodeAt(4)), frame]])
  })
})

describe('the links that a node wants', () => {
  const layers = [range(2), range(2, 10), range(3, 20)]
  const everybody = [...range(2), ...range(2, 10), ...range(3, 20), ...range(5, 100), self]
  const of = (node: NodeId, sets = [layers]) => names(linksOf(sets, { self: node, everybody }))

  it('are the first and the last layer, for everybody', () => {
    expect(of(nodeAt(100))).toEqual(names([...range(2), ...range(3, 20)]))
  })

  it('of a mix are also the layer behind it', () => {
    expect(of(nodeAt(0))).toEqual(names([nodeAt(1), ...range(2, 10), ...range(3, 20)]))
    expect(of(nodeAt(10))).toEqual(names([...range(2), ...range(3, 20)]))
  })

  it('of the last layer are everybody: replies end there', () => {
    expect(of(nodeAt(20))).toEqual(
      names(everybody.filter((node) => toHex(node) !== toHex(nodeAt(20)))),
    )
  })

  it('never hold the node itself, and no node twice', () => {
    const twice = [range(2), range(2), range(2)]
    expect(of(nodeAt(0), [twice, layers])).not.toContain(toHex(nodeAt(0)))
    const wanted = of(self, [twice, layers])
    expect(new Set(wanted).size).toBe(wanted.length)
  })

  it('stand for the coming epoch too', () => {
    const next = [range(1, 200), range(1, 210), range(1, 220)]
    expect(of(nodeAt(100), [layers, next])).toEqual(
      names([...range(2), ...range(3, 20), nodeAt(200), nodeAt(220)]),
    )
    expect(of(nodeAt(100), [[], []])).toEqual([])
  })
})
