import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { asNodeId, isHearsayError, toHex } from '../../src/base/index.ts'
import {
  decodeDescriptor,
  decodeRevocation,
  electMixes,
  encodeNetworkFile,
  encodeNetworkUri,
  inspectNetwork,
} from '../../src/directory/index.ts'
import { decodeConflict } from '../../src/directory/conflict.ts'
import { MIN_MIXES_PER_LAYER } from '../../src/directory/constants.ts'
import { drawTickets, type MixCandidate, seatMixes } from '../../src/directory/election.ts'
import {
  encodeHeartbeat,
  HEARTBEAT_BYTES,
  isHeartbeatSigned,
  readHeartbeat,
} from '../../src/directory/heartbeat.ts'
import { NodeTable } from '../../src/directory/node-table.ts'
import {
  decodeItems,
  decodeSyncRequest,
  encodeSyncRequest,
} from '../../src/directory/sync-codec.ts'
import { reencoded, REFUSED } from '../support/outcome.ts'
import { seededRng } from '../support/seeded-rng.ts'
import { T0, testDescriptor, testNetwork, testNode } from '../unit/directory/fixtures.ts'

const network = testNetwork()

/** What a call throws, when that is no error of ours. */
function foreignError(run: () => unknown): unknown {
  try {
    run()
    return undefined
  } catch (error) {
    return isHearsayError(error) ? undefined : error
  }
}

const overrides = fc.record(
  {
    layers: fc.integer({ min: 1, max: 10 }),
    boxRate: fc.integer({ min: 1, max: 5_000 }).map((milli) => milli / 1_000),
    copies: fc.integer({ min: 1, max: 4 }),
    keepers: fc.integer({ min: 1, max: 32 }),
    ttlDays: fc.integer({ min: 1, max: 60 }),
    slack: fc.oneof(fc.constant('3sigma' as const), fc.integer({ min: 1, max: 100 })),
    admission: fc.constantFrom('open' as const, 'operator' as const),
  },
  { requiredKeys: [] },
)

describe('network file', () => {
  it('survives both encodings for any parameters in range', () => {
    fc.assert(
      fc.property(overrides, (changes) => {
        const made = testNetwork('balanced', changes)
        expect(inspectNetwork(encodeNetworkUri(made), { now: T0 })).toEqual(made)
        expect(inspectNetwork(encodeNetworkFile(made), { now: T0 })).toEqual(made)
      }),
      { numRuns: 40 },
    )
  })

  it('is refused or unchanged after any single edit of either form', () => {
    const forms = [encodeNetworkUri(network), encodeNetworkFile(network)]
    fc.assert(
      fc.property(
        fc.constantFrom(...forms),
        fc.nat(),
        fc.constantFrom('', 'A', '1', '"', '\n', '\u0000', 'é'),
        (text, place, insert) => {
          const at = place % text.length
          const edited = text.slice(0, at) + insert + text.slice(at + 1)
          let read: unknown
          const error = foreignError(() => {
            read = inspectNetwork(edited, { now: T0 })
          })
          expect(error).toBeUndefined()
          // Comments and spacing are free.
          expect([undefined, network]).toContainEqual(read)
        },
      ),
      { numRuns: 300 },
    )
  })

  it('answers any text with an error of its own', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        for (const each of [text, `hearsay:join/${text}`]) {
          expect(foreignError(() => inspectNetwork(each, { now: T0 }))).toBeUndefined()
        }
      }),
    )
  })
})

describe('decoders of the directory', () => {
  const valid = testDescriptor(network, testNode(0)).bytes

  it('answer any bytes, and any mutation of good ones, with an error of their own', () => {
    const mutated = fc
      .tuple(fc.nat(valid.length - 1), fc.nat(255), fc.nat(valid.length))
      .map(([at, value, end]) => valid.with(at, value).slice(0, end))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), mutated), (bytes) => {
        for (const run of [
          () => decodeDescriptor(bytes),
          () => decodeConflict(bytes, network),
          () => decodeRevocation(bytes, network),
          () => decodeSyncRequest(bytes),
          () => decodeItems(bytes, 9, 200),
        ]) {
          expect(foreignError(run)).toBeUndefined()
        }
      }),
      { numRuns: 300 },
    )
  })

  it('accept requests that re-encode to the same bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 120 }), fc.nat(2), (bytes, kind) => {
        const input = bytes.with(0, kind)
        let again: Uint8Array = input
        expect(
          foreignError(() => {
            again = encodeSyncRequest(decodeSyncRequest(input))
          }),
        ).toBeUndefined()
        expect(toHex(again)).toBe(toHex(input))
      }),
    )
  })
})

describe('node table', () => {
  it('ends the same for the same descriptors in any order', () => {
    const pool = Array.from({ length: 12 }, (_, i) =>
      testDescriptor(network, testNode(i % 5), {
        issuedAt: T0 + Math.floor(i / 3),
        keepsFromDay: i % 2,
      }),
    )
    const fill = (order: typeof pool) => {
      const table = new NodeTable(network)
      for (const descriptor of order) table.consider(descriptor, T0 + 10)
      return table
        .all()
        .map(({ hash }) => toHex(hash))
        .toSorted()
    }
    const expected = fill(pool)
    fc.assert(
      fc.property(fc.shuffledSubarray(pool, { minLength: pool.length }), (order) => {
        expect(fill(order)).toEqual(expected)
      }),
      { numRuns: 50 },
    )
  })
})

