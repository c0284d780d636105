import { readFile } from 'node:fs/promises'
import {
  type ClientState,
  ciphersuites,
  decodeMlsMessage,
  encodeMlsMessage,
  type MLSMessage,
} from 'ts-mls'
import { decodeRatchetTree, encodeRatchetTree } from 'ts-mls/ratchetTree.js'
import { beforeAll, describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../../src/base/index.ts'
import { decodeStrictly } from '../../../src/conversation/mls/codec.ts'
import {
  MAX_COMMIT_BYTES,
  MAX_KEY_PACKAGE_BYTES,
  MAX_WELCOME_BYTES,
  MLS_CIPHER_SUITE,
  MLS_CIPHER_SUITE_ID,
} from '../../../src/conversation/mls/constants.ts'
import { MLS_REASONS } from '../../../src/conversation/mls/index.ts'
import { contains, device, raw, reasonOf, TestGroup } from './mls-fixture.ts'

let group: TestGroup
let messages: Record<'keyPackage' | 'welcome' | 'commit', Uint8Array>
let read: Record<keyof typeof messages, (bytes: Uint8Array) => Promise<unknown>>

beforeAll(async () => {
  group = await TestGroup.of(2)
  const own = await group.keyPackage(device(30))
  const { state } = group.owner
  const done = await group.mls.addMembers({ state, keyPackages: [own.keyPackage] })
  const expected = group.expect(device(30))
  messages = { keyPackage: own.keyPackage, welcome: done.welcome, commit: done.commit }
  read = {
    keyPackage: (keyPackage) => group.mls.readKeyPackage({ keyPackage }),
    welcome: (welcome) =>
      group.mls.joinSendGroup({ welcome, keyPackageSecret: own.secret, expect: expected }),
    commit: (commit) =>
      group.mls.processCommit({ state: group.members[0]!.state, commit, expect: expected }),
  }
})

const NAMES = ['keyPackage', 'welcome', 'commit'] as const
const LIMITS = {
  keyPackage: MAX_KEY_PACKAGE_BYTES,
  welcome: MAX_WELCOME_BYTES,
  commit: MAX_COMMIT_BYTES,
}

describe.each(NAMES)('decoding a %s', (name) => {
  it('accepts exactly the bytes that were made', async () => {
    expect(await reasonOf(read[name](messages[name]))).toBe('accepted')
  })

  it('refuses trailing bytes, which the library ignores', async () => {
    const longer = Uint8Array.of(...messages[name], 0)
    expect(decodeMlsMessage(longer, 0)).toBeDefined()
    expect(await reasonOf(read[name](longer))).toBe('malformed')
  })

  it('refuses every truncation', async () => {
    const whole = messages[name]
    for (let length = 0; length < whole.length; length += length < 16 ? 1 : 211) {
      expect(await reasonOf(read[name](whole.slice(0, length)))).toBe('malformed')
    }
  })

  it('refuses more than the limit before it looks at a byte', async () => {
    const huge = new Uint8Array(LIMITS[name] + 1)
    huge.set(messages[name])
    expect(await reasonOf(read[name](huge))).toBe('too-large')
  })

  it('refuses nonsense as a message, not as a fault', async () => {
    const nonsense = [undefined, null, 'text', {}, new Uint8Array(LIMITS[name])]
    for (const bytes of nonsense) {
      expect(await reasonOf(read[name](bytes as Uint8Array))).toBe('malformed')
    }
  })
})

describe('the canonical form', () => {
  it('excludes lengths in a longer form than needed, which the library reads and verifies', async () => {
    const { credential } = device(30).identity
    const whole = messages.keyPackage
    const at = Buffer.from(whole).indexOf(Buffer.from(credential)) - 2
    expect(toHex(whole.slice(at, at + 2))).toBe('4041')
    const longer = Uint8Array.of(...whole.slice(0, at), 0x80, 0, 0, 0x41, ...whole.slice(at + 2))
    expect(decodeMlsMessage(longer, 0)?.[1]).toBe(longer.length)
    expect(await reasonOf(read.keyPackage(longer))).toBe('malformed')
  })

  it('excludes presence octets other than 0 and 1, which the library takes for absence', async () => {
    const big = await TestGroup.of(4)
    const done = await big.mls.removeMember({ state: big.owner.state, leafIndex: 1 })
    const bytes = encodeRatchetTree(raw(done.state).ratchetTree)
    const decoded = decodeRatchetTree(bytes, 0)![0]
    expect(decoded[1]).toBeUndefined()
    const strict = (tree: Uint8Array) =>
      reasonOf(
        (async () => decodeStrictly(tree, decodeRatchetTree, encodeRatchetTree, 'bad-tree'))(),
      )
    expect(await strict(bytes)).toBe('accepted')
    // Both trees have a length of two bytes in front, so the blank is where a tree of one leaf ends.
    const blankAt = encodeRatchetTree([decoded[0]]).length
    expect(toHex(bytes.slice(blankAt, blankAt + 2))).toBe('0000')
    const other = bytes.slice()
    other[blankAt] = 7
    expect(decodeRatchetTree(other, 0)![0]).toEqual(decoded)
    expect(await strict(other)).toBe('bad-tree')
  })

  it('names the suite by its number', () => {
    expect(ciphersuites[MLS_CIPHER_SUITE]).toBe(MLS_CIPHER_SUITE_ID)
  })
})

describe('a vector of very many elements', () => {
  /** An MLSMessage with one commit whose proposals are `count` Removes. */
  const removes = (state: ClientState, count: number): MLSMessage => ({
    version: 'mls10',
    wireformat: 'mls_public_message',
    publicMessage: {
      senderType: 'member',
      membershipTag: new Uint8Array(64),
      auth: {
        contentType: 'commit',
        signature: new Uint8Array(64),
        confirmationTag: new Uint8Array(64),
      },
      content: {
        groupId: state.groupContext.groupId,
        epoch: state.groupContext.epoch,
        sender: { senderType: 'member', leafIndex: 0 },
        authenticatedData: new Uint8Array(),
        contentType: 'commit',
        commit: {
          path: undefined,
          proposals: Array.from({ length: count }, (_, removed) => ({
            proposalOrRefType: 'proposal',
            proposal: { proposalType: 'remove', remove: { removed: removed + 1 } },
          })),
        },
      },
    },
  })

  it('is refused in a moment, whether or not the library can encode it', async () => {
    const state = raw(group.members[0]!.state)
    const many = encodeMlsMessage(removes(state, 1500))
    expect(await reasonOf(read.commit(many))).toBe('too-many-leaves')
    // The list as the library would encode it, had it the stack: a longer vector in its place.
    const one = encodeMlsMessage(removes(state, 1))
    const at = Buffer.from(one).indexOf(Buffer.from('0701000300000001', 'hex'))
    const item = one.slice(at + 1, at + 8)
    const items = Array.from({ length: 9000 }, () => [...item]).flat()
    const head = [0x80, 0, items.length >> 8, items.length & 0xff]
    const huge = Uint8Array.from([...one.slice(0, at), ...head, ...items, ...one.slice(at + 8)])
    expect(huge.length).toBeLessThan(MAX_COMMIT_BYTES)
    const start = performance.now()
    expect(await reasonOf(read.commit(huge))).toMatch(/^(malformed|too-many-leaves)$/)
    expect(performance.now() - start).toBeLessThan(2000)
  })
})

describe('a refusal', () => {
  it('has a reason that SPEC.md explains, and SPEC.md explains no other', async () => {
    const file = new URL('../../../src/conversation/mls/SPEC.md', import.meta.url)
    const section = (await readFile(file, 'utf8')).split(/^## /m).find((one) => one[0] === '7')
    const rows = section!.split('\n').filter((line) => line.startsWith('| `'))
    const named = rows.flatMap((row) => [...row.split('|')[1]!.matchAll(/`([a-z-]+)`/g)])
    const reasons = named.map((match) => match[1])
    expect(reasons).toHaveLength(MLS_REASONS.length)
    expect(new Set(reasons)).toEqual(new Set(MLS_REASONS))
  })

  it('carries a reason, and no bytes of the message or the state', async () => {
    const bytes = messages.commit.slice()
    bytes[bytes.length - 1]! ^= 1
    const error: unknown = await read.commit(bytes).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'mls-rejected', details: { reason: 'bad-signature' } })
    const text = utf8(JSON.stringify(error) + String(error))
    expect(contains(text, messages.commit.slice(0, 8))).toBe(false)
  })
})
