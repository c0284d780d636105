import { describe, expect, it } from 'vitest'
import type { ContactCard, ContactKeys, Recovery } from '../../../src/conversation/contact.ts'
import {
  decodeCard,
  decodeKeys,
  encodeCard,
  encodeKeys,
} from '../../../src/conversation/contact-codec.ts'
import { decodeOut, encodeOut, newOutRecord } from '../../../src/conversation/out-record.ts'
import {
  encodeAnnouncement,
  tryDecodeAnnouncement,
} from '../../../src/conversation/reset-stream.ts'
import { SALTED_PAYLOAD_BYTES } from '../../../src/stream/index.ts'

const bytes = (fill: number, length = 32) => new Uint8Array(length).fill(fill)

const CARD: ContactCard = {
  alias: 'friend',
  role: 'claimer',
  inviteId: 'id',
  createdAt: 1,
  inviteExpiresAt: 2,
  storeEpoch: 'generation',
  phase: 'recovering',
  reason: '',
  verified: true,
  boxesDone: 12,
  lastHeardAt: 3,
  heardDay: 4,
  missingSince: 3,
  missingNext: 4,
  awayDay: 5,
  resetSince: 5,
  resets: [6, 7],
}

const CLAIMING: Recovery = {
  side: 'claimer',
  isOurs: true,
  claimerRoot: bytes(1),
  ownSeed: bytes(2),
  over: { root: bytes(3), at: 8 },
  answer: { root: bytes(17), at: 12 },
  formerDevice: bytes(4, 16),
  startedAt: 9,
  announcements: 2,
  firstSlot: 3,
  announceAt: 10,
}

const ANSWERING: Recovery = {
  ...CLAIMING,
  side: 'inviter',
  isOurs: false,
  over: undefined,
  answer: undefined,
  formerDevice: undefined,
}

const keys = (recovery: Recovery | undefined): ContactKeys => ({
  accountSeed: bytes(5),
  deviceId: bytes(6, 16),
  inviteSecret: undefined,
  inviterRoot: bytes(7),
  rendezvousSeed: undefined,
  conversation: bytes(8),
  theirAccount: bytes(9),
  theirDevice: bytes(10, 16),
  keyPackages: [{ keyPackage: bytes(11, 100), secret: bytes(12, 50), createdAt: 11 }],
  theirKeyPackage: undefined,
  ownGroup: { generation: 0, epoch: 1, state: bytes(13, 200), writerRoot: bytes(14) },
  peerGroup: undefined,
  authenticators: { inviterGroup: bytes(15, 64), claimerGroup: undefined },
  wonBy: undefined,
  announcements: 1,
  verdicts: 0,
  resetSecret: bytes(16),
  recovery,
})

describe('what is stored of a contact', () => {
  it('is read back as it was', () => {
    expect(decodeCard(encodeCard(CARD))).toEqual(CARD)
    for (const recovery of [undefined, CLAIMING, ANSWERING]) {
      expect(decodeKeys(encodeKeys(keys(recovery)))).toEqual(keys(recovery))
    }
    const record = newOutRecord(1, 'text', bytes(1, 20), {
      message: 2,
      expiresAt: 3,
      hasLeft: true,
    })
    expect(decodeOut(encodeOut(record))).toEqual(record)
  })
})

describe('an announcement', () => {
  const said = {
    kind: 'claim',
    root: bytes(1),
    at: Number.MAX_SAFE_INTEGER,
    other: bytes(2),
  } as const

  it('fills a salted box and is read back as it was', () => {
    const payload = encodeAnnouncement(said)
    expect(payload).toHaveLength(SALTED_PAYLOAD_BYTES)
    expect(tryDecodeAnnouncement(payload)).toEqual(said)
    const answer = { ...said, kind: 'answer' } as const
    expect(tryDecodeAnnouncement(encodeAnnouncement(answer))).toEqual(answer)
  })

  it('of another kind, of a time that no clock says or with more behind it is none', () => {
    for (const [at, value] of [
      [0, 3],
      [33, 1],
      [34, 0x20],
      [73, 1],
      [SALTED_PAYLOAD_BYTES - 1, 1],
    ] as const) {
      const payload = encodeAnnouncement(said)
      payload[at] = value
      expect(tryDecodeAnnouncement(payload)).toBeUndefined()
    }
  })
})
