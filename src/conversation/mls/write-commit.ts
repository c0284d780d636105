import {
  type ClientState,
  type Credential,
  encodeMlsMessage,
  type GroupInfo,
  type KeyPackage,
  type Proposal,
  type RatchetTree,
} from 'ts-mls'
import { applyProposals, nextEpochContext } from 'ts-mls/clientState.js'
import { createConfirmationTag, createContentCommitSignature } from 'ts-mls/framedContent.js'
import { signGroupInfo } from 'ts-mls/groupInfo.js'
import { initializeEpoch } from 'ts-mls/keySchedule.js'
import { makeKeyPackageRef } from 'ts-mls/keyPackage.js'
import { protectPublicMessage } from 'ts-mls/messageProtectionPublic.js'
import { getCommitSecret } from 'ts-mls/pathSecrets.js'
import { encodeRatchetTree } from 'ts-mls/ratchetTree.js'
import { treeHashRoot } from 'ts-mls/treeHash.js'
import { leafToNodeIndex, toLeafIndex, toNodeIndex } from 'ts-mls/treemath.js'
import { createUpdatePath, firstCommonAncestor, type PathSecret } from 'ts-mls/updatePath.js'
import { encryptGroupInfo, encryptGroupSecrets } from 'ts-mls/welcome.js'
import { equalBytes, HearsayError } from '../../base/index.ts'
import { signKeyPairFromSeed, wipe } from '../../crypto/index.ts'
import { CLIENT_CONFIG, type Psk, pskIndex } from './config.ts'
import { MAILBOX_ROOT_EXTENSION, MLS_HASH_BYTES, OWNER_LEAF } from './constants.ts'
import type { LeafSecrets } from './key-package.ts'
import { type Leaf, readTree } from './leaf.ts'
import { reject, requireThat } from './reject.ts'
import { encodeState, wipeState } from './state.ts'
import type { MlsSuite } from './suite.ts'

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
  const proposals = proposalsOf(suite, content).map((proposal) => ({
    proposalOrRefType: 'proposal' as const,
    proposal,
  }))
  // As if received: the sender's variant would compare lifetimes with Date.now.
  const applied = await applyProposals(state, proposals, OWNER, pskIndex(content.psk), false, suite)
  if (applied.additionalResult.kind !== 'memberCommit') throw new HearsayError('bug', 'commit kind')
  const added = applied.additionalResult.addedLeafNodes
  const seed = content.newLeaf?.signatureSeed ?? state.signaturePrivateKey
  const tree =
    content.newLeaf === undefined ? applied.tree : withNewOwner(applied.tree, content.newLeaf)
  // Alone in the tree the path is empty and the library's commit secret is zero: who was just removed could
  // compute the next epoch from its old init secret.
  requireThat(
    tree.some((node, i) => i > 0 && node?.nodeType === 'leaf'),
    'last-member',
  )

  const [newTree, path, pathSecrets] = await createUpdatePath(
    tree,
    OWNER,
    state.groupContext,
    seed,
    suite,
    added.map(([leafIndex]) => leafToNodeIndex(leafIndex)),
  )
  const leaves = readTree(newTree, state.groupContext.epoch + 1n)
  const top = pathSecrets.at(-1)
  if (top === undefined) throw new HearsayError('bug', 'empty path')
  const commitSecret = await getCommitSecret(
    newTree,
    toNodeIndex(top.nodeIndex),
    top.secret,
    suite.kdf,
  )
  // Members know the old key: the commit is signed with it, the new leaf and the GroupInfo with the new one.
  const { framedContent, signature } = await createContentCommitSignature(
    state.groupContext,
    'mls_public_message',
    { proposals, path },
    { senderType: 'member', leafIndex: OWNER_LEAF },
    NO_DATA,
    state.signaturePrivateKey,
    suite.signature,
  )
  const groupContext = await nextEpochContext(
    state.groupContext,
    'mls_public_message',
    framedContent,
    signature,
    await treeHashRoot(newTree, suite.hash),
    state.confirmationTag,
    suite.hash,
  )
  const epoch = await initializeEpoch(
    state.keySchedule.initSecret,
    commitSecret,
    groupContext,
    applied.pskSecret,
    suite.kdf,
  )
  const confirmationTag = await createConfirmationTag(
    epoch.keySchedule.confirmationKey,
    groupContext.confirmedTranscriptHash,
    suite.hash,
  )
  const publicMessage = await protectPublicMessage(
    state.keySchedule.membershipKey,
    state.groupContext,
    {
      wireformat: 'mls_public_message',
      content: framedContent,
      auth: { contentType: 'commit', signature, confirmationTag },
    },
    suite,
  )
  const welcome =
    added.length === 0
      ? undefined
      : await writeWelcome(suite, {
          added,
          tree: newTree,
          pathSecrets,
          joinerSecret: epoch.joinerSecret,
          welcomeSecret: epoch.welcomeSecret,
          psks: applied.pskIds,
          groupInfo: await signGroupInfo(
            {
              groupContext,
              extensions: [
                { extensionType: 'ratchet_tree', extensionData: encodeRatchetTree(newTree) },
              ],
              confirmationTag,
              signer: OWNER_LEAF,
            },
            seed,
            suite.signature,
          ),
        })
  const next: ClientState = {
    groupContext,
    keySchedule: epoch.keySchedule,
    secretTree: [],
    ratchetTree: newTree,
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
  wipe(commitSecret, epoch.joinerSecret, epoch.welcomeSecret, epoch.encryptionSecret)
  wipe(...pathSecrets.map((step) => step.secret))
  const commit = encodeMlsMessage({
    version: 'mls10',
    wireformat: 'mls_public_message',
    publicMessage,
  })
  return { state: bytes, commit, welcome, leaves }
}

interface WelcomeParts {
  readonly added: readonly (readonly [ReturnType<typeof toLeafIndex>, KeyPackage])[]
  readonly tree: RatchetTree
  readonly pathSecrets: readonly PathSecret[]
  readonly joinerSecret: Uint8Array
  readonly welcomeSecret: Uint8Array
  readonly psks: Parameters<typeof encryptGroupSecrets>[2]['psks']
  readonly groupInfo: GroupInfo
}

/** One Welcome (RFC 9420 §12.4.3.1) for all added leaves, the ratchet tree inside. */
async function writeWelcome(suite: MlsSuite, parts: WelcomeParts): Promise<Uint8Array> {
  const encryptedGroupInfo = await encryptGroupInfo(parts.groupInfo, parts.welcomeSecret, suite)
  const secrets = []
  for (const [leafIndex, keyPackage] of parts.added) {
    const ancestor = firstCommonAncestor(parts.tree, leafIndex, OWNER)
    const pathSecret = parts.pathSecrets.find((step) => step.nodeIndex === ancestor)?.secret
    if (pathSecret === undefined) throw new HearsayError('bug', 'no path secret for a new leaf')
    const sealed = await encryptGroupSecrets(
      await suite.hpke.importPublicKey(keyPackage.initKey),
      encryptedGroupInfo,
      { joinerSecret: parts.joinerSecret, pathSecret, psks: parts.psks },
      suite.hpke,
    )
    secrets.push({
      newMember: await makeKeyPackageRef(keyPackage, suite.hash),
      encryptedGroupSecrets: { kemOutput: sealed.enc, ciphertext: sealed.ct },
    })
  }
  return encodeMlsMessage({
    version: 'mls10',
    wireformat: 'mls_welcome',
    welcome: { cipherSuite: parts.groupInfo.groupContext.cipherSuite, secrets, encryptedGroupInfo },
  })
}
