import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { asNodeId, type NodeId } from '../base/index.ts'

/** The raw Ed25519 key inside a peer id; undefined for peers with other key types, which are refused. */
export function nodeIdOf(peer: PeerId): NodeId | undefined {
  return peer.type === 'Ed25519' ? asNodeId(peer.publicKey.raw) : undefined
}

/** @throws when the 32 bytes are no curve point; callers treat the node as unreachable. */
export function peerIdOf(nodeId: NodeId): PeerId {
  return peerIdFromPublicKey(publicKeyFromRaw(nodeId))
}
