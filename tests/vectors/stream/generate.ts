import { writeFileSync } from 'node:fs'
import { asNetworkId, toHex } from '../../../src/base/index.ts'
import {
  blind,
  blindFromBytes,
  LABELS,
  hash,
  kdf,
  signBlinded,
  signKeyPairFromSeed,
} from '../../../src/crypto/index.ts'
import {
  addressOf,
  advanceChain,
  boxHash,
  firstChain,
  sealBox,
  sealSaltedBox,
  SALTED_PAYLOAD_BYTES,
  Segmenter,
} from '../../../src/stream/index.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { hostileBoxes } from './hostile-boxes.ts'

/**
 * All vectors of crypto and stream, made by this implementation from a fixed seed. They are committed; a
 * test makes them again and compares. `node tests/vectors/stream/generate.ts` writes them.
 */
export function generate(): Record<string, unknown> {
  return {
    'hash.json': hashes(),
    'blinding.json': blindings(),
    'chain.json': chain(),
    'boxes.json': boxes(),
    'segments.json': segments(),
    'hostile-boxes.json': hostileBoxes(),
  }
}

function hashes() {
  const rng = seededRng('hash')
  const [key, context] = [rng.bytes(32), rng.bytes(20)]
  return {
    key: toHex(key),
    context: toHex(context),
    hash: toHex(hash(LABELS.boxHash, key, context)),
    kdf: [1, 64, 128, 200].map((length) => toHex(kdf(LABELS.streamChain, key, context, length))),
  }
}

function blindings() {
  const rng = seededRng('blinding')
  return Array.from({ length: 8 }, (_, i) => {
    const seed = rng.bytes(32)
    const wide = rng.bytes(64)
    const message = rng.bytes(i * 13)
    const by = blindFromBytes(wide)
    const { publicKey } = signKeyPairFromSeed(seed)
    return {
      seed: toHex(seed),
      root: toHex(publicKey),
      wide: toHex(wide),
      blind: toHex(by),
      address: toHex(blind(publicKey, by)),
      message: toHex(message),
      signature: toHex(signBlinded(seed, by, message)),
    }
  })
}

function chain() {
  const rng = seededRng('chain')
  const secret = rng.bytes(32)
  const { publicKey: root } = signKeyPairFromSeed(rng.bytes(32))
  let state = firstChain(secret)
  const steps = []
  for (let i = 0; i < 4; i++) {
    const chainKey = toHex(state.chainKey)
    const { next, keys } = advanceChain(state)
    steps.push({
      index: keys.index,
      chainKey,
      blind: toHex(keys.blind),
      key: toHex(keys.key),
      address: toHex(addressOf(root, keys.blind)),
    })
    state = next
  }
  return { secret: toHex(secret), root: toHex(root), steps }
}

function boxes() {
  const rng = seededRng('boxes')
  const networkId = asNetworkId(rng.bytes(32))
  const rootSeed = rng.bytes(32)
  const secret = rng.bytes(32)
  const salt = rng.bytes(32)
  const first = advanceChain(firstChain(secret))
  const second = advanceChain(first.next)
  const options = { networkId, expiryDay: 20_500, rootSeed }
  const payload = new Segmenter().fill().payload.fill(0x42)
  const plain = sealBox({ ...options, keys: first.keys, payload })
  const salted = sealSaltedBox({
    ...options,
    keys: second.keys,
    payload: payload.subarray(0, SALTED_PAYLOAD_BYTES),
    salt,
  })
  return {
    networkId: toHex(networkId),
    expiryDay: 20_500,
    rootSeed: toHex(rootSeed),
    chainSecret: toHex(secret),
    payloadByte: 0x42,
    salt: toHex(salt),
    plain: { box: toHex(plain), hash: toHex(boxHash(plain)) },
    salted: { box: toHex(salted), hash: toHex(boxHash(salted)) },
  }
}

function segments() {
  const rng = seededRng('segments')
  const records = [40, 3000, 0, 1900].map((length, i) => ({ seq: 7 + i, bytes: rng.bytes(length) }))
  const segmenter = new Segmenter()
  for (const record of records) segmenter.push(record)
  const payloads = []
  while (segmenter.pending) payloads.push(toHex(segmenter.fill().payload))
  return { records: records.map(({ seq, bytes }) => ({ seq, bytes: toHex(bytes) })), payloads }
}

if (import.meta.main) {
  for (const [name, content] of Object.entries(generate())) {
    const file = new URL(name, import.meta.url)
    writeFileSync(file, `${JSON.stringify(content, null, 1)}\n`)
  }
}
