import {
  createCommit,
  encodeMlsMessage,
  type KeyPackage,
  type Proposal,
  type Welcome,
} from 'ts-mls'
import { decodeGroupInfo, encodeGroupInfo } from 'ts-mls/groupInfo.js'
import { signKeyPackage } from 'ts-mls/keyPackage.js'
import { signLeafNodeKeyPackage } from 'ts-mls/leafNode.js'
import { decodeRatchetTree, encodeRatchetTree } from 'ts-mls/ratchetTree.js'
import { beforeAll, describe, expect, it } from 'vitest'
import { decodeMessage } from '../../../src/conversation/mls/codec.ts'
import { pskIndex } from '../../../src/conversation/mls/config.ts'
import { MAX_KEY_PACKAGE_BYTES } from '../../../src/conversation/mls/constants.ts'
import {
  type GeneratedKeyPackage,
  type JoinInput,
  OnceRegister,
} from '../../../src/conversation/mls/index.ts'
import { readTree } from '../../../src/conversation/mls/leaf.ts'
import { makeKeyPackage } from '../../../src/conversation/mls/key-package.ts'
import type { MlsSuite } from '../../../src/conversation/mls/suite.ts'
import { writeCommit } from '../../../src/conversation/mls/write-commit.ts'
import { device, GROUP_ID, LIFETIME, raw, reasonOf, TestGroup } from './mls-fixture.ts'

const NEW = device(30)
let group: TestGroup
let suite: MlsSuite
let own: GeneratedKeyPackage

beforeAll(async () => {
  group = await TestGroup.of(3)
  suite = await group.suite()
  own = await group.keyPackage(NEW)
})

type Expected = JoinInput['expect']

function join(welcome: Uint8Array, expected: Expected = group.expect(NEW), secret = own.secret) {
  return group.mls.joinSendGroup({ welcome, keyPackageSecret: secret, expect: expected })
}

const refusal = (
  welcome: Uint8Array,
  expected: Expected = group.expect(NEW),
  secret = own.secret,
) => reasonOf(join(welcome, expected, secret))

async function honest() {
  const { state } = group.owner
  return group.mls.addMembers({ state, keyPackages: [own.keyPackage] })
}

/** The key package itself, for use with the raw library. */
function decoded(bytes: Uint8Array): KeyPackage {
  const message = decodeMessage(bytes, MAX_KEY_PACKAGE_BYTES)
  if (message.wireformat !== 'mls_key_package') throw new Error('format')
  return message.keyPackage
}

/** A key package for NEW that the raw library adds too: it compares lifetimes with the real clock. */
function freshPackage() {
  const now = Math.floor(Date.now() / 1000)
  const lifetime = { notBefore: now - 60, notAfter: now + 3600 }
  return group.mls.generateKeyPackage({ ...NEW.secrets, lifetime })
}

const addOf = (made: GeneratedKeyPackage): Proposal => ({
  proposalType: 'add',
  add: { keyPackage: decoded(made.keyPackage) },
})

const wrap = (welcome: Welcome) =>
  encodeMlsMessage({ version: 'mls10', wireformat: 'mls_welcome', welcome })

/** A suite that changes what the hostile owner signs as GroupInfo or encrypts as AEAD plaintext. */
function tampering(change: (plaintext: Uint8Array) => Uint8Array): MlsSuite {
  return {
    ...suite,
    hpke: {
      ...suite.hpke,
      encryptAead: (key, nonce, aad, plaintext) =>
        suite.hpke.encryptAead(key, nonce, aad, change(plaintext)),
    },
  }
}

