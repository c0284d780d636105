import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  asAddress,
  equalBytes,
  type NodeId,
  silentLogger,
  systemClock,
  systemRng,
  toHex,
} from '../../src/base/index.ts'
import { PlacementIndex, placementKey, placementPreimage } from '../../src/directory/index.ts'
import { createNet, type Net } from '../../src/net/index.ts'
import { seededRng } from '../support/seeded-rng.ts'
import { NETWORK_TAG, PNET_KEY, quietScoring, sha256 } from '../support/test-nets.ts'

const NODES = 26
const KEEPERS = 8
const LOOKUPS = 100
const DAY = 20_779

const nets: Net[] = []

/** Every node knows the addresses of all others, as from the directory. */
function createNode(index: number): Net {
  return createNet(
    {
      clock: systemClock,
      rng: systemRng,
      log: silentLogger,
      dialTargets: () =>
        nets
          .filter((net) => net !== nets[index])
          .map((net) => ({
            nodeId: net.nodeId,
            addresses: net.addresses().map((text) => text.replace(/\/p2p\/.*$/, '')),
          })),
    },
    {
      privateKeySeed: sha256(Uint8Array.of(index, 9)),
      listen: [`/ip4/127.${index + 1}.0.1/tcp/0`],
      pnetKey: PNET_KEY,
      networkTag: NETWORK_TAG,
      bootstraps: [],
      topics: [{ topic: 'test', maxMessageBytes: 4_096, scoring: quietScoring }],
    },
  )
}

beforeAll(async () => {
  for (let i = 0; i < NODES; i++) nets.push(createNode(i))
  for (const net of nets) await net.start()
  const end = performance.now() + 20_000
  // Target connections of a node: every table then leads everywhere.
  while (nets.some((net) => net.peers.connected().length < 8)) {
    if (performance.now() > end) throw new Error('the nodes did not connect')
    await systemClock.sleep(50)
  }
  await systemClock.sleep(500)
})

afterAll(async () => {
  await Promise.all(nets.map((net) => net.stop()))
})

describe('placement by the directory', () => {
  it('is what Kademlia itself finds, in at least 95 of 100 look-ups, and differs by missing nodes only', async () => {
    const index = new PlacementIndex(
      nets.map((net) => ({ nodeId: net.nodeId, addresses: net.addresses() })),
    )
    const rng = seededRng('placement')
    const names = (nodes: readonly NodeId[]) => nodes.map((node) => toHex(node).slice(0, 8))
    const differences: string[] = []
    for (let round = 0; round < LOOKUPS; round++) {
      const asker = nets[round % NODES]!
      const address = asAddress(rng.bytes(32))
      const expected = index
        .closest(placementKey(address, DAY), KEEPERS + 1)
        .filter((node) => !equalBytes(node, asker.nodeId))
        .slice(0, KEEPERS)
      const found = await asker.kademlia.closest(
        placementPreimage(address, DAY),
        new AbortController().signal,
      )
      const [mine, theirs] = [names(expected), names(found.slice(0, KEEPERS))]
      if (mine.join() === theirs.join()) continue
      const missing = mine.filter((name) => !names(found).includes(name))
      // Whatever else it found must still be in the right order: only nodes it never met may be absent.
      const ordered = names(
        index
          .closest(placementKey(address, DAY), NODES)
          .filter((node) => found.some((each) => equalBytes(each, node))),
      ).slice(0, KEEPERS)
      expect(theirs).toEqual(ordered)
      expect(missing.length).toBeGreaterThan(0)
      differences.push(`look-up ${round}: did not meet ${missing.join(', ')}`)
    }
    expect(differences.slice(LOOKUPS * 0.05)).toEqual([])
  })
})