describe('heartbeats', () => {
  const { nodeId, sign } = testNode(0)

  it('that are read encode to the same bytes again, apart from who signs', () => {
    const encoded = fc
      .record({ at: fc.maxSafeNat(), isLeaving: fc.boolean() })
      .map((said) => encodeHeartbeat(network.id, { ...said, nodeId }, sign))
    const mutated = fc
      .tuple(encoded, fc.nat(HEARTBEAT_BYTES - 1), fc.nat(255), fc.nat(HEARTBEAT_BYTES + 1))
      .map(([bytes, at, value, end]) => Uint8Array.of(...bytes.with(at, value), 0).slice(0, end))
    fc.assert(
      fc.property(fc.oneof(encoded, mutated, fc.uint8Array({ maxLength: 120 })), (bytes) => {
        const again = reencoded(bytes, readHeartbeat, (said) => {
          const signed = encodeHeartbeat(network.id, said, sign)
          const isGood = isHeartbeatSigned(network.id, said, bytes)
          return isGood ? signed : Uint8Array.of(...signed.slice(0, -64), ...bytes.slice(-64))
        })
        expect([REFUSED, toHex(bytes)]).toContain(again)
      }),
      { numRuns: 300 },
    )
  })
})

describe('an election of mixes', () => {
  const rng = seededRng('property of elections')
  const everybody: MixCandidate[] = Array.from({ length: 200 }, () => ({
    nodeId: asNodeId(rng.bytes(32)),
  }))
  const cases = fc.record({
    size: fc.integer({ min: 0, max: 60 }),
    first: fc.nat(everybody.length - 61),
    layers: fc.integer({ min: 1, max: 10 }),
    epoch: fc.nat(0xffff_ffff),
    slotMs: fc.constantFrom(50, 500, 1_000),
    /** Nodes that are away, as bits. */
    away: fc.bigInt({ min: 0n, max: 2n ** 60n - 1n }),
  })
  type Case = typeof cases extends fc.Arbitrary<infer T> ? T : never

  const setOf = ({ size, first }: Case) => everybody.slice(first, first + size)
  const optionsOf = ({ layers, slotMs }: Case) => ({
    networkId: network.id,
    layers,
    slotMs,
    mixDelayMs: 500,
  })
  const idsOf = (layers: readonly (readonly MixCandidate[])[]) =>
    layers.map((layer) => layer.map(({ nodeId }) => toHex(nodeId)))

  it('fills every layer, with nobody twice as long as there are enough, whoever is away', () => {
    fc.assert(
      fc.property(cases, (each) => {
        const { layers: count } = each
        const tickets = drawTickets(setOf(each), each.epoch, optionsOf(each))
        const here = tickets.filter((_, bit) => ((each.away >> BigInt(bit)) & 1n) === 0n)
        const known = new Set(here.map(({ node }) => toHex(node.nodeId)))
        const layers = idsOf(seatMixes(here, count))
        expect(layers).toHaveLength(count)
        for (const layer of layers) {
          expect(layer.length).toBeGreaterThanOrEqual(Math.min(MIN_MIXES_PER_LAYER, here.length))
          expect(new Set(layer).size).toBe(layer.length)
          expect(layer).toEqual(layer.toSorted())
          expect(layer.every((id) => known.has(id))).toBe(true)
        }
        const twice = layers.flat().length - new Set(layers.flat()).size
        expect(twice).toBeLessThanOrEqual(Math.max(0, MIN_MIXES_PER_LAYER * count - here.length))
      }),
      { numRuns: 400 },
    )
  })

  it('comes out the same for the same nodes in any order', () => {
    fc.assert(
      fc.property(cases, fc.nat(), (each, seed) => {
        const set = setOf(each)
        const turned = set.length === 0 ? [] : set.map((_, i) => set[(i + seed) % set.length]!)
        const seated = electMixes(set, each.epoch, optionsOf(each))
        for (const order of [turned, set.toReversed()]) {
          expect(idsOf(electMixes(order, each.epoch, optionsOf(each)))).toEqual(idsOf(seated))
        }
      }),
      { numRuns: 150 },
    )
  })

  it('moves nobody else when one node is missing, except in layers that are filled up', () => {
    fc.assert(
      fc.property(cases, fc.nat(), (each, place) => {
        const set = setOf({ ...each, size: Math.max(2, each.size) })
        const missing = set[place % set.length]!
        const fewer = set.filter((node) => node !== missing)
        const power = (count: number) => Math.floor(Math.log2(count))
        fc.pre(power(set.length) === power(fewer.length))
        const seat = (nodes: readonly MixCandidate[]) => {
          const tickets = drawTickets(nodes, each.epoch, optionsOf(each))
          const short = Array.from(
            { length: each.layers },
            (_, layer) =>
              tickets.filter((ticket) => ticket.elected && ticket.layer === layer).length <
              MIN_MIXES_PER_LAYER,
          )
          const spare = tickets.filter(({ elected }) => !elected).length
          return { layers: idsOf(seatMixes(tickets, each.layers)), short, spare }
        }
        const [all, less] = [seat(set), seat(fewer)]
        // Without nodes to fill up with, other layers give theirs.
        const enough = MIN_MIXES_PER_LAYER * less.short.filter(Boolean).length
        fc.pre(less.spare >= enough)
        for (const [layer, isShort] of less.short.entries()) {
          if (isShort) continue
          const without = all.layers[layer]!.filter((id) => id !== toHex(missing.nodeId))
          expect(less.layers[layer]).toEqual(without)
        }
      }),
      { numRuns: 300 },
    )
  })
})
