import { describe, expect, it } from 'vitest'
import { equalBytes, toHex } from '../../../src/base/index.ts'
import { decodeMessage } from '../../../src/conversation/mls/codec.ts'
import { MAX_KEY_PACKAGE_BYTES } from '../../../src/conversation/mls/constants.ts'
import { enterGroup, openWelcome } from '../../../src/conversation/mls/join.ts'
import { openKeyPackageSecret } from '../../../src/conversation/mls/key-package.ts'
import { applyCommit, openCommit } from '../../../src/conversation/mls/read-commit.ts'
import { withState } from '../../../src/conversation/mls/state.ts'
import type { MlsSuite } from '../../../src/conversation/mls/suite.ts'
import { writeCommit } from '../../../src/conversation/mls/write-commit.ts'
import { contains, device, raw, TestGroup } from './mls-fixture.ts'

/** The suite, and a copy of everything that its key derivation ever gave. */
function tapped(suite: MlsSuite): { suite: MlsSuite; derived: Uint8Array[] } {
  const derived: Uint8Array[] = []
  const note = (bytes: Uint8Array) => {
    derived.push(bytes.slice())
    return bytes
  }
  const { kdf } = suite
  const extract: typeof kdf.extract = async (...args) => note(await kdf.extract(...args))
  const expand: typeof kdf.expand = async (...args) => note(await kdf.expand(...args))
  return { suite: { ...suite, kdf: { ...kdf, extract, expand } }, derived }
}

/** The derived secrets that lie in a stored state after its export, by what the state calls them. */
async function remaining(group: TestGroup, state: Uint8Array, derived: readonly Uint8Array[]) {
  const after = await group.mls.exportStream({ state })
  const kept = raw(after.state)
  const names = new Map<string, string>()
  for (const [name, secret] of Object.entries(kept.keySchedule)) names.set(toHex(secret), name)
  for (const key of Object.values(kept.privatePath.privateKeys)) names.set(toHex(key), 'path key')
  const found = derived.filter((secret) => contains(after.state, secret))
  return new Set(found.map((secret) => names.get(toHex(secret)) ?? 'unknown'))
}

describe('of all that the key schedule derives', () => {
  it('a stored state keeps after the export only what leads to the next epoch', async () => {
    const group = await TestGroup.of(3)
    const newcomer = device(40)
    const own = await group.keyPackage(newcomer)
    const message = decodeMessage(own.keyPackage, MAX_KEY_PACKAGE_BYTES)
    if (message.wireformat !== 'mls_key_package') throw new Error('format')

    const owner = tapped(await group.suite())
    const add = [message.keyPackage]
    const made = await writeCommit(owner.suite, raw(group.owner.state), { remove: [1], add })
    const always = ['epochAuthenticator', 'initSecret', 'membershipKey']
    const { exporterSecret } = raw(made.state).keySchedule
    expect(owner.derived.some((secret) => equalBytes(secret, exporterSecret))).toBe(true)
    expect([...(await remaining(group, made.state, owner.derived))].sort()).toEqual(always)

    const member = tapped(await group.suite())
    const processed = await withState(group.members[1]!.state, async (state) => {
      const open = await openCommit(member.suite, state, made.commit)
      return applyCommit(member.suite, state, open, undefined, group.expect(newcomer))
    })
    if (processed.kind !== 'advanced') throw new Error('removed')

    const joiner = tapped(await group.suite())
    const keys = await openKeyPackageSecret(joiner.suite, own.secret)
    const initKey = keys.initKey.slice()
    const open = await openWelcome(joiner.suite, made.welcome!, keys, undefined)
    const joined = await enterGroup(joiner.suite, open, keys, undefined)
    expect(contains(joined, initKey)).toBe(false)

    // Everybody's derivations against everybody's state: the path secrets of one are the joiner's of another.
    const all = [owner, member, joiner].flatMap(({ derived }) => derived)
    for (const state of [made.state, processed.state, joined]) {
      const names = await remaining(group, state, all)
      expect([...names].filter((name) => name !== 'path key').sort()).toEqual(always)
    }
    const streams = await Promise.all(
      [made.state, processed.state, joined].map((state) => group.mls.exportStream({ state })),
    )
    for (const { streamSecret } of streams) {
      expect(equalBytes(streamSecret, streams[0]!.streamSecret)).toBe(true)
    }
  })
})