describe('a joining device', () => {
  it('sees the members before it joins', async () => {
    const { welcome } = await honest()
    const preview = await group.mls.readWelcome({ welcome, keyPackageSecret: own.secret })
    expect(preview.groupId).toEqual(GROUP_ID)
    expect(preview.ownLeaf).toBe(3)
    expect(preview.epoch).toBe(2)
    expect(preview.keyPackageRef).toEqual(own.keyPackageRef)
    const identities = [...group.roster, NEW.identity]
    expect(preview.leaves).toEqual(identities.map((one, index) => ({ ...one, index })))
    const joined = await join(welcome)
    expect(joined.leaves).toEqual(preview.leaves)
  })

  it('refuses another group than the expected one', async () => {
    const { welcome } = await honest()
    const expected = { ...group.expect(NEW), groupId: new Uint8Array(32).fill(8) }
    expect(await refusal(welcome, expected)).toBe('foreign-group')
  })

  it('refuses a ghost among the members, and itself when it is not in the roster', async () => {
    const { welcome } = await honest()
    const expected = group.expect(NEW)
    for (let missing = 0; missing < expected.roster.length; missing++) {
      const roster = expected.roster.filter((_, index) => index !== missing)
      expect(await refusal(welcome, { ...expected, roster })).toBe('not-in-roster')
    }
  })

  it('refuses a group that belongs to another member of the roster', async () => {
    // Leaf 1 makes a group of its own with the group id of leaf 0's.
    const other = new TestGroup(9)
    const thief = group.members[0]!.device
    const { state } = await other.mls.createSendGroup({ groupId: GROUP_ID, owner: thief.secrets })
    const done = await other.mls.addMembers({ state, keyPackages: [own.keyPackage] })
    expect(await refusal(done.welcome)).toBe('wrong-owner')
  })

  it('refuses a Welcome of another member, even with a path and a tree', async () => {
    const attacker = raw(group.members[0]!.state)
    const removal: Proposal = { proposalType: 'remove', remove: { removed: 2 } }
    const fresh = await freshPackage()
    const made = await createCommit(
      { state: attacker, cipherSuite: suite, pskIndex: pskIndex(undefined) },
      {
        wireAsPublicMessage: true,
        extraProposals: [removal, addOf(fresh)],
        ratchetTreeExtension: true,
      },
    )
    expect(await refusal(wrap(made.welcome!), group.expect(NEW), fresh.secret)).toBe('not-owner')
  })

  it('refuses a Welcome of another member that claims to be signed by leaf 0', async () => {
    const attacker = raw(group.members[0]!.state)
    const posing = { ...attacker, privatePath: { leafIndex: 0, privateKeys: {} } }
    const forged = await writeCommit(suite, posing, { remove: [], add: [decoded(own.keyPackage)] })
    expect(await refusal(forged.welcome!)).toBe('library')
  })

  it('refuses a Welcome to an epoch that was made without a path', async () => {
    const fresh = await freshPackage()
    const made = await createCommit(
      { state: raw(group.owner.state), cipherSuite: suite },
      {
        wireAsPublicMessage: true,
        extraProposals: [addOf(fresh)],
        ratchetTreeExtension: true,
      },
    )
    expect(await refusal(wrap(made.welcome!), group.expect(NEW), fresh.secret)).toBe('no-path')
  })

  it('refuses a Welcome without the tree', async () => {
    const removal: Proposal = { proposalType: 'remove', remove: { removed: 2 } }
    const fresh = await freshPackage()
    const made = await createCommit(
      { state: raw(group.owner.state), cipherSuite: suite },
      { wireAsPublicMessage: true, extraProposals: [removal, addOf(fresh)] },
    )
    const reason = await refusal(wrap(made.welcome!), group.expect(NEW), fresh.secret)
    expect(reason).toBe('bad-extension')
  })

  it('refuses bytes behind the GroupInfo and behind the tree', async () => {
    const add = [decoded(own.keyPackage)]
    const longer = tampering((plaintext) => Uint8Array.of(...plaintext, 0))
    const state = raw(group.owner.state)
    const forged = await writeCommit(longer, state, { remove: [], add })
    expect(await refusal(forged.welcome!)).toBe('malformed')
  })

  it('refuses to join again with the same Welcome, by its register', async () => {
    const { welcome } = await honest()
    const register = new OnceRegister()
    const first = await join(welcome)
    register.claim(first.welcomeId)
    const again = await join(welcome)
    expect(await reasonOf((async () => register.claim(again.welcomeId))())).toBe('replayed')
    const restored = new OnceRegister(structuredClone(register.ids()))
    expect(restored.has(first.welcomeId)).toBe(true)
    expect(restored.has(own.keyPackageRef)).toBe(false)
  })

  it('refuses a Welcome that is older than the epoch it knows', async () => {
    const { welcome } = await honest()
    expect(await refusal(welcome, { ...group.expect(NEW), afterEpoch: 2 })).toBe('stale-epoch')
    expect(await refusal(welcome, { ...group.expect(NEW), afterEpoch: 1 })).toBe('accepted')
  })

  it("refuses a Welcome for another device's key package", async () => {
    const { welcome } = await honest()
    const other = await group.keyPackage(NEW)
    expect(await refusal(welcome, group.expect(NEW), other.secret)).toBe('not-for-us')
  })

  it('refuses a Welcome whose key package reference was swapped', async () => {
    const { welcome } = await honest()
    const other = await group.keyPackage(NEW)
    const at = Buffer.from(welcome).indexOf(Buffer.from(own.keyPackageRef))
    const forged = welcome.slice()
    forged.set(other.keyPackageRef, at)
    expect(await refusal(forged, group.expect(NEW), other.secret)).toBe('undecryptable')
  })

  it('refuses other messages and other suites', async () => {
    const done = await honest()
    expect(await refusal(done.commit)).toBe('wrong-message')
    expect(await refusal(own.keyPackage)).toBe('wrong-message')
    const suiteAt = 4
    const forged = done.welcome.slice()
    forged[suiteAt + 1] = 83
    expect(await refusal(forged)).toBe('wrong-suite')
  })

  it('refuses a key package secret that is not its own', async () => {
    const { welcome } = await honest()
    const bad = [own.secret.slice(0, -1), own.secret.slice(0, 20), new Uint8Array(20_000)]
    const version = own.secret.slice()
    version[0] = 9
    for (const secret of [...bad, version]) {
      expect(await refusal(welcome, group.expect(NEW), secret)).toBe('bad-state')
    }
    const wrongKey = own.secret.slice()
    wrongKey[40]! ^= 1 // the leaf's private key
    expect(await refusal(welcome, group.expect(NEW), wrongKey)).toBe('path-mismatch')
  })

  it('refuses a tree that is wider than its leaves need, before it hashes it', async () => {
    // The signature in a key package does not say where its leaf sits.
    const { ratchetTree } = raw(group.owner.state)
    const add = [decoded(own.keyPackage)]
    for (const leaf of [8, 2047]) {
      const wide: typeof ratchetTree = Array.from({ length: 2 * leaf + 1 })
      wide[0] = ratchetTree[0]
      wide[2 * leaf] = ratchetTree[2]
      expect(await reasonOf((async () => readTree(wide, 1n))())).toBe('too-many-leaves')
      const withWideTree = tampering((plaintext) => {
        const info = decodeGroupInfo(plaintext, 0)![0]
        const extension = { ...info.extensions[0]!, extensionData: encodeRatchetTree(wide) }
        return encodeGroupInfo({ ...info, extensions: [extension] })
      })
      const forged = await writeCommit(withWideTree, raw(group.owner.state), { remove: [], add })
      expect(await refusal(forged.welcome!)).toBe('too-many-leaves')
    }
  })

  it('refuses a tree with parents outside the path of leaf 0', async () => {
    // Decoded by the library as it is; only the shape tells that another leaf has committed.
    const owner = raw(group.owner.state)
    const tree = decodeRatchetTree(encodeRatchetTree(owner.ratchetTree), 0)![0]
    const parent = tree[1]
    if (parent?.nodeType !== 'parent') throw new Error('parent')
    const shapes: [string, () => typeof tree][] = [
      ['bad-tree', () => tree.with(5, parent)],
      ['bad-tree', () => tree.with(4, parent)],
      ['bad-tree', () => tree.with(1, tree[2])],
      ['bad-tree', () => tree.with(0, undefined)],
      ['bad-tree', () => tree.with(2, tree[0])],
      ['duplicate-key', () => tree.with(6, tree[4])],
      [
        'bad-tree',
        () =>
          tree.with(1, {
            nodeType: 'parent',
            parent: { ...parent.parent, unmergedLeaves: [1] },
          }),
      ],
    ]
    for (const [reason, shape] of shapes) {
      expect(await reasonOf((async () => readTree(shape(), 1n))())).toBe(reason)
    }
  })
})

