import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { asNetworkId, HearsayError, toBase64Url } from '../../src/base/index.ts'
import {
  ACK_RANGES_MAX,
  AUTHENTICATOR_BYTES,
  CREDENTIAL_BYTES,
  DEVICE_ID_BYTES,
  INVITATION_BYTES,
  MESSAGE_ID_BYTES,
  RECORD_DIGEST_BYTES,
} from '../../src/conversation/constants.ts'
import { createCredential, tryOpenCredential } from '../../src/conversation/credential.ts'
import { decodeInvitation, encodeInvitation } from '../../src/conversation/invitation.ts'
import { type SeqRange, SeqRanges } from '../../src/conversation/ranges.ts'
import {
  decodeRecord,
  encodeRecord,
  type RecordBody,
  tryDecodeRecord,
} from '../../src/conversation/records.ts'
import { signKeyPairFromSeed } from '../../src/crypto/index.ts'
import { decodeCbor, encodeCbor } from '../../src/wire/index.ts'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const blob = fc.uint8Array({ minLength: 1, maxLength: 300 })
const seq = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const text = fc.string({ unit: 'binary', maxLength: 400 }).filter((s) => s.isWellFormed())
const root = fc.integer({ min: 0, max: 255 }).map((fill) => {
  return signKeyPairFromSeed(new Uint8Array(32).fill(fill)).publicKey
})

/** Ascending, not adjacent, and a number that is not below the last. */
const acks = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 99 }), fc.integer({ min: 0, max: 99 })), {
    maxLength: ACK_RANGES_MAX,
  })
  .chain((steps) => {
    const missing: SeqRange[] = []
    let next = 1
    for (const [gap, width] of steps) {
      missing.push([next + gap, next + gap + width])
      next += gap + width + 2
    }
    return fc.record({
      kind: fc.constant('ack' as const),
      upTo: fc.integer({ min: next, max: Number.MAX_SAFE_INTEGER }),
      missing: fc.constant(missing),
      digest: bytes(RECORD_DIGEST_BYTES),
    })
  })

const kind = <K extends string>(name: K) => fc.constant(name)
const introduction = {
  accountKey: bytes(32),
  deviceId: bytes(DEVICE_ID_BYTES),
  keyPackage: blob,
}
const groups = {
  inviterGroup: bytes(AUTHENTICATOR_BYTES),
  claimerGroup: bytes(AUTHENTICATOR_BYTES),
}
const records = fc.oneof(
  fc.record({ kind: kind('text'), messageId: bytes(MESSAGE_ID_BYTES), text, sentAt: seq }),
  acks,
  fc.record({ kind: kind('commit'), commit: blob }),
  fc.record({ kind: kind('welcome'), generation: u32, welcome: blob }),
  fc.record({ kind: kind('keyPackage'), keyPackage: blob }),
  fc.record({ kind: kind('confirm'), ...groups }),
  fc.record({ kind: kind('claim'), ...introduction }),
  fc.record({ kind: kind('offer'), ...introduction, welcome: blob }),
  fc.record({ kind: kind('finish'), welcome: blob, ...groups }),
  fc.record({ kind: kind('tombstone') }),
  fc.record({ kind: kind('switch'), generation: u32, epoch: seq }),
)

/** What an accepted record encodes to; the bytes themselves when they are refused or of a later version. */
function encodedAgain(any: Uint8Array): Uint8Array {
  const body = tryDecodeRecord(any)
  return body === undefined || body.kind === 'unknown' ? any : encodeRecord(body)
}

