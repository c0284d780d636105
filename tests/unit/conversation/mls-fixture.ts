import { type ClientState, decodeGroupState } from 'ts-mls'
import { concat, isHearsayError, type Rng, toHex } from '../../../src/base/index.ts'
import { CLIENT_CONFIG } from '../../../src/conversation/mls/config.ts'
import {
  type ExpectedMembers,
  type LeafIdentity,
  type LeafSecrets,
  MlsAdapter,
} from '../../../src/conversation/mls/index.ts'
import { createSuite, type MlsSuite } from '../../../src/conversation/mls/suite.ts'
import { sha512, signKeyPairFromSeed } from '../../../src/crypto/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'

export const NOW_S = 1_800_000_000
export const GROUP_ID = new Uint8Array(32).fill(0x67)
export const PSK = { id: new Uint8Array(16).fill(1), secret: new Uint8Array(32).fill(2) }
export const LIFETIME = { notBefore: NOW_S - 60, notAfter: NOW_S + 86_400 }

export class TestClock {
  seconds = NOW_S
  now(): number {
    return this.seconds * 1000
  }
}

export interface Device {
  readonly secrets: LeafSecrets
  readonly identity: LeafIdentity
}

/** A device whose keys follow from `n`. */
export function device(n: number): Device {
  const seedOf = (salt: number) => sha512(Uint8Array.of(n, salt)).slice(0, 32)
  const signatureSeed = seedOf(1)
  const mailboxRoot = signKeyPairFromSeed(seedOf(2)).publicKey
  const credential = concat(sha512(Uint8Array.of(n, 3)), Uint8Array.of(n))
  return {
    secrets: { signatureSeed, credential, mailboxRoot },
    identity: {
      signatureKey: signKeyPairFromSeed(signatureSeed).publicKey,
      credential,
      mailboxRoot,
    },
  }
}

export interface Member {
  device: Device
  state: Uint8Array
}

/** A send group of the adapter with everyone in it. */
export class TestGroup {
  readonly mls: MlsAdapter
  readonly clock = new TestClock()
  readonly rng: Rng
  readonly members: Member[] = []
  owner!: Member

  constructor(seed = 1) {
    this.rng = seededRng(seed)
    this.mls = new MlsAdapter({ rng: this.rng, clock: this.clock })
  }

  static async of(size: number, seed = 1): Promise<TestGroup> {
    const group = new TestGroup(seed)
    const owner = device(0)
    const { state } = await group.mls.createSendGroup({ groupId: GROUP_ID, owner: owner.secrets })
    group.owner = { device: owner, state }
    if (size > 1) await group.add(...Array.from({ length: size - 1 }, (_, i) => device(i + 1)))
    return group
  }

  get roster(): LeafIdentity[] {
    return [this.owner, ...this.members].map((member) => member.device.identity)
  }

  expect(...extra: Device[]): ExpectedMembers & { groupId: Uint8Array } {
    return {
      groupId: GROUP_ID,
      ownerSignatureKey: this.owner.device.identity.signatureKey,
      roster: [...this.roster, ...extra.map((one) => one.identity)],
    }
  }

  keyPackage(of: Device) {
    return this.mls.generateKeyPackage({ ...of.secrets, lifetime: LIFETIME })
  }

  async add(...devices: Device[]): Promise<void> {
    const packages = await Promise.all(devices.map((one) => this.keyPackage(one)))
    const done = await this.mls.addMembers({
      state: this.owner.state,
      keyPackages: packages.map((one) => one.keyPackage),
    })
    await this.deliver(done.commit, ...devices)
    for (const [i, one] of devices.entries()) {
      const joined = await this.mls.joinSendGroup({
        welcome: done.welcome,
        keyPackageSecret: packages[i]!.secret,
        expect: this.expect(...devices),
      })
      this.members.push({ device: one, state: joined.state })
    }
    this.owner.state = done.state
  }

  /** All members process the commit. */
  async deliver(commit: Uint8Array, ...extra: Device[]): Promise<void> {
    for (const member of this.members) {
      const expect = this.expect(...extra)
      const done = await this.mls.processCommit({ state: member.state, commit, expect })
      if (done.kind === 'advanced') member.state = done.state
    }
  }

  async remove(which: number): Promise<void> {
    const [gone] = this.members.splice(which, 1)
    const { ownLeaf } = await this.mls.inspect({ state: gone!.state })
    const done = await this.mls.removeMember({ state: this.owner.state, leafIndex: ownLeaf })
    await this.deliver(done.commit)
    this.owner.state = done.state
  }

  async replace(which: number, by: Device): Promise<void> {
    const [gone] = this.members.splice(which, 1)
    const { ownLeaf } = await this.mls.inspect({ state: gone!.state })
    const own = await this.keyPackage(by)
    const done = await this.mls.replaceMember({
      state: this.owner.state,
      leafIndex: ownLeaf,
      keyPackage: own.keyPackage,
    })
    await this.deliver(done.commit, by)
    const { welcome } = done
    const expect = this.expect(by)
    const joined = await this.mls.joinSendGroup({ welcome, keyPackageSecret: own.secret, expect })
    this.members.push({ device: by, state: joined.state })
    this.owner.state = done.state
  }

  async heal(by: Device): Promise<void> {
    const done = await this.mls.refresh({ state: this.owner.state, newLeaf: by.secrets })
    this.owner = { device: by, state: done.state }
    await this.deliver(done.commit)
  }

  /** The distinct pairs of stream secret and authenticator among all members: one, if all is well. */
  async secrets(): Promise<string[]> {
    const all = await Promise.all(
      [this.owner, ...this.members].map(async ({ state }) => {
        const out = await this.mls.exportStream({ state })
        return toHex(out.streamSecret) + toHex(out.epochAuthenticator)
      }),
    )
    return [...new Set(all)]
  }

  /** The reason for which the first member refuses `commit`. */
  refusal(commit: Uint8Array, expect: ExpectedMembers = this.expect()): Promise<string> {
    return reasonOf(this.mls.processCommit({ state: this.members[0]!.state, commit, expect }))
  }

  suite(): Promise<MlsSuite> {
    return createSuite(this.rng)
  }
}

/** The library's own state inside a state of the adapter: what a hostile member would work with. */
export function raw(state: Uint8Array): ClientState {
  const decoded = decodeGroupState(state.slice(1), 0)
  if (decoded === undefined) throw new Error('undecodable state')
  return { ...decoded[0], clientConfig: CLIENT_CONFIG }
}

/** The reason of a refusal; 'accepted' or the foreign error otherwise, which no test expects. */
export async function reasonOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'accepted'
  } catch (error) {
    if (isHearsayError(error, 'mls-rejected')) return String(error.details['reason'])
    return isHearsayError(error) ? error.code : `foreign error: ${String(error)}`
  }
}

export function contains(haystack: Uint8Array, needle: Uint8Array): boolean {
  return needle.length > 0 && Buffer.from(haystack).includes(Buffer.from(needle))
}
