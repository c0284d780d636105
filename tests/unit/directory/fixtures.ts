import { asNodeId, type NodeId } from '../../../src/base/index.ts'
import { sign, signKeyPairFromSeed } from '../../../src/crypto/index.ts'
import {
  admitOpen,
  createNetwork,
  type Descriptor,
  type DescriptorContent,
  issueDescriptor,
  type Network,
  type ParameterOverrides,
  type PresetName,
} from '../../../src/directory/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'

export const T0 = Date.UTC(2026, 10, 22, 12)
export const OPERATOR_SEED = new Uint8Array(32).fill(7)

export function testNetwork(
  preset: PresetName = 'swift',
  overrides: ParameterOverrides = {},
): Network {
  return createNetwork({
    name: 'lab-1',
    preset,
    overrides,
    bootstraps: [],
    operatorSeed: OPERATOR_SEED,
    now: T0,
    rng: seededRng(1),
  })
}

export interface TestNode {
  readonly nodeId: NodeId
  readonly sign: (digest: Uint8Array) => Uint8Array
}

export function testNode(index: number): TestNode {
  const seed = new Uint8Array(32)
  new DataView(seed.buffer).setUint32(0, index + 1)
  const { publicKey, secretKey } = signKeyPairFromSeed(seed)
  return { nodeId: asNodeId(publicKey), sign: (digest) => sign(digest, secretKey) }
}

export function testContent(
  network: Network,
  node: TestNode,
  changes: Partial<DescriptorContent> = {},
): DescriptorContent {
  const issuedAt = changes.issuedAt ?? T0
  return {
    networkId: network.id,
    nodeId: node.nodeId,
    sequence: issuedAt,
    issuedAt,
    addresses: ['/ip4/127.1.0.1/tcp/4001'],
    reachable: true,
    keepsFromDay: 20_000,
    mixKeys: [{ epoch: 0, key: new Uint8Array(32).fill(9) }],
    admission: admitOpen(issuedAt),
    requestKey: new Uint8Array(32).fill(3),
    ...changes,
  }
}

export function testDescriptor(
  network: Network,
  node: TestNode,
  changes: Partial<DescriptorContent> = {},
): Descriptor {
  return issueDescriptor(testContent(network, node, changes), node.sign)
}