describe('records', () => {
  it('decode to what was encoded', () => {
    fc.assert(
      fc.property(records, (record) => {
        expect(decodeRecord(encodeRecord(record))).toEqual(record)
      }),
    )
  })

  it('that are accepted encode to the same bytes, whatever was done to them', () => {
    const damage = fc.record({
      record: records,
      at: fc.nat(),
      to: fc.integer({ min: 0, max: 255 }),
      cut: fc.nat({ max: 3 }),
      more: fc.uint8Array({ maxLength: 2 }),
    })
    fc.assert(
      fc.property(damage, ({ record, at, to, cut, more }) => {
        const whole = encodeRecord(record)
        const changed = new Uint8Array([...whole.subarray(0, whole.length - cut), ...more])
        if (changed.length > 0) changed[at % changed.length] = to
        expect(encodedAgain(changed)).toEqual(changed)
      }),
    )
  })

  it('are refused with HearsayError only, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (any) => {
        expect(() => tryDecodeRecord(any)).not.toThrow()
      }),
    )
  })

  it('refuse a field of another type, length or range, and surplus fields', () => {
    const wrong = fc.oneof(
      fc.constantFrom(null, true, -1, '', 'text', 2 ** 40),
      fc.uint8Array({ maxLength: 3 }),
      fc.array(fc.constantFrom(1, 'x'), { minLength: 1, maxLength: 3 }),
    )
    fc.assert(
      fc.property(records, fc.nat(), wrong, (record, at, value) => {
        const items = decodeCbor(encodeRecord(record), { maxBytes: 1e6 }) as unknown[]
        const surplus = encodeCbor([...items, 0] as never)
        expect(tryDecodeRecord(surplus)).toBeUndefined()
        const place = 1 + (at % Math.max(1, items.length - 1))
        if (place >= items.length) return
        const changed = items.with(place, value)
        // Some wrong values are right elsewhere: then they are read as what they are.
        const wrongBytes = encodeCbor(changed as never)
        expect(encodedAgain(wrongBytes)).toEqual(wrongBytes)
      }),
    )
  })

  it.each([
    [[2, 9, [0, 1]]],
    [[2, 9, [3, 2]]],
    [[2, 9, [1, 2, 3, 4]]],
    [[2, 9, [5, 6, 1, 2]]],
    [[2, 9, [1, 10]]],
    [[2, 9, [1]]],
    [[2, 99, Array.from({ length: 2 * ACK_RANGES_MAX + 2 }, (_, i) => i + 1 + (i >> 1))]],
  ])('refuse an ack whose holes are not %j', (items) => {
    expect(tryDecodeRecord(encodeCbor(items))).toBeUndefined()
  })

  it('of an unknown kind are known to be that, and no more', () => {
    const unknown: RecordBody = { kind: 'unknown', code: 77 }
    expect(decodeRecord(encodeCbor([77, 'later', [1]]))).toEqual(unknown)
    expect(tryDecodeRecord(encodeCbor(['text']))).toBeUndefined()
    expect(tryDecodeRecord(encodeCbor([]))).toBeUndefined()
    expect(tryDecodeRecord(encodeCbor([65_536]))).toBeUndefined()
  })
})

