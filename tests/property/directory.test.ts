import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isHearsayError, toHex } from '../../src/base/index.ts'
import {
  decodeDescriptor,
  decodeRevocation,
  encodeNetworkFile,
  encodeNetworkUri,
  inspectNetwork,
} from '../../src/directory/index.ts'
import { decodeConflict } from '../../src/directory/conflict.ts'
import { NodeTable } from '../../src/directory/node-table.ts'
import {
  decodeItems,
  decodeSyncRequest,
  encodeSyncRequest,
} from '../../src/directory/sync-codec.ts'
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
