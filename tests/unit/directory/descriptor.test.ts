import { describe, expect, it } from 'vitest'
import { isHearsayError } from '../../../src/base/index.ts'
import {
  admitByInvitation,
  createInvitation,
  decodeDescriptor,
  type DescriptorContent,
  issueDescriptor,
} from '../../../src/directory/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { admissionFault } from '../../../src/directory/admission.ts'
import {
  MAX_DESCRIPTOR_BYTES,
  MIX_KEY_BYTES,
  SEQUENCE_STEP_MAX,
} from '../../../src/directory/constants.ts'
import { nextSequence } from '../../../src/directory/descriptor.ts'
import {
  OPERATOR_SEED,
  T0,
  testContent,
  testDescriptor,
  testNetwork,
  testNode,
} from './fixtures.ts'

const network = testNetwork('balanced')
const node = testNode(0)

function isRefused(run: () => unknown): boolean {
  try {
    run()
    return false
  } catch (error) {
    if (!isHearsayError(error)) throw error
    return true
  }
}

const keysOf = (...epochs: readonly number[]) =>
  epochs.map((epoch) => ({ epoch, key: new Uint8Array(32) }))

function invitation(maxUses = 3) {
  return createInvitation(network, {
    operatorSeed: OPERATOR_SEED,
    now: T0,
    expiresAt: T0 + 1_000_000,
    maxUses,
    rng: seededRng(4),
  })
}

describe('descriptor', () => {
  it('has one encoding, which its decoder gives back', () => {
    const admission = admitByInvitation(network, invitation(), node.nodeId, T0 + 5)
    const content = testContent(network, node, { admission })
    const { bytes, hash, ...read } = issueDescriptor(content, node.sign)
    expect(read).toEqual(content)
    expect(hash).toHaveLength(32)
    expect(decodeDescriptor(bytes).bytes).toEqual(bytes)
  })

  const full = (keyBytes: number, count = 4) =>
    testContent(network, node, {
      addresses: Array.from(
        { length: 8 },
        (_, i) => `/dns4/${'x'.repeat(88)}.example.org/tcp/6553${i % 6}/tls/ws`,
      ),
      mixKeys: Array.from({ length: count }, (_, i) => ({
        epoch: 0xfffffff0 + i,
        key: new Uint8Array(keyBytes).fill(i),
      })),
      admission: admitByInvitation(network, invitation(), node.nodeId, T0 + 5),
    })

  it.each(Object.entries(MIX_KEY_BYTES))(
    'carries four keys of %s, whatever else is in it',
    (suite, bytes) => {
      const content = full(bytes)
      const made = issueDescriptor(content, node.sign)
      expect(made.bytes.length).toBeLessThanOrEqual(
        suite === 'x25519' ? 2_048 : MAX_DESCRIPTOR_BYTES,
      )
      expect(decodeDescriptor(made.bytes).mixKeys).toEqual(content.mixKeys)
    },
  )

  it.each([0, 31, 33, 64, 1_184, 1_215, 1_217])('has no mix key of %i bytes', (bytes) => {
    expect(isRefused(() => issueDescriptor(full(bytes, 1), node.sign))).toBe(true)
  })

  it('is refused after any flipped bit, cut or appended byte', () => {
    const { bytes } = testDescriptor(network, node)
    for (let at = 0; at < bytes.length; at++) {
      const copy = bytes.slice()
      copy[at]! ^= 1 << (at % 8)
      expect(isRefused(() => decodeDescriptor(copy))).toBe(true)
    }
    for (let length = 0; length < bytes.length; length += 11) {
      expect(isRefused(() => decodeDescriptor(bytes.slice(0, length)))).toBe(true)
    }
    expect(isRefused(() => decodeDescriptor(Uint8Array.of(...bytes, 0)))).toBe(true)
    expect(isRefused(() => decodeDescriptor(new Uint8Array(MAX_DESCRIPTOR_BYTES + 1)))).toBe(true)
  })

  it.each<[string, Partial<DescriptorContent>]>([
    ['nine addresses', { addresses: Array(9).fill('/ip4/127.0.0.1/tcp/1') as string[] }],
    ['an address with a peer id', { addresses: [`/ip4/127.0.0.1/tcp/1/p2p/${'1'.repeat(46)}`] }],
    ['an address with control characters', { addresses: ['/ip4/127.0.0.1/tcp/1\n'] }],
    ['a reachable node without an address', { addresses: [] }],
    ['mix keys out of order', { mixKeys: keysOf(2, 1) }],
    ['two mix keys of one epoch', { mixKeys: keysOf(1, 1) }],
    ['five mix keys', { mixKeys: keysOf(0, 1, 2, 3, 4) }],
    ['a short request key', { requestKey: new Uint8Array(31) }],
    ['a fractional time', { issuedAt: 1.5 }],
  ])('cannot have %s', (_name, changes) => {
    expect(isRefused(() => testDescriptor(network, node, changes))).toBe(true)
  })

  it('cannot be issued with another node’s key', () => {
    const content = testContent(network, node)
    expect(isRefused(() => issueDescriptor(content, testNode(1).sign))).toBe(true)
  })

  it('never repeats a sequence number after a restored backup, as long as the clock moves on', () => {
    const rng = seededRng('sequence')
    expect(nextSequence(rng, 0, T0)).toBe(T0)
    const drawn = Array.from({ length: 100 }, () => nextSequence(rng, T0 + 10, T0))
    expect(Math.min(...drawn)).toBeGreaterThan(T0 + 10)
    expect(Math.max(...drawn)).toBeLessThanOrEqual(T0 + 10 + SEQUENCE_STEP_MAX)
    // Two lives of one home, from the same copy, under one clock that is behind.
    expect(new Set(drawn).size).toBeGreaterThan(80)
  })
})

describe('admission', () => {
  const proof = admitByInvitation(network, invitation(), node.nodeId, T0 + 5)

  it('by invitation binds the node id, the date and the network', () => {
    expect(admissionFault(proof, node.nodeId, network)).toBeUndefined()
    expect(admissionFault(proof, testNode(1).nodeId, network)).toBe('signature')
    expect(admissionFault({ ...proof, date: T0 + 6 }, node.nodeId, network)).toBe('signature')
    const other = testNetwork('strong')
    expect(admissionFault(proof, node.nodeId, other)).toBe('grant')
  })

  it('is dated within the invitation and not before the network', () => {
    expect(admissionFault({ ...proof, date: T0 - 1 }, node.nodeId, network)).toBe('date')
    expect(admissionFault({ ...proof, date: T0 + 1_000_000 }, node.nodeId, network)).toBe('date')
  })

  it('refuses a grant whose number of uses was raised', () => {
    const grant = { ...proof.grant, maxUses: 4 }
    expect(admissionFault({ ...proof, grant }, node.nodeId, network)).toBe('grant')
  })

  it('of an operator network refuses the node’s own word', () => {
    expect(admissionFault({ kind: 'open', date: T0 }, node.nodeId, network)).toBe('kind')
  })

  it('cannot be made by somebody who saw another node’s proof', () => {
    const forged = admitByInvitation(
      network,
      { seed: new Uint8Array(32).fill(1), grant: proof.grant },
      testNode(1).nodeId,
      T0 + 5,
    )
    expect(admissionFault(forged, testNode(1).nodeId, network)).toBe('signature')
  })
})
