import { type ClientState, createGroup, mlsExporter } from 'ts-mls'
import { type Clock, concat, equalBytes, type Rng, u32be } from '../../base/index.ts'
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

  #ready(): Promise<MlsSuite> {
    this.#suite ??= createSuite(this.#rng)
    return this.#suite
  }

  /** A fresh leaf with its keys, for one writer's group. The lifetime is at most 30 days. */
  async generateKeyPackage(input: GenerateKeyPackageInput): Promise<GeneratedKeyPackage> {
    return generateKeyPackage(await this.#ready(), input, input.lifetime)
  }

  /** Checks another device's key package, form and lifetime, without using it. */
  async readKeyPackage(input: { keyPackage: Uint8Array }): Promise<KeyPackageView> {
    const open = await openKeyPackage(await this.#ready(), this.#clock, input.keyPackage)
    const { notBefore, notAfter } = open.keyPackage.leafNode.lifetime
    return {
      leaf: open.leaf,
      keyPackageRef: open.ref,
      lifetime: { notBefore: Number(notBefore), notAfter: Number(notAfter) },
    }
  }

  /** A group at epoch 0 with the owner alone, at leaf 0. It can only be added to. */
  async createSendGroup(input: CreateSendGroupInput): Promise<{ state: Uint8Array }> {
    needBytes('groupId', input.groupId, GROUP_ID_BYTES, GROUP_ID_BYTES)
    const suite = await this.#ready()
    const now = Math.floor(this.#clock.now() / 1000)
    const made = await makeKeyPackage(suite, input.owner, { notBefore: now, notAfter: now })
    const state = await createGroup(
      input.groupId.slice(),
      made.publicPackage,
      made.privatePackage,
      [],
      suite,
      CLIENT_CONFIG,
    )
    const bytes = encodeState(state)
    wipeState(state)
    wipe(made.privatePackage.initPrivateKey, made.privatePackage.signaturePrivateKey)
    return { state: bytes }
  }

  /** Adds 1 to 7 leaves in one commit with path, and one Welcome for all of them. */
  async addMembers(input: AddMembersInput): Promise<Committed & { welcome: Uint8Array }> {
    requireThat(input.keyPackages.length > 0, 'malformed')
    requireThat(input.keyPackages.length < MAX_GROUP_LEAVES, 'too-many-leaves')
    return this.#commitWithWelcome(input.state, {
      remove: [],
      keyPackages: input.keyPackages,
      psk: input.psk,
    })
  }

  /**
   * A commit of nothing but a new path. With `newLeaf` the owner's signature key, credential and mailbox
   * root are replaced too (healing); members know the new leaf from the commit itself.
   */
  async refresh(input: RefreshInput): Promise<Committed> {
    const { newLeaf } = input
    if (newLeaf !== undefined) checkLeafSecrets(newLeaf)
    return this.#commit(input.state, { remove: [], add: [], newLeaf })
  }

  /** Remove and add in one commit; the Welcome is for the new leaf. */
  async replaceMember(input: ReplaceMemberInput): Promise<Committed & { welcome: Uint8Array }> {
    return this.#commitWithWelcome(input.state, {
      remove: [input.leafIndex],
      keyPackages: [input.keyPackage],
      psk: input.psk,
    })
  }

  /** Refuses to remove the last other leaf (`last-member`): a new generation of the group is due then. */
  async removeMember(input: RemoveMemberInput): Promise<Committed> {
    return this.#commit(input.state, { remove: [input.leafIndex], add: [] })
  }

  async #commitWithWelcome(
    state: Uint8Array,
    content: { remove: number[]; keyPackages: readonly Uint8Array[]; psk: Psk | undefined },
  ): Promise<Committed & { welcome: Uint8Array }> {
    checkPsk(content.psk)
    const suite = await this.#ready()
    const add = []
    for (const bytes of content.keyPackages) {
      add.push((await openKeyPackage(suite, this.#clock, bytes)).keyPackage)
    }
    const done = await this.#commit(state, { remove: content.remove, add, psk: content.psk })
    return { ...done, welcome: done.welcome ?? reject('library') }
  }

  async #commit(bytes: Uint8Array, content: CommitContent): Promise<Committed> {
    const suite = await this.#ready()
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

  /**
   * Opens a Welcome without joining: whose group it is and who is in it, so that the caller can verify the
   * credentials. Nothing is authenticated yet but the PSK.
   */
  async readWelcome(input: ReadWelcomeInput): Promise<WelcomePreview> {
    checkPsk(input.psk)
    const suite = await this.#ready()
    const own = await openKeyPackageSecret(suite, input.keyPackageSecret)
    try {
      const { groupInfo, leaves, ownIndex } = await openWelcome(
        suite,
        input.welcome,
        own,
        input.psk,
      )
      return {
        groupId: groupInfo.groupContext.groupId.slice(),
        epoch: epochNumber(groupInfo.groupContext.epoch),
        leaves,
        ownLeaf: ownIndex,
        keyPackageRef: own.ref,
      }
    } finally {
      own.wipe()
    }
  }

  /**
   * Joins with a Welcome that leaf 0 signed, into the expected group, with expected members only. The caller
   * claims `welcomeId` and deletes the key package secret in the batch that stores the state.
   */
  async joinSendGroup(input: JoinInput): Promise<Joined> {
    checkPsk(input.psk)
    checkExpected(input.expect)
    needBytes('groupId', input.expect.groupId, GROUP_ID_BYTES, GROUP_ID_BYTES)
    const suite = await this.#ready()
    const own = await openKeyPackageSecret(suite, input.keyPackageSecret)
    try {
      const open = await openWelcome(suite, input.welcome, own, input.psk)
      const { groupId, epoch } = open.groupInfo.groupContext
      requireThat(equalBytes(groupId, input.expect.groupId), 'foreign-group')
      requireThat(epochNumber(epoch) > (input.expect.afterEpoch ?? 0), 'stale-epoch')
      checkMembers(open.leaves, input.expect)
      const state = await enterGroup(suite, open, own, input.psk)
      return {
        state,
        epoch: epochNumber(epoch),
        leaves: open.leaves,
        ownLeaf: open.ownIndex,
        keyPackageRef: own.ref,
        welcomeId: concat(groupId, own.ref),
      }
    } finally {
      own.wipe()
    }
  }

  /** Authenticates a commit and says what it would do, so that the caller can verify new credentials. */
  async readCommit(input: { state: Uint8Array; commit: Uint8Array }): Promise<CommitPreview> {
    const suite = await this.#ready()
    return withState(input.state, async (state) => {
      const open = await openCommit(suite, state, input.commit)
      return {
        epoch: epochNumber(state.groupContext.epoch) + 1,
        owner: open.owner,
        added: open.added,
        removed: open.removed,
        removesSelf: open.removed.includes(state.privatePath.leafIndex),
        ...(open.pskId === undefined ? {} : { pskId: open.pskId }),
      }
    })
  }

  /** Applies the owner's next commit. `removed` means that this device is out and the state is dead. */
  async processCommit(input: ProcessCommitInput): Promise<ProcessedCommit> {
    checkPsk(input.psk)
    checkExpected(input.expect)
    const suite = await this.#ready()
    return withState(input.state, async (state) => {
      const open = await openCommit(suite, state, input.commit)
      const done = await applyCommit(suite, state, open, input.psk, input.expect)
      const epoch = epochNumber(state.groupContext.epoch) + 1
      return { ...done, epoch }
    })
  }

  /**
   * The stream secret of this epoch, once. The returned state no longer contains the exporter secret, and
   * nothing in it can bring it back; store it in place of the old one in the batch that stores the chain.
   * @throws HearsayError `mls-rejected` `already-exported`.
   */
  async exportStream(input: { state: Uint8Array }): Promise<ExportedStream> {
    const suite = await this.#ready()
    return withState(input.state, async (state) => {
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
    })
  }

  /** Public facts of a state. */
  async inspect(input: { state: Uint8Array }): Promise<GroupView> {
    return withState(input.state, async (state) => viewOf(state))
  }
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
