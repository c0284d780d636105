import { describe, expect, it } from 'vitest'
import { toHex } from '../../../src/base/index.ts'
import type { LeafIdentity } from '../../../src/conversation/mls/index.ts'
import { writeCommit } from '../../../src/conversation/mls/write-commit.ts'
import {
  contains,
  device,
  GROUP_ID,
  LIFETIME,
  PSK,
  raw,
  reasonOf,
  TestGroup,
} from './mls-fixture.ts'

describe('a send group', () => {
  it('gives all members of an epoch the same stream secret and authenticator', async () => {
    const group = await TestGroup.of(4)
    const first = await group.secrets()
    expect(first).toHaveLength(1)
    const done = await group.mls.refresh({ state: group.owner.state })
    await group.deliver(done.commit)
    group.owner.state = done.state
    const second = await group.secrets()
    expect(second).toHaveLength(1)
    expect(second).not.toEqual(first)
  })

  it('shows the same leaves to owner and member, the owner at leaf 0', async () => {
    const group = await TestGroup.of(3)
    const mine = await group.mls.inspect({ state: group.owner.state })
    const theirs = await group.mls.inspect({ state: group.members[1]!.state })
    expect(theirs.leaves).toEqual(mine.leaves)
    expect(mine.leaves.map((leaf) => leaf.index)).toEqual([0, 1, 2])
    expect(mine.leaves[0]).toMatchObject(group.owner.device.identity)
    expect(mine.leaves[2]).toMatchObject(group.members[1]!.device.identity)
    expect([mine.ownLeaf, theirs.ownLeaf]).toEqual([0, 2])
    expect(mine.groupId).toEqual(GROUP_ID)
    expect(mine.epoch).toBe(1)
  })

  it('heals: key, credential and mailbox root of the owner are replaced by one commit', async () => {
    const group = await TestGroup.of(3)
    const next = device(50)
    const done = await group.mls.refresh({ state: group.owner.state, newLeaf: next.secrets })
    const preview = await group.mls.readCommit({
      state: group.members[0]!.state,
      commit: done.commit,
    })
    expect(preview).toMatchObject({ added: [], removed: [], removesSelf: false, epoch: 2 })
    expect(preview.owner).toMatchObject(next.identity)
    group.owner = { device: next, state: done.state }
    await group.deliver(done.commit)
    expect(await group.secrets()).toHaveLength(1)
    // The next commit is signed with the new key, and new members meet the new owner.
    await group.add(device(9))
    expect(await group.secrets()).toHaveLength(1)
  })

  it('lets nobody who holds the old signature key commit after the healing', async () => {
    const group = await TestGroup.of(3)
    const old = group.owner.device.secrets.signatureSeed
    const done = await group.mls.refresh({ state: group.owner.state, newLeaf: device(50).secrets })
    const thief = raw(done.state)
    group.owner = { device: device(50), state: done.state }
    await group.deliver(done.commit)
    const forged = await writeCommit(
      await group.suite(),
      { ...thief, signaturePrivateKey: old },
      { remove: [], add: [] },
    )
    expect(await group.refusal(forged.commit)).toBe('bad-signature')
  })

  it('refuses a healing that keeps a key', async () => {
    const group = await TestGroup.of(2)
    const { secrets } = group.owner.device
    const state = group.owner.state
    const kept = { ...device(50).secrets, signatureSeed: secrets.signatureSeed }
    expect(await reasonOf(group.mls.refresh({ state, newLeaf: kept }))).toBe('duplicate-key')
    const root = { ...device(50).secrets, mailboxRoot: secrets.mailboxRoot }
    expect(await reasonOf(group.mls.refresh({ state, newLeaf: root }))).toBe('duplicate-key')
  })

  it('replaces a leaf in place, and tells the replaced device that it is out', async () => {
    const group = await TestGroup.of(4)
    const out = group.members[1]!
    const fresh = device(60)
    const own = await group.keyPackage(fresh)
    const done = await group.mls.replaceMember({
      state: group.owner.state,
      leafIndex: 2,
      keyPackage: own.keyPackage,
    })
    expect(done.leaves.map((leaf) => leaf.index)).toEqual([0, 1, 2, 3])
    const expected = group.expect(fresh)
    const { commit } = done
    const preview = await group.mls.readCommit({ state: out.state, commit })
    expect(preview.removesSelf).toBe(true)
    expect(preview.added[0]).toMatchObject(fresh.identity)
    expect(await group.mls.processCommit({ state: out.state, commit, expect: expected })).toEqual({
      kind: 'removed',
      epoch: 2,
    })
    await group.deliver(commit, fresh)
    const joined = await group.mls.joinSendGroup({
      welcome: done.welcome,
      keyPackageSecret: own.secret,
      expect: { ...expected, afterEpoch: 1 },
    })
    out.device = fresh
    out.state = joined.state
    group.owner.state = done.state
    expect(await group.secrets()).toHaveLength(1)
  })

  it('keeps working through adds and removes in every corner of the tree', async () => {
    const group = await TestGroup.of(8)
    const remove = async (leafIndex: number) => {
      const { leaves } = await group.mls.inspect({ state: group.owner.state })
      const leaf = leaves.find((one) => one.index === leafIndex)!
      const of = (one: LeafIdentity) => toHex(one.signatureKey)
      await group.remove(group.members.findIndex((one) => of(one.device.identity) === of(leaf)))
      expect(await group.secrets()).toHaveLength(1)
    }
    await remove(1)
    await remove(7)
    await group.add(device(20))
    await remove(6)
    await remove(5)
    await remove(4)
    await group.add(device(21), device(22))
    await remove(2)
    await remove(3)
    expect(await group.secrets()).toHaveLength(1)
  })

  it('holds at most eight leaves', async () => {
    const group = await TestGroup.of(8)
    const extra = await group.keyPackage(device(30))
    const state = group.owner.state
    const { keyPackage } = extra
    expect(await reasonOf(group.mls.addMembers({ state, keyPackages: [keyPackage] }))).toBe(
      'too-many-leaves',
    )
    const many = Array.from({ length: 8 }, () => keyPackage)
    expect(await reasonOf(group.mls.addMembers({ state, keyPackages: many }))).toBe(
      'too-many-leaves',
    )
  })

  it('never shrinks to the owner alone, where the library commits without a secret', async () => {
    const group = await TestGroup.of(2)
    const { state } = group.owner
    expect(await reasonOf(group.mls.removeMember({ state, leafIndex: 1 }))).toBe('last-member')
    const alone = await TestGroup.of(1)
    expect(await reasonOf(alone.mls.refresh({ state: alone.owner.state }))).toBe('last-member')
  })

  it('lets only the owner commit', async () => {
    const group = await TestGroup.of(3)
    const { state } = group.members[0]!
    expect(await reasonOf(group.mls.refresh({ state }))).toBe('not-owner')
    expect(await reasonOf(group.mls.removeMember({ state, leafIndex: 2 }))).toBe('not-owner')
  })

  it('refuses to remove the owner, a blank leaf or nonsense', async () => {
    const group = await TestGroup.of(3)
    const { state } = group.owner
    for (const leafIndex of [0, 3, 7, -1, 0.5, 2 ** 31, Number.NaN]) {
      expect(await reasonOf(group.mls.removeMember({ state, leafIndex }))).toBe('proposal-target')
    }
  })

  it('works on clones and changes none of its arguments', async () => {
    const group = await TestGroup.of(2)
    const own = await group.keyPackage(device(5))
    const input = structuredClone({
      state: group.owner.state,
      keyPackages: [own.keyPackage],
      psk: PSK,
    })
    const before = structuredClone(input)
    const done = structuredClone(await group.mls.addMembers(input))
    expect(input).toEqual(before)
    const join = structuredClone({
      welcome: done.welcome,
      keyPackageSecret: own.secret,
      psk: PSK,
      expect: group.expect(device(5)),
    })
    const kept = structuredClone(join)
    const joined = await group.mls.joinSendGroup(join)
    expect(join).toEqual(kept)
    const { state } = joined
    const copy = state.slice()
    await group.mls.exportStream({ state })
    await group.mls.inspect({ state })
    expect(state).toEqual(copy)
  })
})

