import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { Connection, PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { equalBytes, type NodeId } from '../../../src/base/index.ts'
import { signKeyPairFromSeed } from '../../../src/crypto/index.ts'
import { connectedHelpers } from '../../../src/net/dial-helpers.ts'
import { nodeIdOf } from '../../../src/net/node-id.ts'

const peer = (n: number): PeerId => {
  const { secretKey } = signKeyPairFromSeed(new Uint8Array(32).fill(n))
  return peerIdFromPrivateKey(privateKeyFromRaw(secretKey))
}

const connection = (
  n: number,
  address: string,
  direction: Connection['direction'] = 'outbound',
  status: Connection['status'] = 'open',
) => ({ direction, status, remotePeer: peer(n), remoteAddr: multiaddr(address) })

const both = ['/ip4/192.0.2.1/tcp/1', '/ip6/2001:db8::1/tcp/1']
const everybody = { isKnown: () => true, addresses: both }

describe('those who may be asked for a dial back', () => {
  it('are known peers with an open connection', () => {
    const connections = [
      connection(1, '/ip4/198.51.100.1/tcp/1'),
      connection(2, '/ip4/198.51.100.2/tcp/1'),
      connection(3, '/ip4/198.51.100.3/tcp/1', 'outbound', 'closing'),
    ]
    const isKnown = (nodeId: NodeId) => !equalBytes(nodeId, nodeIdOf(peer(2))!)
    const helpers = connectedHelpers(connections, { ...everybody, isKnown })
    expect(helpers.map((each) => each.connection)).toEqual([connections[0]])
  })

  it('are asked over a connection of our own making, where there is one', () => {
    const address = '/ip4/198.51.100.1/tcp/1'
    const [inward, outward] = [connection(1, address, 'inbound'), connection(1, address)]
    for (const connections of [
      [inward, outward],
      [outward, inward],
    ]) {
      const helpers = connectedHelpers(connections, everybody)
      expect(helpers.map((each) => each.connection)).toEqual([outward])
    }
    expect(connectedHelpers([inward], everybody).length).toBe(1)
  })

  it('are grouped by what one party may hold', () => {
    const addresses = [
      '/ip4/198.51.100.1/tcp/1',
      '/ip4/198.51.7.9/tcp/2',
      '/ip4/198.52.0.1/tcp/1',
      '/ip6/2001:db8:1::1/tcp/1',
      '/ip6/2001:db8:2::1/tcp/1/ws',
      '/dns4/node.example/tcp/1',
    ]
    const helpers = connectedHelpers(
      addresses.map((address, i) => connection(i + 1, address)),
      everybody,
    )
    expect(helpers.map(({ group }) => group)).toEqual([
      '198.51',
      '198.51',
      '198.52',
      '2001:db8',
      '2001:db8',
      'node.example',
    ])
  })

  it('come by an IP version of which we have an address', () => {
    const connections = [
      connection(1, '/ip4/198.51.100.1/tcp/1'),
      connection(2, '/ip6/2001:db8:1::1/tcp/1'),
      connection(3, '/dns6/node.example/tcp/1'),
      connection(4, '/dns/node.example/tcp/1'),
    ]
    const asked = (...addresses: string[]) =>
      connectedHelpers(connections, { ...everybody, addresses }).map(({ connection: each }) =>
        connections.indexOf(each),
      )
    expect(asked('/ip4/192.0.2.1/tcp/1')).toEqual([0, 3])
    expect(asked('/ip6/2001:db8::1/tcp/1')).toEqual([1, 2, 3])
    expect(asked('/dns/mine.example/tcp/1')).toEqual([0, 1, 2, 3])
    expect(asked()).toEqual([])
  })
})
