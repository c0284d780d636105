import {
  type ClientState,
  type Commit,
  type KeyPackage,
  processPublicMessage,
  type ProposalOrRef,
  type PublicMessage,
} from 'ts-mls'
import { unprotectPublicMessage } from 'ts-mls/messageProtectionPublic.js'
import { equalBytes } from '../../base/index.ts'
import { decodeMessage } from './codec.ts'
import { type Psk, pskIndex } from './config.ts'
import { MAX_COMMIT_BYTES, MAX_GROUP_LEAVES, MLS_HASH_BYTES, OWNER_LEAF } from './constants.ts'
import { checkKeyPackage } from './key-package.ts'
import { checkMembers, type ExpectedMembers, type Leaf, readLeaf, readTree } from './leaf.ts'
import { refusing, reject, requireThat } from './reject.ts'
import { checkPathKeys, encodeState, wipeState } from './state.ts'
import type { MlsSuite } from './suite.ts'

/** A commit that is signed by the owner and of the only allowed form; not yet applied. */
export interface OpenCommit {
  readonly message: PublicMessage
  readonly owner: Leaf
  readonly added: Leaf[]
  readonly removed: number[]
  readonly pskId: Uint8Array | undefined
}

interface Proposals {
  readonly add: KeyPackage[]
  readonly remove: number[]
  pskId: Uint8Array | undefined
}

/** Sorts the proposals of a commit. Only Add, Remove and one external PSK, all by value. */
function readProposals(list: readonly ProposalOrRef[]): Proposals {
  // At most: all others removed, as many added, one PSK. The library's lists are quadratic.
  requireThat(list.length < 2 * MAX_GROUP_LEAVES, 'too-many-leaves')
  const out: Proposals = { add: [], remove: [], pskId: undefined }
  for (const item of list) {
    if (item.proposalOrRefType !== 'proposal') return reject('proposal-by-reference')
    const { proposal } = item
    if (proposal.proposalType === 'add') {
      out.add.push(proposal.add.keyPackage)
    } else if (proposal.proposalType === 'remove') {
      const { removed } = proposal.remove
      requireThat(removed !== OWNER_LEAF && !out.remove.includes(removed), 'proposal-target')
      out.remove.push(removed)
    } else if (proposal.proposalType === 'psk') {
      const id = proposal.psk.preSharedKeyId
      requireThat(id.psktype === 'external' && out.pskId === undefined, 'proposal-type')
      requireThat(id.pskNonce.length === MLS_HASH_BYTES, 'proposal-type')
      out.pskId = id.pskId.slice()
    } else {
      return reject('proposal-type')
    }
  }
  requireThat(out.add.length < MAX_GROUP_LEAVES, 'too-many-leaves')
  return out
}

/** Group, epoch, content type, sender and form, before any cryptography. */
function readContent(state: ClientState, message: PublicMessage): Commit {
  const { content } = message
  requireThat(equalBytes(content.groupId, state.groupContext.groupId), 'foreign-group')
  requireThat(content.contentType === 'commit', 'not-a-commit')
  requireThat(content.sender.senderType === 'member', 'external-sender')
  requireThat(content.sender.leafIndex === OWNER_LEAF, 'not-owner')
  requireThat(content.epoch >= state.groupContext.epoch, 'stale-epoch')
  requireThat(content.epoch <= state.groupContext.epoch, 'future-epoch')
  requireThat(content.authenticatedData.length === 0, 'unexpected-data')
  return content.commit
}

/** Decodes and authenticates a commit for this state. @throws HearsayError `mls-rejected`. */
export async function openCommit(
  suite: MlsSuite,
  state: ClientState,
  bytes: Uint8Array,
): Promise<OpenCommit> {
  requireThat(state.privatePath.leafIndex !== OWNER_LEAF, 'own-group')
  const decoded = decodeMessage(bytes, MAX_COMMIT_BYTES)
  requireThat(decoded.wireformat === 'mls_public_message', 'wrong-message')
  const message = decoded.publicMessage
  const commit = readContent(state, message)
  const proposals = readProposals(commit.proposals)
  const { path } = commit
  if (path === undefined) return reject('no-path')
  const owner = readLeaf(path.leafNode, OWNER_LEAF)
  for (const index of proposals.remove) {
    requireThat(state.ratchetTree[2 * index]?.nodeType === 'leaf', 'proposal-target')
  }
  await refusing('bad-signature', () =>
    unprotectPublicMessage(
      state.keySchedule.membershipKey,
      state.groupContext,
      state.ratchetTree,
      message,
      suite,
    ),
  )
  const added: Leaf[] = []
  for (const keyPackage of proposals.add) added.push(await checkKeyPackage(suite, keyPackage))
  return { message, owner, added, removed: proposals.remove, pskId: proposals.pskId }
}

/** A PSK is used exactly when the message names the one that the caller expects. */
export function checkPskUse(named: Uint8Array | undefined, psk: Psk | undefined): void {
  requireThat(named === undefined || psk !== undefined, 'psk-missing')
  requireThat(
    psk === undefined || (named !== undefined && equalBytes(named, psk.id)),
    'psk-unexpected',
  )
}

export type AppliedCommit =
  | { readonly kind: 'advanced'; readonly state: Uint8Array; readonly leaves: Leaf[] }
  | { readonly kind: 'removed' }

/**
 * Applies an open commit. `removed`: the owner took this device's leaf out (even when another leaf now has
 * its index, which the library does not notice); the state cannot be used further.
 */
export async function applyCommit(
  suite: MlsSuite,
  state: ClientState,
  open: OpenCommit,
  psk: Psk | undefined,
  expect: ExpectedMembers,
): Promise<AppliedCommit> {
  checkPskUse(open.pskId, psk)
  if (open.removed.includes(state.privatePath.leafIndex)) return { kind: 'removed' }
  const { newState } = await refusing('library', () =>
    processPublicMessage(state, open.message, pskIndex(psk), suite),
  )
  try {
    requireThat(newState.groupContext.epoch === state.groupContext.epoch + 1n, 'library')
    requireThat(newState.groupContext.extensions.length === 0, 'bad-extension')
    const leaves = readTree(newState.ratchetTree, newState.groupContext.epoch)
    checkMembers(leaves, expect)
    await checkPathKeys(suite, newState)
    return { kind: 'advanced', state: encodeState(newState), leaves }
  } finally {
    wipeState(newState)
  }
}
