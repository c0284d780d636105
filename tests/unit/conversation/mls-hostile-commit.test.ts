import {
  type ClientState,
  createApplicationMessage,
  createCommit,
  createGroup,
  createProposal,
  createGroupInfoWithExternalPubAndRatchetTree,
  encodeMlsMessage,
  joinGroupExternal,
  type MLSMessage,
  type Proposal,
  proposeAddExternal,
  processMessage,
  acceptAll,
} from 'ts-mls'
import { beforeAll, describe, expect, it } from 'vitest'
import { CLIENT_CONFIG, pskIndex } from '../../../src/conversation/mls/config.ts'
import { type LeafSecrets } from '../../../src/conversation/mls/index.ts'
import { makeKeyPackage } from '../../../src/conversation/mls/key-package.ts'
import type { MlsSuite } from '../../../src/conversation/mls/suite.ts'
import { writeCommit } from '../../../src/conversation/mls/write-commit.ts'
import { device, GROUP_ID, LIFETIME, PSK, raw, reasonOf, TestGroup } from './mls-fixture.ts'

/** Every attack is made with the raw library and the real secrets of the attacker's leaf. */
let group: TestGroup
let suite: MlsSuite
const secretsOf = (n: number): LeafSecrets => device(n).secrets
const packageOf = (n: number) => makeKeyPackage(suite, secretsOf(n), LIFETIME)

beforeAll(async () => {
  group = await TestGroup.of(4)
  suite = await group.suite()
})

async function rawCommit(state: ClientState, proposals: Proposal[], data?: Uint8Array) {
  const made = await createCommit(
    { state, cipherSuite: suite, pskIndex: pskIndex(PSK) },
    {
      wireAsPublicMessage: true,
      extraProposals: proposals,
      ...(data === undefined ? {} : { authenticatedData: data }),
    },
  )
  return encodeMlsMessage(made.commit)
}

const publicBytes = (message: MLSMessage) => encodeMlsMessage(message)

