import type { LeafNode, RatchetTree } from 'ts-mls'
import { encodeCapabilities } from 'ts-mls/capabilities.js'
import { equalBytes, toHex } from '../../base/index.ts'
import { isValidPoint } from '../../crypto/index.ts'
import { CAPABILITIES } from './config.ts'
import {
  HPKE_PUBLIC_KEY_BYTES,
  MAILBOX_ROOT_EXTENSION,
  MAX_CREDENTIAL_BYTES,
  MAX_GROUP_LEAVES,
  MAX_KEY_PACKAGE_LIFETIME_S,
  OWNER_LEAF,
} from './constants.ts'
import { reject, requireThat } from './reject.ts'

/** What a leaf says about its device. The caller verifies the credential over the other two. */
export interface LeafIdentity {
  /** Ed25519 public key of the leaf, 32 bytes. */
  readonly signatureKey: Uint8Array
  /** The basic credential's identity: 1 to 1024 opaque bytes. */
  readonly credential: Uint8Array
  /** The mailbox root R, an Ed25519 public key, 32 bytes. */
  readonly mailboxRoot: Uint8Array
}

export interface Leaf extends LeafIdentity {
  /** Leaf index in the group; -1 for a leaf that is not placed yet. */
  readonly index: number
}

const ENCODED_CAPABILITIES = encodeCapabilities(CAPABILITIES)

/**
 * Checks one leaf: basic credential of allowed length, keys that are valid points, exactly our capabilities
 * and exactly our one extension, a lifetime of at most 30 days. Copies what it returns.
 * @throws HearsayError `mls-rejected` (`bad-leaf`, `bad-credential`, `bad-extension`, `bad-lifetime`).
 */
export function readLeaf(node: LeafNode, index: number): Leaf {
  requireThat(node.credential.credentialType === 'basic', 'bad-credential')
  const credential = node.credential.identity
  requireThat(credential.length >= 1 && credential.length <= MAX_CREDENTIAL_BYTES, 'bad-credential')
  requireThat(isValidPoint(node.signaturePublicKey), 'bad-leaf')
  requireThat(node.hpkePublicKey.length === HPKE_PUBLIC_KEY_BYTES, 'bad-leaf')
  requireThat(equalBytes(encodeCapabilities(node.capabilities), ENCODED_CAPABILITIES), 'bad-leaf')
  const extension = node.extensions[0]
  requireThat(
    node.extensions.length === 1 && extension?.extensionType === MAILBOX_ROOT_EXTENSION,
    'bad-extension',
  )
  requireThat(isValidPoint(extension.extensionData), 'bad-extension')
  if (node.leafNodeSource === 'key_package') checkLifetimeSpan(node.lifetime)
  return {
    index,
    signatureKey: node.signaturePublicKey.slice(),
    credential: credential.slice(),
    mailboxRoot: extension.extensionData.slice(),
  }
}

function checkLifetimeSpan(lifetime: { notBefore: bigint; notAfter: bigint }): void {
  const span = lifetime.notAfter - lifetime.notBefore
  requireThat(span >= 0n && span <= BigInt(MAX_KEY_PACKAGE_LIFETIME_S), 'bad-lifetime')
}

/**
 * Checks a whole tree against the only shape that commits with path from leaf 0 can make: room for 8 leaves
 * at most, leaf 0 is there, parents are nodes of its direct path and have no unmerged leaves, every other leaf
 * is a key package's. All HPKE, signature and mailbox keys differ (the library compares the old tree with itself only).
 * Returns the leaves in order.
 */
export function readTree(tree: RatchetTree, epoch: bigint): Leaf[] {
  // Adds take the leftmost blank leaf, so a wider tree is an attack: its owner can seat a leaf anywhere, and
  // hashing thousands of blank nodes holds up the reader for seconds, at every commit again.
  requireThat(tree.length < 2 * MAX_GROUP_LEAVES, 'too-many-leaves')
  const leaves: Leaf[] = []
  const seen = new Set<string>()
  const claim = (key: Uint8Array) => {
    const id = toHex(key)
    requireThat(!seen.has(id), 'duplicate-key')
    seen.add(id)
  }
  for (const [position, node] of tree.entries()) {
    if (node === undefined) continue
    if (node.nodeType === 'parent') {
      // Direct path of leaf 0: nodes 1, 3, 7, … (2^k - 1).
      requireThat(position % 2 === 1 && (position & (position + 1)) === 0, 'bad-tree')
      requireThat(node.parent.unmergedLeaves.length === 0, 'bad-tree')
      requireThat(node.parent.hpkePublicKey.length === HPKE_PUBLIC_KEY_BYTES, 'bad-tree')
      claim(node.parent.hpkePublicKey)
      continue
    }
    requireThat(position % 2 === 0, 'bad-tree')
    requireThat(leaves.length < MAX_GROUP_LEAVES, 'too-many-leaves')
    const leaf = readLeaf(node.leaf, position / 2)
    const source = leaf.index === OWNER_LEAF && epoch > 0n ? 'commit' : 'key_package'
    requireThat(node.leaf.leafNodeSource === source, 'bad-tree')
    claim(node.leaf.hpkePublicKey)
    claim(leaf.signatureKey)
    claim(leaf.mailboxRoot)
    leaves.push(leaf)
  }
  requireThat(leaves[0]?.index === OWNER_LEAF, 'bad-tree')
  return leaves
}

function sameIdentity(a: LeafIdentity, b: LeafIdentity): boolean {
  return (
    equalBytes(a.signatureKey, b.signatureKey) &&
    equalBytes(a.credential, b.credential) &&
    equalBytes(a.mailboxRoot, b.mailboxRoot)
  )
}

/**
 * Who may be in the group. `roster`: identities whose credentials the caller has verified; every leaf must
 * be one of them, in all three fields. `ownerSignatureKey`: of the device whose stream this is.
 */
export interface ExpectedMembers {
  readonly ownerSignatureKey: Uint8Array
  readonly roster: readonly LeafIdentity[]
}

/** No ghost: @throws HearsayError `mls-rejected` (`not-in-roster`, `wrong-owner`). */
export function checkMembers(leaves: readonly Leaf[], expect: ExpectedMembers): void {
  const owner = leaves[0] ?? reject('bad-tree')
  requireThat(equalBytes(owner.signatureKey, expect.ownerSignatureKey), 'wrong-owner')
  for (const leaf of leaves) {
    requireThat(
      expect.roster.some((allowed) => sameIdentity(allowed, leaf)),
      'not-in-roster',
    )
  }
}
