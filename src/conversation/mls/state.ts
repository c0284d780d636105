import { type ClientState, decodeGroupState, encodeGroupState, type KeySchedule } from 'ts-mls'
import { concat, equalBytes } from '../../base/index.ts'
import { wipe } from '../../crypto/index.ts'
import { decodeStrictly } from './codec.ts'
import { CLIENT_CONFIG } from './config.ts'
import { MAX_STATE_BYTES, MLS_CIPHER_SUITE, OWNER_LEAF, STATE_VERSION } from './constants.ts'
import { refusing, requireThat } from './reject.ts'
import type { MlsSuite } from './suite.ts'

const NONE = new Uint8Array()

/**
 * Runs `work` on a decoded state and wipes the decoded bytes afterwards, whatever happens.
 * State: `version 1 | GroupState` (SPEC §5). @throws HearsayError `mls-rejected` `bad-state`.
 */
export async function withState<T>(
  bytes: Uint8Array,
  work: (state: ClientState) => Promise<T>,
): Promise<T> {
  requireThat(bytes instanceof Uint8Array && bytes.length <= MAX_STATE_BYTES, 'bad-state')
  requireThat(bytes[0] === STATE_VERSION, 'bad-state')
  // The decoder's values are views of this copy, so one wipe clears every secret that it found.
  const copy = bytes.slice(1)
  try {
    const state = decodeStrictly(copy, decodeGroupState, encodeGroupState, 'bad-state')
    requireThat(
      state.groupContext.cipherSuite === MLS_CIPHER_SUITE &&
        state.groupActiveState.kind === 'active' &&
        state.historicalReceiverData.size === 0 &&
        state.secretTree.length === 0 &&
        Object.keys(state.unappliedProposals).length === 0,
      'bad-state',
    )
    return await work({ ...state, clientConfig: CLIENT_CONFIG })
  } finally {
    wipe(copy)
  }
}

/**
 * What is kept of a state: nothing that the narrow use does not need. No former epochs, no secret tree
 * (application and private messages do not exist here), of the key schedule only what the next commit, the
 * one export and the check of authenticators need; the owner, who never decrypts a path, keeps no HPKE key.
 */
export function encodeState(state: ClientState): Uint8Array {
  const { keySchedule, privatePath } = state
  const kept: KeySchedule = {
    initSecret: keySchedule.initSecret,
    membershipKey: keySchedule.membershipKey,
    exporterSecret: keySchedule.exporterSecret,
    epochAuthenticator: keySchedule.epochAuthenticator,
    senderDataSecret: NONE,
    externalSecret: NONE,
    confirmationKey: NONE,
    resumptionPsk: NONE,
  }
  const privateKeys: Record<number, Uint8Array> = {}
  if (privatePath.leafIndex !== OWNER_LEAF) {
    for (const [index, key] of Object.entries(privatePath.privateKeys)) {
      // Keys of nodes that were blanked would decrypt nothing but recorded commits.
      if (state.ratchetTree[Number(index)] !== undefined) privateKeys[Number(index)] = key
    }
  }
  const body = encodeGroupState({
    groupContext: state.groupContext,
    keySchedule: kept,
    secretTree: [],
    ratchetTree: state.ratchetTree,
    privatePath: { leafIndex: privatePath.leafIndex, privateKeys },
    signaturePrivateKey: state.signaturePrivateKey,
    unappliedProposals: {},
    confirmationTag: state.confirmationTag,
    historicalReceiverData: new Map(),
    groupActiveState: { kind: 'active' },
  })
  const bytes = concat(Uint8Array.of(STATE_VERSION), body)
  wipe(body)
  return bytes
}

/** Wipes the secrets of a state object that the library made. Former states keep theirs: wipe those too. */
export function wipeState(state: ClientState): void {
  wipe(...Object.values(state.keySchedule), ...Object.values(state.privatePath.privateKeys))
  for (const node of state.secretTree) {
    if (node !== undefined) wipe(node.application.secret, node.handshake.secret)
  }
}

/**
 * Every private key belongs to the public key in the tree (RFC 9420 §12.4.2; the library does not look). A
 * mismatch would surface epochs later as a commit that this device alone cannot read.
 */
export async function checkPathKeys(suite: MlsSuite, state: ClientState): Promise<void> {
  for (const [index, privateKey] of Object.entries(state.privatePath.privateKeys)) {
    const node = state.ratchetTree[Number(index)]
    if (node === undefined) continue
    const expected = node.nodeType === 'leaf' ? node.leaf.hpkePublicKey : node.parent.hpkePublicKey
    const actual = await refusing('path-mismatch', () => suite.publicKeyOf(privateKey))
    requireThat(equalBytes(actual, expected), 'path-mismatch')
  }
}
