import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromPublicKey, peerIdFromString } from '@libp2p/peer-id'
import { asNodeId, type NodeId } from '../base/index.ts'

/** The raw Ed25519 key inside a peer id; undefined for peers with other key types, which are refused. */
export function nodeIdOf(peer: PeerId): NodeId | undefined {
  return peer.type === 'Ed25519' ? asNodeId(peer.publicKey.raw) : undefined
}

/** @throws when the 32 bytes are no curve point; callers treat the node as unreachable. */
export function peerIdOf(nodeId: NodeId): PeerId {
  return peerIdFromPublicKey(publicKeyFromRaw(nodeId))
}

/** The usual text of a node's peer id. `key` is a node id, 32 bytes. */
export function peerIdText(key: Uint8Array): string {
  return peerIdOf(asNodeId(key)).toString()
}

/** The node of a peer id's text; undefined for anything else. */
export function nodeIdFromText(text: string): NodeId | undefined {
  try {
    return nodeIdOf(peerIdFromString(text))
  } catch {
    // Not a peer id: the caller says so in its own words.
    return undefined
  }
}