describe('invitations', () => {
  const networks = bytes(32).map(asNetworkId)
  const hours = fc.integer({ min: 1, max: 2 ** 32 - 1 })
  const invitations = fc.record({
    secret: bytes(32),
    inviterRoot: root,
    expiresAt: hours.map((hour) => hour * 3_600_000),
  })

  it('decode to what was encoded, in one form only', () => {
    fc.assert(
      fc.property(networks, invitations, (networkId, invitation) => {
        const uri = encodeInvitation(networkId, invitation)
        expect(decodeInvitation(uri, networkId, 0)).toEqual(invitation)
        expect(encodeInvitation(networkId, decodeInvitation(uri, networkId, 0))).toBe(uri)
        expect(uri).toMatch(/^hearsay:invite\/[\w-]+$/)
      }),
      { numRuns: 50 },
    )
  })

  it('never expire before the time they were made for, nor an hour after it', () => {
    fc.assert(
      fc.property(networks, root, fc.nat({ max: 2 ** 40 }), (networkId, inviterRoot, expiresAt) => {
        const secret = new Uint8Array(32)
        const uri = encodeInvitation(networkId, { secret, inviterRoot, expiresAt })
        const read = decodeInvitation(uri, networkId, -1).expiresAt
        expect(read - expiresAt).toBeGreaterThanOrEqual(0)
        expect(read - expiresAt).toBeLessThan(3_600_000)
      }),
      { numRuns: 50 },
    )
  })

  it('with any other character are refused with a code', () => {
    const alphabet = fc.constantFrom(...'ABCxyz019-_/+= .é'.split(''))
    fc.assert(
      fc.property(networks, invitations, fc.nat(), alphabet, (networkId, invitation, at, char) => {
        const uri = encodeInvitation(networkId, invitation)
        const place = at % uri.length
        const changed = uri.slice(0, place) + char + uri.slice(place + 1)
        if (changed.trim() === uri) return
        expect(() => decodeInvitation(changed, networkId, 0)).toThrow(HearsayError)
      }),
      { numRuns: 200 },
    )
  })

  it('of any length and content are refused, never misread', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: INVITATION_BYTES + 3 }),
        networks,
        (any, networkId) => {
          const uri = `hearsay:invite/${toBase64Url(any)}`
          expect(() => decodeInvitation(uri, networkId, 0)).toThrow(HearsayError)
        },
      ),
    )
  })
})

describe('credentials', () => {
  const subjects = fc.record({
    leafKey: bytes(32),
    mailboxRoot: bytes(32),
    deviceId: bytes(DEVICE_ID_BYTES),
    conversation: bytes(32),
  })
  const accounts = bytes(32).map(signKeyPairFromSeed)

  it('name account and device, for exactly the subject that was signed', () => {
    fc.assert(
      fc.property(accounts, subjects, fc.nat(), (account, subject, at) => {
        const credential = createCredential(account, subject)
        expect(credential).toHaveLength(CREDENTIAL_BYTES)
        expect(tryOpenCredential(credential, subject)).toEqual({
          accountKey: account.publicKey,
          deviceId: subject.deviceId,
        })
        for (const field of ['leafKey', 'mailboxRoot', 'conversation'] as const) {
          const other = subject[field].slice()
          other[at % 32] = (other[at % 32] ?? 0) ^ 1
          expect(tryOpenCredential(credential, { ...subject, [field]: other })).toBeUndefined()
        }
      }),
      { numRuns: 50 },
    )
  })

  it('with any bit flipped, cut or with bytes behind are no credentials', () => {
    fc.assert(
      fc.property(accounts, subjects, fc.nat(), fc.nat({ max: 7 }), (account, subject, at, bit) => {
        const credential = createCredential(account, subject)
        const changed = credential.slice()
        const place = at % changed.length
        changed[place] = (changed[place] ?? 0) ^ (1 << bit)
        expect(tryOpenCredential(changed, subject)).toBeUndefined()
        expect(tryOpenCredential(credential.subarray(1), subject)).toBeUndefined()
        expect(tryOpenCredential(new Uint8Array([...credential, 0]), subject)).toBeUndefined()
      }),
      { numRuns: 50 },
    )
  })
})

describe('ranges', () => {
  it('hold what a set of numbers would', () => {
    const steps = fc.array(fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 5 })), { maxLength: 20 })
    fc.assert(
      fc.property(steps, fc.array(fc.nat({ max: 120 })), (widths, removed) => {
        const ranges = new SeqRanges()
        const model = new Set<number>()
        let next = 1
        for (const [gap, width] of widths) {
          ranges.append(next + gap, next + gap + width)
          for (let n = next + gap; n <= next + gap + width; n++) model.add(n)
          next += gap + width + 2
        }
        for (const n of removed) {
          ranges.remove(n)
          model.delete(n)
        }
        for (let n = 0; n < 130; n++) expect(ranges.has(n)).toBe(model.has(n))
      }),
    )
  })
})
