import { type ClientState, createGroup, mlsExporter } from 'ts-mls'
import { type Clock, concat, equalBytes, HearsayError, type Rng, u32be } from '../../base/index.ts'
import { wipe } from '../../crypto/index.ts'
import { CLIENT_CONFIG, checkPsk, type Psk } from './config.ts'
import {
  GROUP_ID_BYTES,
  MAX_GROUP_LEAVES,
  OWNER_LEAF,
  SIGNATURE_KEY_BYTES,
  STREAM_EXPORTER_LABEL,
  STREAM_SECRET_BYTES,
} from './constants.ts'
import { enterGroup, openWelcome } from './join.ts'
import {
  checkLeafSecrets,
  type GeneratedKeyPackage,
  generateKeyPackage,
  makeKeyPackage,
  openKeyPackage,
  openKeyPackageSecret,
  type OwnKeyPackage,
} from './key-package.ts'
import { checkMembers, type ExpectedMembers, type Leaf, readTree } from './leaf.ts'
import { applyCommit, openCommit } from './read-commit.ts'
import { needBytes, refusing, reject, requireThat } from './reject.ts'
import { encodeState, wipeState, withState } from './state.ts'
import { createSuite, type MlsSuite } from './suite.ts'
import type {
  AddMembersInput,
  CommitPreview,
  Committed,
  CommittedWithWelcome,
  CreateSendGroupInput,
  ExportedStream,
  GenerateKeyPackageInput,
  GroupView,
  Joined,
  JoinInput,
  KeyPackageView,
  ProcessCommitInput,
  ProcessedCommit,
  ReadWelcomeInput,
  RefreshInput,
  RemoveMemberInput,
  ReplaceMemberInput,
  WelcomePreview,
} from './types.ts'
import { type CommitContent, writeCommit } from './write-commit.ts'

export interface MlsPorts {
  readonly rng: Rng
  readonly clock: Pick<Clock, 'now'>
}

/**
 * The narrow use of MLS (RFC 9420) that a send group needs; SPEC.md says what is refused and why. It holds
 * no group: states go in and come out as bytes, so every call may run in a worker, and a crash between two
 * calls loses nothing that was not stored. A call never changes its arguments.
 *
 * Every method rejects with HearsayError only: `mls-rejected` with `details.reason` for anything that a peer
 * or a stale state can cause, `bug` for arguments of impossible length.
 */
export class MlsAdapter {
  readonly #rng: Rng
  readonly #clock: Pick<Clock, 'now'>
  #suite: Promise<MlsSuite> | undefined

  constructor(ports: MlsPorts) {
    this.#rng = ports.rng
    this.#clock = ports.clock
  }

  /** Whatever escapes our own checks is a fault of ours: nothing but HearsayError leaves the adapter. */
  async #with<T>(work: (suite: MlsSuite) => Promise<T>): Promise<T> {
    try {
      this.#suite ??= createSuite(this.#rng)
      return await work(await this.#suite)
    } catch (error) {
      if (error instanceof HearsayError) throw error
      throw new HearsayError('bug', 'the MLS adapter failed', {}, error)
    }
  }

  /** A fresh leaf with its keys, for one writer's group. The lifetime is at most 30 days. */
  generateKeyPackage(input: GenerateKeyPackageInput): Promise<GeneratedKeyPackage> {
    return this.#with((suite) => generateKeyPackage(suite, input, input.lifetime))
  }

