import { describe, expect, it } from 'vitest'
import { HearsayError, type NodeId, toHex } from '../../../src/base/index.ts'
import {
  admitByInvitation,
  createInvitation,
  createRevocation,
  decodeRevocation,
  type Descriptor,
  type DescriptorContent,
  epochStart,
} from '../../../src/directory/index.ts'
import { conflictOf, decodeConflict } from '../../../src/directory/conflict.ts'
import { FrozenSets } from '../../../src/directory/frozen-sets.ts'
import { isBlameworthy, NodeTable } from '../../../src/directory/node-table.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { OPERATOR_SEED, T0, testDescriptor, testNetwork, testNode } from './fixtures.ts'

const network = testNetwork('swift')
const epochMs = network.parameters.layerEpochMs
const closed = testNetwork('balanced')

function take(table: NodeTable, descriptor: Descriptor, now = descriptor.issuedAt): string {
  const outcome = table.consider(descriptor, now)
  return outcome.kind === 'refused' ? outcome.reason : outcome.kind
}

const describeNode = (index: number, changes: Partial<DescriptorContent> = {}) =>
  testDescriptor(network, testNode(index), changes)

const ids = (nodes: readonly { nodeId: NodeId }[]) => nodes.map(({ nodeId }) => toHex(nodeId))

describe('node table', () => {
  it('keeps the descriptor with the highest number and knows what it has seen', () => {
    const table = new NodeTable(network)
    const [older, newer] = [
      describeNode(0, { issuedAt: T0 }),
      describeNode(0, { issuedAt: T0 + 9 }),
    ]
    expect(take(table, newer)).toBe('new')
    expect(take(table, newer)).toBe('known')
    expect(take(table, older)).toBe('older')
    expect(table.all()).toEqual([newer])
  })

  it('refuses foreign, future, expired and unsigned descriptors', () => {
    const table = new NodeTable(network)
    expect(take(table, testDescriptor(closed, testNode(0)), T0)).toBe('network')
    expect(take(table, describeNode(0, { issuedAt: T0 + 120_001 }), T0)).toBe('future')
    expect(take(table, describeNode(0), T0 + 4 * epochMs)).toBe('expired')
    const forged = { ...describeNode(0), bytes: describeNode(0).bytes.slice() }
    forged.bytes[forged.bytes.length - 1]! ^= 1
    expect(take(table, forged, T0)).toBe('signature')
    expect(take(table, describeNode(0, { admission: { kind: 'open', date: T0 + 1 } }))).toBe(
      'admission',
    )
    expect(take(table, describeNode(0, { admission: { kind: 'open', date: T0 - 1 } }))).toBe(
      'admission',
    )
  })

  it('refuses keys of another suite than the network’s, by whose fault there is no doubt', () => {
    const postQuantum = testNetwork('balanced', { suite: 'x-wing', admission: 'open' })
    const keys = (bytes: number) => ({ mixKeys: [{ epoch: 0, key: new Uint8Array(bytes) }] })
    const outcomes = [network, postQuantum].map((each) =>
      [32, 1_216].map((bytes) =>
        take(new NodeTable(each), testDescriptor(each, testNode(0), keys(bytes)), T0),
      ),
    )
    expect(outcomes).toEqual([
      ['new', 'suite'],
      ['suite', 'new'],
    ])
    expect(isBlameworthy('suite')).toBe(true)
  })

  it('excludes a node for good that signed two descriptors under one number', () => {
    const table = new NodeTable(network)
    const [a, b] = [describeNode(0), describeNode(0, { keepsFromDay: 1 })]
    take(table, a)
    expect(take(table, b)).toBe('conflict')
    expect(table.all()).toEqual([])
    expect(take(table, describeNode(0, { issuedAt: T0 + 50 }))).toBe('excluded')
  })

  it('makes one proof of a conflict, in whichever order it was seen, that others can check', () => {
    const [a, b] = [describeNode(0), describeNode(0, { keepsFromDay: 1 })]
    const proof = conflictOf(a, b)!
    expect(conflictOf(b, a)).toEqual(proof)
    expect(decodeConflict(proof.bytes, network)).toEqual(proof)
    const swapped = proof.bytes.slice()
    swapped[proof.bytes.length - 1]! ^= 1
    expect(() => decodeConflict(swapped, network)).toThrow(HearsayError)
    expect(() => decodeConflict(proof.bytes, closed)).toThrow(HearsayError)
    const later = describeNode(0, { issuedAt: T0 + 1 })
    expect(conflictOf(a, later)).toBeUndefined()
    expect(conflictOf(a, describeNode(1))).toBeUndefined()
  })

  it('forgets what was not issued again for four epochs', () => {
    const table = new NodeTable(network)
    take(table, describeNode(0))
    expect(table.expire(T0 + 4 * epochMs - 1)).toEqual([])
    expect(ids(table.expire(T0 + 4 * epochMs))).toEqual(ids([testNode(0)]))
    expect(table.size).toBe(0)
  })
})

