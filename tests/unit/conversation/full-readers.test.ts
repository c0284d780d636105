import { expect, it } from 'vitest'
import type { Address } from '../../../src/base/index.ts'
import {
  HEARD_MAX,
  HELD_BYTES_MAX,
  READ_EPOCHS_MAX,
  STORED_BYTES_MAX,
} from '../../../src/conversation/constants.ts'
import type { Contact, Unconfirmed } from '../../../src/conversation/contact.ts'
import { decodeReader, encodeReader } from '../../../src/conversation/contact-codec.ts'
import { StreamReader } from '../../../src/conversation/reader.ts'
import { signKeyPairFromSeed } from '../../../src/crypto/index.ts'
import { MAX_VALUE_BYTES } from '../../../src/store/constants.ts'
import { BUCKETS, openMemoryStore } from '../../../src/store/index.ts'
import {
  BOX_PAYLOAD_BYTES,
  FRAGMENT_CHARGE_BYTES,
  FRAGMENT_HEADER_BYTES,
  MAX_PADDED_BYTES,
  MAX_PARTIAL_BYTES,
  MAX_RECORD_BYTES,
  MAX_WINDOW_SIZE,
} from '../../../src/stream/constants.ts'
import { advanceChain, firstChain, sealBox, Segmenter } from '../../../src/stream/index.ts'
import { encodeSegments } from '../../../src/stream/segments.ts'
import { NETWORK_ID } from '../../support/devices.ts'
import { storePorts } from '../../support/store-contract.ts'

const OPTIONS = { networkId: NETWORK_ID, windowSize: MAX_WINDOW_SIZE }
const ROOT_SEED = new Uint8Array(32).fill(3)
const { publicKey: ROOT } = signKeyPairFromSeed(ROOT_SEED)
const FRAGMENT_BYTES = BOX_PAYLOAD_BYTES - FRAGMENT_HEADER_BYTES

/** Opens an epoch of `reader`; what it returns puts any payload into its next box. */
function openEpoch(reader: StreamReader, tag: string) {
  const secret = new Uint8Array(32).fill(tag.charCodeAt(2))
  let chain = firstChain(secret)
  let index = 0
  reader.open(tag, ROOT, firstChain(secret))
  return (payload: Uint8Array) => {
    const { next, keys } = advanceChain(chain)
    chain = next
    const box = sealBox({ networkId: NETWORK_ID, expiryDay: 9, rootSeed: ROOT_SEED, keys, payload })
    if (!reader.accept(tag, index++, box).fresh) throw new Error('a box was not read')
    reader.extend(1)
  }
}

/** A whole record. */
function put(box: (payload: Uint8Array) => void, seq: number, length: number): void {
  const segmenter = new Segmenter()
  segmenter.push({ seq, bytes: new Uint8Array(length).fill(seq) })
  while (segmenter.pending) box(segmenter.fill().payload)
}

/** Records that are never whole, up to the limit of an epoch. */
function fillPartial(box: (payload: Uint8Array) => void, firstSeq: number): void {
  const each = Math.floor(MAX_PADDED_BYTES / FRAGMENT_BYTES)
  const count = Math.floor(MAX_PARTIAL_BYTES / (FRAGMENT_BYTES + FRAGMENT_CHARGE_BYTES))
  for (let i = 0; i < count; i++) {
    const seq = firstSeq + Math.floor(i / each)
    const offset = (i % each) * FRAGMENT_BYTES
    const data = new Uint8Array(FRAGMENT_BYTES).fill(i)
    box(encodeSegments([{ seq, total: MAX_PADDED_BYTES, offset, data }], BOX_PAYLOAD_BYTES))
  }
}

/** The most that a writer can make its reader hold. */
function fullReader(): StreamReader {
  const reader = new StreamReader(OPTIONS)
  const epochs = Array.from({ length: READ_EPOCHS_MAX }, (_, i) => openEpoch(reader, `0.${i}`))
  reader.extend(READ_EPOCHS_MAX * MAX_WINDOW_SIZE)
  const [first] = epochs
  if (first === undefined) throw new Error('no epoch')
  put(first, 2, HELD_BYTES_MAX)
  // The record that is due next is held in any case.
  put(first, 1, MAX_RECORD_BYTES)
  for (const [i, box] of epochs.entries()) fillPartial(box, 1000 * (i + 1))
  return reader
}

it('everything that a contact can make its two readers hold fits into what is stored', async () => {
  const unconfirmed = new Map<string, Unconfirmed>()
  for (let i = 0; i < HEARD_MAX; i++) {
    const address = new Uint8Array(32).fill(i) as Address
    unconfirmed.set(i.toString(16).padStart(64, '0'), { address, day: 20_000 })
  }
  const contact = {
    reader: fullReader(),
    former: { reader: fullReader(), until: Number.MAX_SAFE_INTEGER },
    ackDueAt: Number.MAX_SAFE_INTEGER,
    unconfirmed,
  }
  const bytes = encodeReader(contact as unknown as Contact)
  expect(bytes.length).toBeGreaterThan(3_400_000)
  expect(bytes.length).toBeLessThanOrEqual(Math.min(STORED_BYTES_MAX, MAX_VALUE_BYTES))
  const store = await openMemoryStore(storePorts)
  await store.batch().putSecret(BUCKETS.readWindows, Uint8Array.of(1), bytes).commit()
  const stored = await store.get(BUCKETS.readWindows, Uint8Array.of(1))
  const { former, reader } = decodeReader(OPTIONS, stored ?? new Uint8Array())
  for (const read of [reader, former?.reader])
    expect(read?.next()?.bytes.length).toBe(MAX_RECORD_BYTES)
})