  /** Checks another device's key package, form and lifetime, without using it. */
  readKeyPackage(input: { keyPackage: Uint8Array }): Promise<KeyPackageView> {
    return this.#with(async (suite) => {
      const open = await openKeyPackage(suite, this.#clock, input.keyPackage)
      const { notBefore, notAfter } = open.keyPackage.leafNode.lifetime
      return {
        leaf: open.leaf,
        keyPackageRef: open.ref,
        lifetime: { notBefore: Number(notBefore), notAfter: Number(notAfter) },
      }
    })
  }

  /** A group at epoch 0 with the owner alone, at leaf 0. It can only be added to. */
  createSendGroup(input: CreateSendGroupInput): Promise<{ state: Uint8Array }> {
    return this.#with(async (suite) => {
      needBytes('groupId', input.groupId, GROUP_ID_BYTES, GROUP_ID_BYTES)
      const now = Math.floor(this.#clock.now() / 1000)
      const made = await makeKeyPackage(suite, input.owner, { notBefore: now, notAfter: now })
      const { publicPackage, privatePackage } = made
      const groupId = input.groupId.slice()
      const state = await createGroup(
        groupId,
        publicPackage,
        privatePackage,
        [],
        suite,
        CLIENT_CONFIG,
      )
      const bytes = encodeState(state)
      wipeState(state)
      wipe(privatePackage.initPrivateKey, privatePackage.signaturePrivateKey)
      return { state: bytes }
    })
  }

  /** Adds 1 to 7 leaves in one commit with path, and one Welcome for all of them. */
  addMembers(input: AddMembersInput): Promise<CommittedWithWelcome> {
    const { keyPackages, psk } = input
    return this.#commitWithWelcome(input.state, { remove: [], keyPackages, psk })
  }

  /**
   * A commit of nothing but a new path. With `newLeaf` the owner's signature key, credential and mailbox
   * root are replaced too (healing); members know the new leaf from the commit itself.
   */
  refresh(input: RefreshInput): Promise<Committed> {
    return this.#with(async (suite) => {
      const { newLeaf } = input
      if (newLeaf !== undefined) checkLeafSecrets(newLeaf)
      return commitTo(suite, input.state, { remove: [], add: [], newLeaf })
    })
  }

  /** Remove and add in one commit; the Welcome is for the new leaf. */
  replaceMember(input: ReplaceMemberInput): Promise<CommittedWithWelcome> {
    const { leafIndex, keyPackage, psk } = input
    const content = { remove: [leafIndex], keyPackages: [keyPackage], psk }
    return this.#commitWithWelcome(input.state, content)
  }

  /** Refuses to remove the last other leaf (`last-member`): a new generation of the group is due then. */
  removeMember(input: RemoveMemberInput): Promise<Committed> {
    return this.#with((suite) =>
      commitTo(suite, input.state, { remove: [input.leafIndex], add: [] }),
    )
  }

  #commitWithWelcome(
    state: Uint8Array,
    content: { remove: number[]; keyPackages: readonly Uint8Array[]; psk: Psk | undefined },
  ): Promise<CommittedWithWelcome> {
    return this.#with(async (suite) => {
      const { keyPackages, psk, remove } = content
      checkPsk(psk)
      requireThat(keyPackages.length > 0, 'malformed')
      requireThat(keyPackages.length < MAX_GROUP_LEAVES, 'too-many-leaves')
      const add = []
      for (const bytes of keyPackages) {
        add.push((await openKeyPackage(suite, this.#clock, bytes)).keyPackage)
      }
      const done = await commitTo(suite, state, { remove, add, psk })
      return { ...done, welcome: done.welcome ?? reject('library') }
    })
  }

  /**
   * Opens a Welcome without joining: whose group it is and who is in it, so that the caller can verify the
   * credentials. Nothing is authenticated yet but the PSK.
   */
  readWelcome(input: ReadWelcomeInput): Promise<WelcomePreview> {
    return this.#withKeyPackage(input, async (suite, own) => {
      const { welcome, psk } = input
      const { groupInfo, leaves, ownIndex } = await openWelcome(suite, welcome, own, psk)
      return {
        groupId: groupInfo.groupContext.groupId.slice(),
        epoch: epochNumber(groupInfo.groupContext.epoch),
        leaves,
        ownLeaf: ownIndex,
        keyPackageRef: own.ref,
      }
    })
  }

  /**
   * Joins with a Welcome that leaf 0 signed, into the expected group, with expected members only. The caller
   * claims `welcomeId` and deletes the key package secret in the batch that stores the state.
   */
  joinSendGroup(input: JoinInput): Promise<Joined> {
    return this.#withKeyPackage(input, async (suite, own) => {
      const { welcome, psk, expect } = input
      checkExpected(expect)
      needBytes('groupId', expect.groupId, GROUP_ID_BYTES, GROUP_ID_BYTES)
      const open = await openWelcome(suite, welcome, own, psk)
      const { groupId } = open.groupInfo.groupContext
      const epoch = epochNumber(open.groupInfo.groupContext.epoch)
      requireThat(equalBytes(groupId, expect.groupId), 'foreign-group')
      requireThat(epoch > (expect.afterEpoch ?? 0), 'stale-epoch')
      checkMembers(open.leaves, expect)
      return {
        state: await enterGroup(suite, open, own, psk),
        epoch,
        leaves: open.leaves,
        ownLeaf: open.ownIndex,
        keyPackageRef: own.ref,
        welcomeId: concat(groupId, own.ref),
      }
    })
  }

  #withKeyPackage<T>(
    input: ReadWelcomeInput,
    work: (suite: MlsSuite, own: OwnKeyPackage) => Promise<T>,
  ): Promise<T> {
    return this.#with(async (suite) => {
      checkPsk(input.psk)
      const own = await openKeyPackageSecret(suite, input.keyPackageSecret)
      try {
        return await work(suite, own)
      } finally {
        own.wipe()
      }
    })
  }

  /** Authenticates a commit and says what it would do, so that the caller can verify new credentials. */
  readCommit(input: { state: Uint8Array; commit: Uint8Array }): Promise<CommitPreview> {
    return this.#with((suite) =>
      withState(input.state, async (state) => {
        const open = await openCommit(suite, state, input.commit)
        return {
          epoch: epochNumber(state.groupContext.epoch) + 1,
          owner: open.owner,
          added: open.added,
          removed: open.removed,
          removesSelf: open.removed.includes(state.privatePath.leafIndex),
          ...(open.pskId === undefined ? {} : { pskId: open.pskId }),
        }
      }),
    )
  }

  /** Applies the owner's next commit. `removed` means that this device is out and the state is dead. */
  processCommit(input: ProcessCommitInput): Promise<ProcessedCommit> {
    return this.#with((suite) =>
      withState(input.state, async (state) => {
        checkPsk(input.psk)
        checkExpected(input.expect)
        const open = await openCommit(suite, state, input.commit)
        const done = await applyCommit(suite, state, open, input.psk, input.expect)
        return { ...done, epoch: epochNumber(state.groupContext.epoch) + 1 }
      }),
    )
  }

  /**
   * The stream secret of this epoch, once. The returned state no longer contains the exporter secret, and
   * nothing in it can bring it back; store it in place of the old one in the batch that stores the chain.
   * @throws HearsayError `mls-rejected` `already-exported`.
   */
  exportStream(input: { state: Uint8Array }): Promise<ExportedStream> {
    return this.#with((suite) =>
      withState(input.state, async (state) => {
        const { exporterSecret, epochAuthenticator } = state.keySchedule
        requireThat(exporterSecret.length > 0, 'already-exported')
        const streamSecret = await mlsExporter(
          exporterSecret,
          STREAM_EXPORTER_LABEL,
          u32be(OWNER_LEAF),
          STREAM_SECRET_BYTES,
          suite,
        )
        const keySchedule = { ...state.keySchedule, exporterSecret: new Uint8Array() }
        return {
          state: encodeState({ ...state, keySchedule }),
          streamSecret,
          epochAuthenticator: epochAuthenticator.slice(),
          epoch: epochNumber(state.groupContext.epoch),
        }
      }),
    )
  }

  /** Public facts of a state. */
  inspect(input: { state: Uint8Array }): Promise<GroupView> {
    return this.#with(() => withState(input.state, async (state) => viewOf(state)))
  }
}

