import {
  type ClientState,
  type Commit,
  type Credential,
  encodeMlsMessage,
  type GroupContext,
  type GroupInfo,
  type KeyPackage,
  type Proposal,
  type RatchetTree,
} from 'ts-mls'
import { applyProposals, nextEpochContext } from 'ts-mls/clientState.js'
import { createConfirmationTag, createContentCommitSignature } from 'ts-mls/framedContent.js'
import { signGroupInfo } from 'ts-mls/groupInfo.js'
import { initializeEpoch } from 'ts-mls/keySchedule.js'
import { protectPublicMessage } from 'ts-mls/messageProtectionPublic.js'
import { getCommitSecret } from 'ts-mls/pathSecrets.js'
import { encodeRatchetTree } from 'ts-mls/ratchetTree.js'
import { treeHashRoot } from 'ts-mls/treeHash.js'
import { type LeafIndex, leafToNodeIndex, toLeafIndex, toNodeIndex } from 'ts-mls/treemath.js'
import { createUpdatePath } from 'ts-mls/updatePath.js'
import { equalBytes, HearsayError } from '../../base/index.ts'
import { signKeyPairFromSeed, wipe } from '../../crypto/index.ts'
import { CLIENT_CONFIG, type Psk, pskIndex } from './config.ts'
import { MAILBOX_ROOT_EXTENSION, MLS_HASH_BYTES, OWNER_LEAF } from './constants.ts'
import type { LeafSecrets } from './key-package.ts'
import { type Leaf, readTree } from './leaf.ts'
import { reject, requireThat } from './reject.ts'
import { encodeState, wipeState } from './state.ts'
import type { MlsSuite } from './suite.ts'
import { writeWelcome } from './write-welcome.ts'

export interface CommitContent {
  readonly remove: readonly number[]
  readonly add: readonly KeyPackage[]
  readonly psk?: Psk | undefined
  /** Replaces the owner's signature key, credential and mailbox root in the path's leaf. */
  readonly newLeaf?: LeafSecrets | undefined
}

export interface WrittenCommit {
  /** SECRET. */
  readonly state: Uint8Array
  readonly commit: Uint8Array
  readonly welcome: Uint8Array | undefined
  readonly leaves: Leaf[]
}

const OWNER = toLeafIndex(OWNER_LEAF)
const NO_DATA = new Uint8Array()
const WIRE_FORMAT = 'mls_public_message'

function proposalsOf(suite: MlsSuite, content: CommitContent): Proposal[] {
  const out: Proposal[] = []
  for (const removed of content.remove) out.push({ proposalType: 'remove', remove: { removed } })
  for (const keyPackage of content.add) out.push({ proposalType: 'add', add: { keyPackage } })
  if (content.psk !== undefined) {
    const pskNonce = suite.rng.randomBytes(MLS_HASH_BYTES)
    const preSharedKeyId = { psktype: 'external' as const, pskId: content.psk.id.slice(), pskNonce }
    out.push({ proposalType: 'psk', psk: { preSharedKeyId } })
  }
  return out
}

/** The tree in which leaf 0 already says who the owner will be; `createUpdatePath` signs it anew. */
function withNewOwner(tree: RatchetTree, leaf: LeafSecrets): RatchetTree {
  const node = tree[leafToNodeIndex(OWNER)]
  if (node?.nodeType !== 'leaf') return reject('bad-tree')
  const { publicKey, secretKey } = signKeyPairFromSeed(leaf.signatureSeed)
  wipe(secretKey)
  // Half a healing would look like one: whoever stole the old key or root could still use it.
  const oldRoot = node.leaf.extensions[0]?.extensionData ?? NO_DATA
  requireThat(!equalBytes(publicKey, node.leaf.signaturePublicKey), 'duplicate-key')
  requireThat(!equalBytes(leaf.mailboxRoot, oldRoot), 'duplicate-key')
  const credential: Credential = { credentialType: 'basic', identity: leaf.credential.slice() }
  const extensions = [
    { extensionType: MAILBOX_ROOT_EXTENSION, extensionData: leaf.mailboxRoot.slice() },
  ]
  const copy = tree.slice()
  copy[leafToNodeIndex(OWNER)] = {
    nodeType: 'leaf',
    leaf: { ...node.leaf, signaturePublicKey: publicKey, credential, extensions },
  }
  return copy
}

/** The owner's new path over `tree`, with the leaf of `newLeaf` if given, signed with `seed`. */
async function makePath(
  suite: MlsSuite,
  state: ClientState,
  tree: RatchetTree,
  seed: Uint8Array,
  added: readonly LeafIndex[],
) {
  // Alone in the tree the path is empty and the library's commit secret is zero: who was just removed could
  // compute the next epoch from its old init secret.
  requireThat(
    tree.some((node, index) => index > 0 && node?.nodeType === 'leaf'),
    'last-member',
  )
  const [newTree, path, pathSecrets] = await createUpdatePath(
    tree,
    OWNER,
    state.groupContext,
    seed,
    suite,
    added.map(leafToNodeIndex),
  )
  const top = pathSecrets.at(-1)
  if (top === undefined) throw new HearsayError('bug', 'a path without nodes')
  const at = toNodeIndex(top.nodeIndex)
  const commitSecret = await getCommitSecret(newTree, at, top.secret, suite.kdf)
  return { tree: newTree, path, pathSecrets, commitSecret }
}