describe('seats of an invitation', () => {
  const invitation = createInvitation(closed, {
    operatorSeed: OPERATOR_SEED,
    now: T0,
    expiresAt: T0 + 1_000_000,
    maxUses: 2,
    rng: seededRng(4),
  })
  const guest = (index: number, date: number) =>
    testDescriptor(closed, testNode(index), {
      issuedAt: T0 + 100,
      admission: admitByInvitation(closed, invitation, testNode(index).nodeId, date),
    })

  it('go to the earliest dates, whatever the order of arrival', () => {
    const guests = [guest(0, T0 + 1), guest(1, T0 + 2), guest(2, T0 + 3), guest(3, T0 + 3)]
    for (const order of [guests, guests.toReversed(), [2, 0, 3, 1].map((i) => guests[i]!)]) {
      const table = new NodeTable(closed)
      for (const descriptor of order) take(table, descriptor)
      expect(ids(table.all()).toSorted()).toEqual(ids([testNode(0), testNode(1)]).toSorted())
    }
  })

  it('are not lost by a new descriptor of the same node, and are free again when one expires', () => {
    const table = new NodeTable(closed)
    take(table, guest(0, T0 + 1))
    take(table, guest(1, T0 + 2))
    const again = testDescriptor(closed, testNode(0), {
      issuedAt: T0 + 200,
      admission: admitByInvitation(closed, invitation, testNode(0).nodeId, T0 + 1),
    })
    expect(take(table, again)).toBe('new')
    expect(take(table, guest(2, T0 + 3))).toBe('used-up')
    table.expire(T0 + 100 + 4 * closed.parameters.layerEpochMs)
    expect(take(table, guest(2, T0 + 3))).toBe('new')
  })

  it('are all taken back when the operator revokes the invitation', () => {
    const table = new NodeTable(closed)
    take(table, guest(0, T0 + 1))
    const list = createRevocation(closed, OPERATOR_SEED, T0 + 5, {
      invitations: [invitation.grant.id],
    })
    expect(table.revoke(decodeRevocation(list.bytes, closed))).toBe(true)
    expect(table.size).toBe(0)
    expect(take(table, guest(0, T0 + 1))).toBe('revoked')
    expect(table.revoke(list)).toBe(false)
  })
})

describe('revocation list', () => {
  it('only grows, and only by the operator', () => {
    const node = testNode(0).nodeId
    const first = createRevocation(closed, OPERATOR_SEED, T0, { nodes: [node] })
    const second = createRevocation(
      closed,
      OPERATOR_SEED,
      T0,
      { nodes: [testNode(1).nodeId] },
      first,
    )
    expect(second.nodes).toHaveLength(2)
    expect(second.issuedAt).toBeGreaterThan(first.issuedAt)
    expect(() => createRevocation(closed, new Uint8Array(32), T0, {})).toThrow(HearsayError)
    const bytes = first.bytes.slice()
    for (let at = 0; at < bytes.length; at += 3) {
      const copy = bytes.slice()
      copy[at]! ^= 4
      expect(() => decodeRevocation(copy, closed)).toThrow(HearsayError)
    }
    expect(() => decodeRevocation(bytes, network)).toThrow(HearsayError)
  })

  it('has an end', () => {
    const nodes = Array.from({ length: 513 }, (_, i) =>
      testNode(i % 3).nodeId.map((b) => b ^ (i * 7)),
    )
    const many = nodes.map((_, i) => {
      const id = new Uint8Array(32)
      new DataView(id.buffer).setUint32(0, i)
      return id
    })
    expect(() => createRevocation(closed, OPERATOR_SEED, T0, { invitations: many })).toThrow(
      HearsayError,
    )
    const full = createRevocation(closed, OPERATOR_SEED, T0, { invitations: many.slice(1) })
    expect(full.bytes.length).toBeLessThan(20_000)
  })
})

