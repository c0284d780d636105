import { createPrivateKey, createPublicKey } from 'node:crypto'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { asNodeId, concat, HearsayError, type NodeId } from '../base/index.ts'

const SEED_BYTES = 32
/** PKCS#8 of an Ed25519 key up to the seed (RFC 8410). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

export interface NodeKey {
  nodeId: NodeId
  privateKey: Ed25519PrivateKey
}

/** The node's Ed25519 key from its seed, 32 bytes. @throws HearsayError `bad-length`. */
export function nodeKeyFromSeed(seed: Uint8Array): NodeKey {
  if (seed.length !== SEED_BYTES) {
    throw new HearsayError('bad-length', 'node key seed is 32 bytes', { length: seed.length })
  }
  const der = Buffer.concat([PKCS8_PREFIX, seed])
  const key = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }))
  der.fill(0)
  const nodeId = asNodeId(
    new Uint8Array(Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url')),
  )
  const privateKey = privateKeyFromRaw(concat(seed, nodeId))
  if (privateKey.type !== 'Ed25519') throw new HearsayError('bug', 'node key is not Ed25519')
  return { nodeId, privateKey }
}