function commitTo(suite: MlsSuite, bytes: Uint8Array, content: CommitContent): Promise<Committed> {
  return withState(bytes, (state) =>
    refusing('library', async () => {
      for (const index of content.remove) {
        requireThat(Number.isInteger(index) && index !== OWNER_LEAF, 'proposal-target')
        requireThat(state.ratchetTree[2 * index]?.nodeType === 'leaf', 'proposal-target')
      }
      return writeCommit(suite, state, content)
    }),
  )
}

function viewOf(state: ClientState): GroupView {
  const leaves: Leaf[] = readTree(state.ratchetTree, state.groupContext.epoch)
  return {
    groupId: state.groupContext.groupId.slice(),
    epoch: epochNumber(state.groupContext.epoch),
    ownLeaf: state.privatePath.leafIndex,
    exported: state.keySchedule.exporterSecret.length === 0,
    epochAuthenticator: state.keySchedule.epochAuthenticator.slice(),
    leaves,
  }
}

function epochNumber(epoch: bigint): number {
  requireThat(epoch <= BigInt(Number.MAX_SAFE_INTEGER), 'malformed')
  return Number(epoch)
}

function checkExpected(expect: ExpectedMembers): void {
  const { ownerSignatureKey } = expect
  needBytes('ownerSignatureKey', ownerSignatureKey, SIGNATURE_KEY_BYTES, SIGNATURE_KEY_BYTES)
}