describe('frozen sets', () => {
  const start = (epoch: number) => epochStart(network, epoch)

  function tableWith(count: number, issuedAt: number): NodeTable {
    const table = new NodeTable(network)
    for (let i = 0; i < count; i++) take(table, describeNode(i, { issuedAt }))
    return table
  }

  it('are the table as it stands in the first two epochs', () => {
    const table = tableWith(5, T0 + 1)
    const sets = new FrozenSets(network, table)
    sets.roll(T0 + 2)
    expect(sets.get(0)).toMatchObject({ frozen: false })
    expect(sets.get(0).nodes).toHaveLength(5)
    take(table, describeNode(5, { issuedAt: T0 + 3 }))
    sets.touch()
    expect(sets.get(1).nodes).toHaveLength(6)
  })

  it('hold for epoch e what was issued before the end of epoch e - 2', () => {
    const table = tableWith(5, T0 + 1)
    const sets = new FrozenSets(network, table)
    sets.roll(T0 + 2)
    const late = describeNode(5, { issuedAt: start(1) })
    const justInTime = describeNode(6, { issuedAt: start(1) - 1 })
    take(table, late)
    take(table, justInTime)
    sets.roll(start(1) + 1)
    sets.roll(start(2))
    expect(sets.get(2)).toMatchObject({ frozen: true, epoch: 2 })
    expect(ids(sets.get(2).nodes)).toContain(toHex(justInTime.nodeId))
    expect(ids(sets.get(2).nodes)).not.toContain(toHex(late.nodeId))
  })

  it('take a descriptor that was issued in time and came late, until the epoch begins', () => {
    const table = tableWith(5, T0 + 1)
    const sets = new FrozenSets(network, table)
    sets.roll(start(1) + 1)
    const slow = describeNode(7, { issuedAt: T0 + 5 })
    expect(sets.offer(2, slow)).toBe(true)
    expect(ids(sets.get(2).nodes)).toContain(toHex(slow.nodeId))
    expect(sets.offer(2, slow)).toBe(false)
  })

  it('do not depend on the order in which descriptors came', () => {
    const before = [0, 1, 2, 3, 4].map((i) => describeNode(i, { issuedAt: T0 + 1 }))
    const newer = [0, 1].map((i) => describeNode(i, { issuedAt: T0 + 50 }))
    const after = [1, 2].map((i) => describeNode(i, { issuedAt: start(1) + 5 }))
    const views = [
      [...before, ...newer, ...after],
      [...newer, ...before, ...after],
    ].map((order) => {
      const table = new NodeTable(network)
      const sets = new FrozenSets(network, table)
      sets.roll(T0 + 60)
      for (const descriptor of order) {
        take(table, descriptor, start(1) + 5)
        sets.offer(2, descriptor)
      }
      sets.roll(start(1) + 6)
      return sets.get(2).nodes.map(({ hash }) => toHex(hash))
    })
    expect(views[0]).toEqual(views[1])
  })

  it('have a new version when their nodes change, and find each by its id', () => {
    const table = tableWith(5, T0 + 1)
    const sets = new FrozenSets(network, table)
    sets.roll(start(1))
    const { version } = sets.get(2)
    take(table, describeNode(8, { issuedAt: T0 + 5 }))
    sets.offer(2, table.get(testNode(8).nodeId)!)
    expect(sets.get(2).version).not.toBe(version)
    const before = sets.get(2).version
    take(table, describeNode(8, { issuedAt: T0 + 6 }))
    sets.offer(2, table.get(testNode(8).nodeId)!)
    expect(sets.get(2).version).not.toBe(before)
    for (const index of [0, 1, 2, 3, 4, 8]) {
      expect(sets.find(2, testNode(index).nodeId)?.nodeId).toEqual(testNode(index).nodeId)
    }
    for (const index of [5, 6, 7]) expect(sets.find(2, testNode(index).nodeId)).toBeUndefined()
  })

  it('lose a node at once when it is excluded', () => {
    const table = tableWith(6, T0 + 1)
    const sets = new FrozenSets(network, table)
    sets.roll(start(1))
    sets.roll(start(2))
    table.exclude(conflictOf(describeNode(0), describeNode(0, { keepsFromDay: 1 }))!)
    sets.touch()
    expect(ids(sets.get(2).nodes)).not.toContain(toHex(testNode(0).nodeId))
  })

  it('fall back to the table while fewer nodes than layers were there in time', () => {
    const table = new NodeTable(network)
    const sets = new FrozenSets(network, table)
    sets.roll(start(40))
    for (let i = 0; i < 7; i++) take(table, describeNode(i, { issuedAt: start(40) + 1 }))
    sets.touch()
    expect(sets.get(40)).toMatchObject({ frozen: false })
    expect(sets.get(40).nodes).toHaveLength(7)
  })

  it('are dropped when their time is over, and refuse epochs far ahead', () => {
    const table = tableWith(5, T0 + 1)
    const sets = new FrozenSets(network, table)
    sets.roll(start(1))
    sets.roll(start(2))
    expect(sets.roll(start(4))).toEqual([2])
    expect(sets.offer(9, describeNode(0, { issuedAt: start(4) }))).toBe(false)
  })
})
