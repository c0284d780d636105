/**
 * Pins what ts-mls 1.6.4 does and the adapter works around. A test that fails after an upgrade says that a
 * workaround may go, not that something is broken.
 */
import {
  type ClientState,
  createCommit,
  createGroup,
  decodeMlsMessage,
  joinGroup,
  mlsExporter,
  processPublicMessage,
  type Proposal,
} from 'ts-mls'
import { initializeEpoch } from 'ts-mls/keySchedule.js'
import { beforeAll, describe, expect, it } from 'vitest'
import { u32be } from '../../../src/base/index.ts'
import { CLIENT_CONFIG, pskIndex } from '../../../src/conversation/mls/config.ts'
import { STREAM_EXPORTER_LABEL } from '../../../src/conversation/mls/constants.ts'
import { makeKeyPackage } from '../../../src/conversation/mls/key-package.ts'
import type { MlsSuite } from '../../../src/conversation/mls/suite.ts'
import { device, GROUP_ID, raw, TestGroup } from './mls-fixture.ts'

const group = new TestGroup(3)
const NO_PSK = pskIndex(undefined)
let suite: MlsSuite
let owner: ClientState
let member: ClientState

/** The library compares with the real clock where it compares at all. */
function packageOf(n: number) {
  const now = Math.floor(Date.now() / 1000)
  return makeKeyPackage(suite, device(n).secrets, { notBefore: now - 60, notAfter: now + 3600 })
}

function commit(state: ClientState, proposals: Proposal[]) {
  const options = { wireAsPublicMessage: true, ratchetTreeExtension: true }
  return createCommit({ state, cipherSuite: suite }, { ...options, extraProposals: proposals })
}

beforeAll(async () => {
  suite = await group.suite()
  const first = await packageOf(0)
  const second = await packageOf(1)
  const empty = await createGroup(
    GROUP_ID,
    first.publicPackage,
    first.privatePackage,
    [],
    suite,
    CLIENT_CONFIG,
  )
  const add: Proposal = { proposalType: 'add', add: { keyPackage: second.publicPackage } }
  const made = await commit(empty, [add])
  owner = made.newState
  member = await joinGroup(
    made.welcome!,
    second.publicPackage,
    second.privatePackage,
    NO_PSK,
    suite,
    undefined,
    undefined,
    CLIENT_CONFIG,
  )
})

describe('the library', () => {
  it('keeps every former epoch when told to keep none', async () => {
    expect(CLIENT_CONFIG.keyRetentionConfig.retainKeysForEpochs).toBe(0)
    const once = await commit(owner, [])
    const twice = await commit(once.newState, [])
    expect([...twice.newState.historicalReceiverData.keys()]).toEqual([0n, 1n, 2n])
  })

  it('commits an Add without a path', async () => {
    const { publicPackage } = await packageOf(2)
    const add: Proposal = { proposalType: 'add', add: { keyPackage: publicPackage } }
    const made = await commit(owner, [add])
    if (made.commit.wireformat !== 'mls_public_message') throw new Error('format')
    const { content } = made.commit.publicMessage
    if (content.contentType !== 'commit') throw new Error('content')
    expect(content.commit.path).toBeUndefined()
  })

  it('lets the last removed member compute the next epoch', async () => {
    const made = await commit(owner, [{ proposalType: 'remove', remove: { removed: 1 } }])
    const next = made.newState
    const zero = new Uint8Array(64)
    const guess = await initializeEpoch(
      member.keySchedule.initSecret,
      zero,
      next.groupContext,
      zero,
      suite.kdf,
    )
    expect(guess.keySchedule.exporterSecret).toEqual(next.keySchedule.exporterSecret)
  })

  it('does not notice the removal of its own leaf when another takes the index', async () => {
    const { publicPackage } = await packageOf(2)
    const made = await commit(owner, [
      { proposalType: 'remove', remove: { removed: 1 } },
      { proposalType: 'add', add: { keyPackage: publicPackage } },
    ])
    if (made.commit.wireformat !== 'mls_public_message') throw new Error('format')
    const { publicMessage } = made.commit
    await expect(processPublicMessage(member, publicMessage, NO_PSK, suite)).rejects.toThrow(
      'No overlap between provided private keys and update path',
    )
  })

  it('reads what the adapter writes, and derives the same secrets by itself', async () => {
    const send = await TestGroup.of(2)
    const state = raw(send.members[0]!.state)
    const done = await send.mls.refresh({ state: send.owner.state, newLeaf: device(9).secrets })
    const message = decodeMlsMessage(done.commit, 0)?.[0]
    if (message?.wireformat !== 'mls_public_message') throw new Error('format')
    const { newState } = await processPublicMessage(state, message.publicMessage, NO_PSK, suite)
    const out = await send.mls.exportStream({ state: done.state })
    const { exporterSecret, epochAuthenticator } = newState.keySchedule
    const label = STREAM_EXPORTER_LABEL
    expect(await mlsExporter(exporterSecret, label, u32be(0), 32, suite)).toEqual(out.streamSecret)
    expect(epochAuthenticator).toEqual(out.epochAuthenticator)
  })
})
