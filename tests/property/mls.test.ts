import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { isHearsayError, toHex } from '../../src/base/index.ts'
import { OnceRegister } from '../../src/conversation/mls/index.ts'
import { device, reasonOf, TestGroup } from '../unit/conversation/mls-fixture.ts'

let group: TestGroup
let read: [bytes: Uint8Array, read: (bytes: Uint8Array) => Promise<unknown>][]

beforeAll(async () => {
  group = await TestGroup.of(2)
  const own = await group.keyPackage(device(30))
  const { state } = group.owner
  const done = await group.mls.addMembers({ state, keyPackages: [own.keyPackage] })
  const expected = group.expect(device(30))
  const member = group.members[0]!.state
  read = [
    [own.keyPackage, (keyPackage) => group.mls.readKeyPackage({ keyPackage })],
    [
      done.welcome,
      (welcome) =>
        group.mls.joinSendGroup({ welcome, keyPackageSecret: own.secret, expect: expected }),
    ],
    [done.commit, (commit) => group.mls.processCommit({ state: member, commit, expect: expected })],
  ]
})

const position = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const REFUSED = /^[a-z-]+$/

describe('MLS messages', () => {
  it('with any bit flipped are refused with a reason', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 2 }),
        position,
        fc.integer({ min: 1, max: 255 }),
        async (which, where, mask) => {
          const [bytes, decode] = read[which]!
          const flipped = bytes.slice()
          flipped[Math.floor(where * flipped.length)]! ^= mask
          const reason = await reasonOf(decode(flipped))
          expect(reason).toMatch(REFUSED)
          expect(['accepted', 'bug']).not.toContain(reason)
        },
      ),
      { numRuns: 120 },
    )
  })

  it('with bytes cut out, put in or doubled are refused with a reason', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 2 }),
        position,
        position,
        fc.uint8Array({ maxLength: 40 }),
        async (which, from, to, extra) => {
          const [bytes, decode] = read[which]!
          const head = bytes.slice(0, Math.floor(from * bytes.length))
          const tail = bytes.slice(Math.floor(to * bytes.length))
          const spliced = Uint8Array.of(...head, ...extra, ...tail)
          fc.pre(toHex(spliced) !== toHex(bytes))
          const reason = await reasonOf(decode(spliced))
          expect(reason).toMatch(REFUSED)
          expect(['accepted', 'bug']).not.toContain(reason)
        },
      ),
      { numRuns: 120 },
    )
  })

  it('of random bytes are refused with a reason', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 2 }),
        fc.uint8Array({ maxLength: 300 }),
        async (which, body) => {
          const [bytes, decode] = read[which]!
          const reason = await reasonOf(decode(Uint8Array.of(...bytes.slice(0, 4), ...body)))
          expect(reason).toMatch(REFUSED)
          expect(['accepted', 'bug']).not.toContain(reason)
        },
      ),
      { numRuns: 200 },
    )
  })
})

describe('a send group under any sequence of changes', () => {
  it('leaves all members with one stream secret', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('add' as const) }),
      fc.record({ do: fc.constant('remove' as const), who: position }),
      fc.record({ do: fc.constant('replace' as const), who: position }),
      fc.record({ do: fc.constant('heal' as const) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
        const walk = await TestGroup.of(3)
        let next = 40
        for (const one of steps) {
          const victim = 'who' in one ? Math.floor(one.who * walk.members.length) : -1
          if (one.do === 'add' && walk.members.length < 7) await walk.add(device(next++))
          if (one.do === 'remove' && walk.members.length > 1) await walk.remove(victim)
          if (one.do === 'replace') await walk.replace(victim, device(next++))
          if (one.do === 'heal') await walk.heal(device(next++))
          expect(await walk.secrets()).toHaveLength(1)
        }
      }),
      { numRuns: 6 },
    )
  })
})

function claimed(register: OnceRegister, id: Uint8Array): boolean {
  try {
    register.claim(id)
    return true
  } catch (error) {
    if (isHearsayError(error, 'mls-rejected')) return false
    throw error
  }
}

describe('a register', () => {
  it('grants each id once, across encodings', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 4 })), (ids) => {
        let register = new OnceRegister()
        const seen = new Set<string>()
        for (const id of ids) {
          const fresh = !seen.has(toHex(id))
          seen.add(toHex(id))
          expect(register.has(id)).toBe(!fresh)
          expect(claimed(register, id)).toBe(fresh)
          register = new OnceRegister(register.ids())
        }
      }),
    )
  })
})
