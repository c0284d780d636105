import { asNodeId } from '../../src/base/index.ts'
import { signKeyPairFromSeed } from '../../src/crypto/index.ts'
import { type Net, type NetOptions, type NetPorts, peerIdText } from '../../src/net/index.ts'
import type { MemoryNetwork } from './memory-net.ts'

/** `createNet` over an in-memory network: the node is linked to all others from its start to its stop. */
export function memoryNet(network: MemoryNetwork): (ports: NetPorts, options: NetOptions) => Net {
  return (ports, options) => {
    const nodeId = asNodeId(signKeyPairFromSeed(options.privateKeySeed).publicKey)
    const peerId = peerIdText(nodeId)
    const node = network.join(nodeId, false)
    const { pubsub, requests, links, peers, kademlia } = node
    pubsub.limits = new Map(options.topics.map((plan) => [plan.topic, plan.maxMessageBytes]))
    node.allows = (other) => ports.allowPeer?.(other) ?? true
    return {
      nodeId,
      peerId,
      pubsub,
      requests,
      links,
      peers,
      kademlia,
      start: async () => network.setOnline(nodeId, true),
      // Only this one: a node of the same id may have been started again.
      stop: async () => {
        if (network.find(nodeId) === node) network.setOnline(nodeId, false)
      },
      addresses: () =>
        node.online ? options.listen.map((address) => `${address}/p2p/${peerId}`) : [],
      dialable: () => (node.online ? [...options.listen] : []),
      status: () => ({
        target: network.nodes.length - 1,
        known: ports.dialTargets?.().length ?? 0,
        mismatches: 0,
        unreachable: 0,
        connected: peers.connected().length,
        networkMismatch: false,
        hindrance: options.reachable === 'no' ? ('configured' as const) : undefined,
      }),
      // Every node sees every other, so nobody has to find out.
      reachability: () => (options.reachable === 'no' ? 'unreachable' : 'reachable'),
      onReachability: () => () => undefined,
      score: (other) => peers.score(other),
    }
  }
}