/** The commit's signed content and the group context that it makes. */
async function signCommit(suite: MlsSuite, state: ClientState, commit: Commit, tree: RatchetTree) {
  // Members know the old key: it signs the commit, the new one signs the new leaf and the GroupInfo.
  const { framedContent, signature } = await createContentCommitSignature(
    state.groupContext,
    WIRE_FORMAT,
    commit,
    { senderType: 'member', leafIndex: OWNER_LEAF },
    NO_DATA,
    state.signaturePrivateKey,
    suite.signature,
  )
  const groupContext = await nextEpochContext(
    state.groupContext,
    WIRE_FORMAT,
    framedContent,
    signature,
    await treeHashRoot(tree, suite.hash),
    state.confirmationTag,
    suite.hash,
  )
  return { framedContent, signature, groupContext }
}

/** GroupInfo with the ratchet tree, for the Welcome. */
function signInfo(
  suite: MlsSuite,
  groupContext: GroupContext,
  confirmationTag: Uint8Array,
  tree: RatchetTree,
  seed: Uint8Array,
): Promise<GroupInfo> {
  const treeExtension = {
    extensionType: 'ratchet_tree' as const,
    extensionData: encodeRatchetTree(tree),
  }
  const info = { groupContext, extensions: [treeExtension], confirmationTag, signer: OWNER_LEAF }
  return signGroupInfo(info, seed, suite.signature)
}

/**
 * A commit with path by the owner (RFC 9420 §12.4.1), as a PublicMessage: boxes encrypt it, and readers can
 * check all of it before any state changes. Composed of the library's parts instead of its `createCommit`,
 * because that one omits the path for Adds, cannot replace the leaf's keys, reads `Date.now` and derives
 * private keys that the owner never uses.
 */
export async function writeCommit(
  suite: MlsSuite,
  state: ClientState,
  content: CommitContent,
): Promise<WrittenCommit> {
  if (state.privatePath.leafIndex !== OWNER_LEAF) return reject('not-owner')
  const { newLeaf, psk } = content
  const proposals = proposalsOf(suite, content).map((proposal) => ({
    proposalOrRefType: 'proposal' as const,
    proposal,
  }))
  // As if received: the sender's variant would compare lifetimes with Date.now.
  const applied = await applyProposals(state, proposals, OWNER, pskIndex(psk), false, suite)
  if (applied.additionalResult.kind !== 'memberCommit') throw new HearsayError('bug', 'commit kind')
  const added = applied.additionalResult.addedLeafNodes
  const seed = newLeaf?.signatureSeed ?? state.signaturePrivateKey
  const base = newLeaf === undefined ? applied.tree : withNewOwner(applied.tree, newLeaf)
  const newLeaves = added.map(([leafIndex]) => leafIndex)
  const { tree, path, pathSecrets, commitSecret } = await makePath(
    suite,
    state,
    base,
    seed,
    newLeaves,
  )
  const leaves = readTree(tree, state.groupContext.epoch + 1n)

  const signed = await signCommit(suite, state, { proposals, path }, tree)
  const { framedContent, signature, groupContext } = signed
  const { initSecret, membershipKey } = state.keySchedule
  const { pskSecret } = applied
  const epoch = await initializeEpoch(initSecret, commitSecret, groupContext, pskSecret, suite.kdf)
  const { confirmationKey } = epoch.keySchedule
  const transcript = groupContext.confirmedTranscriptHash
  const confirmationTag = await createConfirmationTag(confirmationKey, transcript, suite.hash)
  const publicMessage = await protectPublicMessage(
    membershipKey,
    state.groupContext,
    {
      wireformat: WIRE_FORMAT,
      content: framedContent,
      auth: { contentType: 'commit', signature, confirmationTag },
    },
    suite,
  )
  const { joinerSecret, welcomeSecret, encryptionSecret } = epoch
  const welcome =
    added.length === 0
      ? undefined
      : await writeWelcome(suite, {
          added,
          tree,
          pathSecrets,
          joinerSecret,
          welcomeSecret,
          psks: applied.pskIds,
          groupInfo: await signInfo(suite, groupContext, confirmationTag, tree, seed),
        })
  const next: ClientState = {
    groupContext,
    keySchedule: epoch.keySchedule,
    secretTree: [],
    ratchetTree: tree,
    privatePath: { leafIndex: OWNER_LEAF, privateKeys: {} },
    signaturePrivateKey: seed,
    unappliedProposals: {},
    confirmationTag,
    historicalReceiverData: new Map(),
    groupActiveState: { kind: 'active' },
    clientConfig: CLIENT_CONFIG,
  }
  const bytes = encodeState(next)
  wipeState(next)
  wipe(commitSecret, pskSecret, joinerSecret, welcomeSecret, encryptionSecret)
  wipe(...pathSecrets.map((step) => step.secret))
  const commit = encodeMlsMessage({ version: 'mls10', wireformat: WIRE_FORMAT, publicMessage })
  return { state: bytes, commit, welcome, leaves }
}