describe('a key package', () => {
  const reasonFor = async (bytes: Uint8Array) => {
    const { state } = group.owner
    const reasons = await Promise.all([
      reasonOf(group.mls.addMembers({ state, keyPackages: [bytes] })),
      reasonOf(group.mls.readKeyPackage({ keyPackage: bytes })),
    ])
    expect(reasons[0]).toBe(reasons[1])
    return reasons[0]
  }

  it('is read back as it was made', async () => {
    const view = await group.mls.readKeyPackage({ keyPackage: own.keyPackage })
    expect(view.leaf).toEqual({ ...NEW.identity, index: -1 })
    expect(view.keyPackageRef).toEqual(own.keyPackageRef)
    expect(view.lifetime).toEqual(LIFETIME)
  })

  it('is refused outside its lifetime', async () => {
    const at = async (seconds: number) => {
      const kept = group.clock.seconds
      group.clock.seconds = seconds
      const reason = await reasonFor(own.keyPackage)
      group.clock.seconds = kept
      return reason
    }
    expect(await at(LIFETIME.notAfter)).toBe('accepted')
    expect(await at(LIFETIME.notAfter + 1)).toBe('expired')
    expect(await at(LIFETIME.notBefore - 3600)).toBe('accepted')
    expect(await at(LIFETIME.notBefore - 3601)).toBe('not-yet-valid')
  })

  it('lives at most thirty days', async () => {
    const { notBefore } = LIFETIME
    const month = { notBefore, notAfter: notBefore + 30 * 86_400 }
    await group.mls.generateKeyPackage({ ...NEW.secrets, lifetime: month })
    const bad = [
      { notBefore, notAfter: month.notAfter + 1 },
      { notBefore, notAfter: notBefore - 1 },
      { notBefore: -1, notAfter: 1 },
      { notBefore: 0.5, notAfter: 1 },
      { notBefore, notAfter: Number.NaN },
    ]
    for (const lifetime of bad) {
      const made = group.mls.generateKeyPackage({ ...NEW.secrets, lifetime })
      expect(await reasonOf(made)).toBe('bad-lifetime')
    }
  })

  it('is refused with another suite, version, credential, capability, extension or signature', async () => {
    const base = await makeKeyPackage(suite, NEW.secrets, LIFETIME)
    type Package = typeof base.publicPackage
    type LeafNode = Package['leafNode']
    const signed = async (change: Partial<Package>, leaf: Partial<LeafNode> = {}) => {
      const seed = NEW.secrets.signatureSeed
      const leafNode = await signLeafNodeKeyPackage(
        { ...base.publicPackage.leafNode, ...leaf },
        seed,
        suite.signature,
      )
      const whole = { ...base.publicPackage, ...change, leafNode }
      return signKeyPackage(whole, seed, suite.signature)
    }
    const capabilities = base.publicPackage.leafNode.capabilities
    const root = base.publicPackage.leafNode.extensions[0]!
    const month = 31n * 86_400n
    const { lifetime } = base.publicPackage.leafNode
    const weak = new Uint8Array(32)
    const cases: [string, Package][] = [
      ['accepted', await signed({})],
      ['wrong-suite', await signed({ cipherSuite: 'MLS_256_XWING_AES256GCM_SHA512_Ed25519' })],
      ['bad-extension', await signed({ extensions: [root] })],
      ['bad-extension', await signed({}, { extensions: [] })],
      ['bad-extension', await signed({}, { extensions: [root, root] })],
      ['bad-extension', await signed({}, { extensions: [{ ...root, extensionType: 0xf000 }] })],
      ['bad-extension', await signed({}, { extensions: [{ ...root, extensionData: weak }] })],
      [
        'bad-extension',
        await signed({}, { extensions: [{ ...root, extensionData: weak.slice(1) }] }),
      ],
      [
        'bad-credential',
        await signed({}, { credential: { credentialType: 'x509', certificates: [weak] } }),
      ],
      [
        'bad-credential',
        await signed({}, { credential: { credentialType: 'basic', identity: new Uint8Array() } }),
      ],
      [
        'bad-credential',
        await signed(
          {},
          { credential: { credentialType: 'basic', identity: new Uint8Array(1025) } },
        ),
      ],
      ['bad-leaf', await signed({}, { capabilities: { ...capabilities, proposals: [0xf000] } })],
      [
        'bad-leaf',
        await signed({}, { capabilities: { ...capabilities, credentials: ['basic', 'x509'] } }),
      ],
      ['bad-leaf', await signed({}, { signaturePublicKey: weak })],
      ['bad-leaf', await signed({}, { hpkePublicKey: weak })],
      ['bad-leaf', await signed({ initKey: weak })],
      [
        'bad-lifetime',
        await signed({}, { lifetime: { ...lifetime, notAfter: lifetime.notBefore + month } }),
      ],
      ['bad-lifetime', await signed({}, { lifetime: { notBefore: 2n, notAfter: 1n } })],
      ['duplicate-key', await signed({ initKey: base.publicPackage.leafNode.hpkePublicKey })],
      ['bad-signature', await signed({}, { signaturePublicKey: device(9).identity.signatureKey })],
      ['bad-signature', { ...base.publicPackage, signature: weak }],
      ['bad-signature', { ...base.publicPackage, initKey: new Uint8Array(1216) }],
    ]
    for (const [reason, keyPackage] of cases) {
      const bytes = encodeMlsMessage({
        version: 'mls10',
        wireformat: 'mls_key_package',
        keyPackage,
      })
      expect(await reasonFor(bytes)).toBe(reason)
    }
  })

  it('with an unusable init key is refused, not a fault', async () => {
    const broken: MlsSuite = {
      ...suite,
      hpke: {
        ...suite.hpke,
        exportPublicKey: async () => group.rng.bytes(1216).fill(0xff, 0, 900),
      },
    }
    const { publicPackage } = await makeKeyPackage(broken, NEW.secrets, LIFETIME)
    const bytes = encodeMlsMessage({
      version: 'mls10',
      wireformat: 'mls_key_package',
      keyPackage: publicPackage,
    })
    const { state } = group.owner
    expect(await reasonOf(group.mls.addMembers({ state, keyPackages: [bytes] }))).toBe('library')
  })

  it('twice in one group is refused', async () => {
    const { state } = await honest()
    const again = group.mls.addMembers({ state, keyPackages: [own.keyPackage] })
    expect(await reasonOf(again)).toBe('library')
  })
})