describe('the stream secret', () => {
  it('is given once per epoch', async () => {
    const group = await TestGroup.of(2)
    for (const { state } of [group.owner, group.members[0]!]) {
      const once = await group.mls.exportStream({ state })
      expect(once.streamSecret).toHaveLength(32)
      expect(once.epochAuthenticator).toHaveLength(64)
      expect(await reasonOf(group.mls.exportStream({ state: once.state }))).toBe('already-exported')
      expect(await group.mls.inspect({ state: once.state })).toMatchObject({ exported: true })
    }
  })

  it('cannot be derived again from the state that is stored after the export', async () => {
    const group = await TestGroup.of(2)
    const { state } = group.owner
    const { exporterSecret } = raw(state).keySchedule
    const after = await group.mls.exportStream({ state })
    expect(contains(state, exporterSecret)).toBe(true)
    expect(contains(after.state, exporterSecret)).toBe(false)
    expect(contains(after.state, after.streamSecret)).toBe(false)
    const { keySchedule, secretTree } = raw(after.state)
    expect(secretTree).toEqual([])
    for (const name of ['senderDataSecret', 'externalSecret', 'confirmationKey', 'resumptionPsk']) {
      expect(keySchedule[name as keyof typeof keySchedule]).toHaveLength(0)
    }
  })

  it('of the next epoch comes after an export as well as without one', async () => {
    const group = await TestGroup.of(2)
    const after = await group.mls.exportStream({ state: group.owner.state })
    const done = await group.mls.refresh({ state: after.state })
    await group.deliver(done.commit)
    group.owner.state = done.state
    expect(await group.secrets()).toHaveLength(1)
  })
})