describe('a member refuses', () => {
  it('accepts, for comparison, an honest commit that the raw library made', async () => {
    expect(await group.refusal(await rawCommit(raw(group.owner.state), []))).toBe('accepted')
  })

  it('a commit of another member', async () => {
    const attacker = raw(group.members[1]!.state)
    expect(await group.refusal(await rawCommit(attacker, []))).toBe('not-owner')
    const removal: Proposal = { proposalType: 'remove', remove: { removed: 1 } }
    expect(await group.refusal(await rawCommit(attacker, [removal]))).toBe('not-owner')
  })

  it('a commit of another member that claims leaf 0', async () => {
    const attacker = raw(group.members[1]!.state)
    const posing = { ...attacker, privatePath: { leafIndex: 0, privateKeys: {} } }
    expect(await group.refusal(await rawCommit(posing, []))).toBe('bad-signature')
    const forged = await writeCommit(suite, posing, { remove: [2], add: [] })
    expect(await group.refusal(forged.commit)).toBe('bad-signature')
  })

  it('a standalone proposal, whoever sends it', async () => {
    const removal: Proposal = { proposalType: 'remove', remove: { removed: 1 } }
    for (const party of [group.owner, group.members[1]!]) {
      const { message } = await createProposal(raw(party.state), true, removal, suite)
      expect(await group.refusal(publicBytes(message))).toBe('not-a-commit')
    }
  })

  it("a commit of the owner that takes over others' proposals by reference", async () => {
    const removal: Proposal = { proposalType: 'remove', remove: { removed: 3 } }
    const proposed = await createProposal(raw(group.members[1]!.state), true, removal, suite)
    if (proposed.message.wireformat !== 'mls_public_message') throw new Error('format')
    const owner = raw(group.owner.state)
    const held = await processMessage(
      proposed.message,
      owner,
      pskIndex(undefined),
      acceptAll,
      suite,
    )
    if (held.kind !== 'newState') throw new Error('kind')
    expect(await group.refusal(await rawCommit(held.newState, []))).toBe('proposal-by-reference')
  })

  it('external proposals and external commits', async () => {
    const owner = raw(group.owner.state)
    const withExternal = {
      ...owner,
      keySchedule: { ...owner.keySchedule, externalSecret: group.rng.bytes(64) },
    }
    const info = await createGroupInfoWithExternalPubAndRatchetTree(withExternal, [], suite)
    const stranger = await packageOf(40)
    const { publicPackage, privatePackage } = stranger
    const proposal = await proposeAddExternal(info, publicPackage, privatePackage, suite)
    expect(await group.refusal(publicBytes(proposal))).toBe('not-a-commit')
    const joined = await joinGroupExternal(
      info,
      publicPackage,
      privatePackage,
      false,
      suite,
      undefined,
      CLIENT_CONFIG,
    )
    const commit = encodeMlsMessage({
      version: 'mls10',
      wireformat: 'mls_public_message',
      publicMessage: joined.publicMessage,
    })
    expect(await group.refusal(commit)).toBe('external-sender')
  })

  it('application messages and everything else in a PrivateMessage', async () => {
    const { publicPackage, privatePackage } = await packageOf(0)
    const state = await createGroup(GROUP_ID, publicPackage, privatePackage, [], suite)
    const text = await createApplicationMessage(state, Uint8Array.of(1), suite)
    const { privateMessage } = text
    const message: MLSMessage = {
      version: 'mls10',
      wireformat: 'mls_private_message',
      privateMessage,
    }
    expect(await group.refusal(encodeMlsMessage(message))).toBe('wrong-message')
    const commit = await createCommit({ state, cipherSuite: suite })
    expect(await group.refusal(encodeMlsMessage(commit.commit))).toBe('wrong-message')
  })

  it('other kinds of message', async () => {
    const own = await group.keyPackage(device(41))
    expect(await group.refusal(own.keyPackage)).toBe('wrong-message')
  })

  it('a commit without path', async () => {
    // The raw library compares lifetimes with the real clock.
    const now = Math.floor(Date.now() / 1000)
    const lifetime = { notBefore: now - 60, notAfter: now + 3600 }
    const keyPackage = (await makeKeyPackage(suite, secretsOf(42), lifetime)).publicPackage
    const add: Proposal = { proposalType: 'add', add: { keyPackage } }
    const owner = raw(group.owner.state)
    expect(await group.refusal(await rawCommit(owner, [add]))).toBe('no-path')
    const psk: Proposal = {
      proposalType: 'psk',
      psk: {
        preSharedKeyId: { psktype: 'external', pskId: PSK.id, pskNonce: group.rng.bytes(64) },
      },
    }
    expect(await group.refusal(await rawCommit(owner, [psk]))).toBe('no-path')
  })

  it('proposals that a send group has no use for', async () => {
    const owner = raw(group.owner.state)
    const extensions: Proposal = {
      proposalType: 'group_context_extensions',
      groupContextExtensions: { extensions: [{ extensionType: 0xf000, extensionData: PSK.id }] },
    }
    const reinit: Proposal = {
      proposalType: 'reinit',
      reinit: {
        groupId: GROUP_ID,
        version: 'mls10',
        cipherSuite: owner.groupContext.cipherSuite,
        extensions: [],
      },
    }
    const custom: Proposal = { proposalType: 0xf123, proposalData: PSK.id }
    const leafs = owner.ratchetTree.map((node) =>
      node?.nodeType === 'leaf'
        ? {
            ...node,
            leaf: {
              ...node.leaf,
              capabilities: { ...node.leaf.capabilities, extensions: [0xf000, 0xf4b1] },
            },
          }
        : node,
    )
    for (const proposal of [extensions, reinit, custom]) {
      const bytes = await rawCommit({ ...owner, ratchetTree: leafs }, [proposal])
      expect(await group.refusal(bytes)).toBe('proposal-type')
    }
  })

  it('two PSKs, a resumption PSK and a PSK nonce of another length', async () => {
    const owner = raw(group.owner.state)
    const id = (pskId: Uint8Array, nonce = 64): Proposal => ({
      proposalType: 'psk',
      psk: { preSharedKeyId: { psktype: 'external', pskId, pskNonce: group.rng.bytes(nonce) } },
    })
    const resumption: Proposal = {
      proposalType: 'psk',
      psk: {
        preSharedKeyId: {
          psktype: 'resumption',
          usage: 'application',
          pskGroupId: GROUP_ID,
          pskEpoch: 1n,
          pskNonce: group.rng.bytes(64),
        },
      },
    }
    const any = { findPsk: () => PSK.secret }
    for (const list of [[id(PSK.id), id(GROUP_ID)], [resumption], [id(PSK.id, 8)]]) {
      const made = await createCommit(
        { state: owner, cipherSuite: suite, pskIndex: any },
        { wireAsPublicMessage: true, extraProposals: list },
      )
      expect(await group.refusal(encodeMlsMessage(made.commit))).toBe('proposal-type')
    }
  })

  it('authenticated data, which nobody reads', async () => {
    const bytes = await rawCommit(raw(group.owner.state), [], Uint8Array.of(1))
    expect(await group.refusal(bytes)).toBe('unexpected-data')
  })

  it('a ghost: a leaf that is not in the roster', async () => {
    const own = await group.keyPackage(device(43))
    const { state } = group.owner
    const done = await group.mls.addMembers({ state, keyPackages: [own.keyPackage] })
    expect(await group.refusal(done.commit)).toBe('not-in-roster')
    expect(await group.refusal(done.commit, group.expect(device(43)))).toBe('accepted')
    // The same signature key with another credential or mailbox root is somebody else.
    for (const field of ['credential', 'mailboxRoot', 'signatureKey'] as const) {
      const similar = device(43)
      const identity = { ...similar.identity, [field]: device(44).identity[field] }
      const expected = group.expect({ ...similar, identity })
      expect(await group.refusal(done.commit, expected)).toBe('not-in-roster')
    }
  })

  it('a member who is no longer in the roster, on a commit that does not remove it', async () => {
    const done = await group.mls.refresh({ state: group.owner.state })
    const expected = group.expect()
    expect(
      await group.refusal(done.commit, { ...expected, roster: expected.roster.slice(0, -1) }),
    ).toBe('not-in-roster')
  })

  it('an owner whose new key the caller does not expect', async () => {
    const done = await group.mls.refresh({ state: group.owner.state, newLeaf: secretsOf(45) })
    expect(await group.refusal(done.commit)).toBe('wrong-owner')
    expect(await group.refusal(done.commit, group.expect(device(45)))).toBe('wrong-owner')
  })

  it('a commit of another group', async () => {
    const other = new TestGroup(7)
    const made = await other.mls.createSendGroup({
      groupId: new Uint8Array(32).fill(9),
      owner: secretsOf(0),
    })
    const own = await other.keyPackage(device(1))
    const done = await other.mls.addMembers({
      state: made.state,
      keyPackages: [own.keyPackage],
    })
    expect(await group.refusal(done.commit)).toBe('foreign-group')
  })

  it('the same commit twice, and one that comes too early', async () => {
    const first = await group.mls.refresh({ state: group.owner.state })
    const second = await group.mls.refresh({ state: first.state })
    expect(await group.refusal(second.commit)).toBe('future-epoch')
    const { state } = group.members[0]!
    const done = await group.mls.processCommit({
      state,
      commit: first.commit,
      expect: group.expect(),
    })
    if (done.kind !== 'advanced') throw new Error('removed')
    const again = { state: done.state, commit: first.commit, expect: group.expect() }
    expect(await reasonOf(group.mls.processCommit(again))).toBe('stale-epoch')
  })

  it("its own group's commits when it is the owner", async () => {
    const { state } = group.owner
    const { commit } = await group.mls.refresh({ state })
    const input = { state, commit, expect: group.expect() }
    expect(await reasonOf(group.mls.processCommit(input))).toBe('own-group')
  })

  it('a path whose nodes do not follow from its secrets', async () => {
    // The hostile owner announces keys of which nobody can have the private half.
    let calls = 0
    const hostile: MlsSuite = {
      ...suite,
      hpke: {
        ...suite.hpke,
        deriveKeyPair: (ikm) =>
          ++calls === 2 ? suite.hpke.generateKeyPair() : suite.hpke.deriveKeyPair(ikm),
      },
    }
    const forged = await writeCommit(hostile, raw(group.owner.state), { remove: [], add: [] })
    expect(calls).toBeGreaterThan(2)
    expect(await group.refusal(forged.commit)).toBe('path-mismatch')
  })

  it('an added leaf with a key that the tree has already', async () => {
    const owner = raw(group.owner.state)
    const made = await packageOf(46)
    const taken = owner.ratchetTree[2]
    if (taken?.nodeType !== 'leaf') throw new Error('leaf')
    // A key package with the HPKE key of leaf 1, signed by its maker like any other.
    let exported = 0
    const copied: MlsSuite = {
      ...suite,
      hpke: {
        ...suite.hpke,
        exportPublicKey: async (key) =>
          exported++ === 0 ? taken.leaf.hpkePublicKey : suite.hpke.exportPublicKey(key),
      },
    }
    const other = await makeKeyPackage(copied, secretsOf(46), LIFETIME)
    const bytes = (keyPackage: typeof made.publicPackage) =>
      encodeMlsMessage({ version: 'mls10', wireformat: 'mls_key_package', keyPackage })
    const { state } = group.owner
    expect(
      await reasonOf(group.mls.addMembers({ state, keyPackages: [bytes(other.publicPackage)] })),
    ).toBe('duplicate-key')
    // Signature key and mailbox root of leaf 1, as a ghost that hides behind a known device.
    const twin = await makeKeyPackage(suite, secretsOf(1), LIFETIME)
    const twice = [bytes(made.publicPackage), bytes(made.publicPackage)]
    for (const keyPackages of [[bytes(twin.publicPackage)], twice]) {
      expect(await reasonOf(group.mls.addMembers({ state, keyPackages }))).not.toBe('accepted')
    }
  })
})