describe('a stored state', () => {
  it('contains no secret of the epoch before', async () => {
    const group = await TestGroup.of(3)
    for (const party of [group.owner, group.members[0]!]) {
      const before = raw(party.state).keySchedule
      const old = [before.initSecret, before.exporterSecret, before.membershipKey]
      const done = await group.mls.refresh({ state: group.owner.state })
      const next =
        party === group.owner
          ? done
          : await group.mls.processCommit({
              ...party,
              ...done,
              state: party.state,
              expect: group.expect(),
            })
      if (!('state' in next)) throw new Error('removed')
      for (const secret of old) expect(contains(next.state, secret)).toBe(false)
      expect(raw(next.state).historicalReceiverData.size).toBe(0)
    }
  })

  it('of the owner holds no HPKE private key, of a member only those of its path', async () => {
    const group = await TestGroup.of(5)
    expect(raw(group.owner.state).privatePath.privateKeys).toEqual({})
    const keys = Object.keys(raw(group.members[0]!.state).privatePath.privateKeys)
    expect(keys).toEqual(['1', '2', '3', '7'])
  })

  it('drops private keys of nodes that were blanked', async () => {
    const group = await TestGroup.of(5)
    const before = raw(group.members[0]!.state).privatePath.privateKeys
    const done = await group.mls.removeMember({ state: group.owner.state, leafIndex: 4 })
    await group.deliver(done.commit)
    const after = raw(group.members[0]!.state)
    expect(after.ratchetTree).toHaveLength(7)
    expect(Object.keys(after.privatePath.privateKeys)).toEqual(['1', '2', '3'])
    expect(contains(group.members[0]!.state, before[7]!)).toBe(false)
  })

  it('is refused when any byte of its frame is wrong', async () => {
    const group = await TestGroup.of(2)
    const { state } = group.owner
    const versioned = state.slice()
    versioned[0] = 2
    const longer = new Uint8Array(state.length + 1)
    longer.set(state)
    const huge = new Uint8Array(70_000)
    huge[0] = 1
    const all = [versioned, longer, huge, state.slice(0, -1), state.slice(0, 100), new Uint8Array()]
    for (const bad of all) {
      expect(await reasonOf(group.mls.inspect({ state: bad }))).toBe('bad-state')
      expect(await reasonOf(group.mls.exportStream({ state: bad }))).toBe('bad-state')
    }
  })
})

describe('a pre-shared key', () => {
  it('is needed for the Welcome and for the commit', async () => {
    const group = await TestGroup.of(2)
    const own = await group.keyPackage(device(5))
    const { state } = group.owner
    const done = await group.mls.addMembers({ state, keyPackages: [own.keyPackage], psk: PSK })
    const expected = group.expect(device(5))
    const { welcome, commit } = done
    const join = { welcome, keyPackageSecret: own.secret, expect: expected }
    const wrong = { ...PSK, secret: new Uint8Array(32).fill(3) }
    const other = { ...PSK, id: new Uint8Array(16).fill(9) }
    expect(await reasonOf(group.mls.joinSendGroup(join))).toBe('psk-missing')
    expect(await reasonOf(group.mls.joinSendGroup({ ...join, psk: wrong }))).toBe('undecryptable')
    expect(await reasonOf(group.mls.joinSendGroup({ ...join, psk: other }))).toBe('psk-unexpected')
    const process = { state: group.members[0]!.state, commit, expect: expected }
    expect(await reasonOf(group.mls.processCommit(process))).toBe('psk-missing')
    expect(await reasonOf(group.mls.processCommit({ ...process, psk: wrong }))).toBe('library')
    const joined = await group.mls.joinSendGroup({ ...join, psk: PSK })
    const advanced = await group.mls.processCommit({ ...process, psk: PSK })
    if (advanced.kind !== 'advanced') throw new Error('removed')
    group.owner.state = done.state
    group.members[0]!.state = advanced.state
    group.members.push({ device: device(5), state: joined.state })
    expect(await group.secrets()).toHaveLength(1)
  })

  it('that the caller expects must have been used', async () => {
    const group = await TestGroup.of(1)
    const own = await group.keyPackage(device(5))
    const { state } = group.owner
    const done = await group.mls.addMembers({ state, keyPackages: [own.keyPackage] })
    const join = { welcome: done.welcome, keyPackageSecret: own.secret, psk: PSK }
    expect(
      await reasonOf(group.mls.joinSendGroup({ ...join, expect: group.expect(device(5)) })),
    ).toBe('psk-unexpected')
  })
})

describe('arguments', () => {
  it('of impossible length are bugs of the caller', async () => {
    const { mls, owner } = await TestGroup.of(1)
    const { secrets } = owner.device
    const short = new Uint8Array(31)
    expect(await reasonOf(mls.createSendGroup({ groupId: short, owner: secrets }))).toBe('bug')
    const bad = [
      { ...secrets, signatureSeed: short },
      { ...secrets, mailboxRoot: short },
      { ...secrets, credential: new Uint8Array() },
      { ...secrets, credential: new Uint8Array(1025) },
    ]
    for (const leaf of bad) {
      expect(await reasonOf(mls.generateKeyPackage({ ...leaf, lifetime: LIFETIME }))).toBe('bug')
    }
  })
})
