import sodium from 'sodium-native'
import { asNetworkId, type Rng, systemRng } from '../../src/base/index.ts'
import { signKeyPairFromSeed } from '../../src/crypto/index.ts'
import {
  advanceChain,
  BOX_PAYLOAD_BYTES,
  BOX_SIGNED_BYTES,
  type BoxKeys,
  copyChain,
  coverBox,
  firstChain,
  openBox,
  ReadWindow,
  sealBox,
  verifyBox,
} from '../../src/stream/index.ts'

export interface BenchResult {
  name: string
  value: number
  unit: string
  target?: number
  note?: string
}

const ROUNDS = 41
const PER_ROUND = 25
const TARGET_RATIO = 1.5

/** Median microseconds per call of each task; rounds are interleaved, so load hits all alike. */
function medians<Name extends string>(tasks: Record<Name, () => void>): Record<Name, number> {
  const names = Object.keys(tasks) as Name[]
  const samples = new Map<Name, number[]>(names.map((name) => [name, []]))
  for (let round = -3; round < ROUNDS; round++) {
    for (const name of names) {
      const task = tasks[name]
      const start = performance.now()
      for (let i = 0; i < PER_ROUND; i++) task()
      const us = ((performance.now() - start) * 1000) / PER_ROUND
      if (round >= 0) samples.get(name)?.push(us)
    }
  }
  const median = (list: number[]) => list.sort((a, b) => a - b)[list.length >> 1] as number
  return Object.fromEntries(names.map((name) => [name, median(samples.get(name) ?? [])])) as Record<
    Name,
    number
  >
}

/** The same work on libsodium alone, with every buffer prepared: a lower bound. */
function bare(rng: Rng) {
  const { publicKey, secretKey } = signKeyPairFromSeed(rng.bytes(32))
  const [publicKeyOut, scalar] = [new Uint8Array(32), rng.bytes(32)]
  const message = rng.bytes(32 + BOX_SIGNED_BYTES)
  const signature = new Uint8Array(64)
  const [key, nonce, ad] = [rng.bytes(32), new Uint8Array(12), rng.bytes(69)]
  const payload = rng.bytes(BOX_PAYLOAD_BYTES)
  const sealed = new Uint8Array(BOX_PAYLOAD_BYTES + 16)
  sodium.crypto_aead_chacha20poly1305_ietf_encrypt(sealed, payload, ad, null, nonce, key)
  sodium.crypto_sign_detached(signature, message, secretKey)
  return {
    make: () => {
      sodium.crypto_aead_chacha20poly1305_ietf_encrypt(sealed, payload, ad, null, nonce, key)
      sodium.crypto_sign_detached(signature, message, secretKey)
    },
    blind: () => sodium.crypto_scalarmult_ed25519_base_noclamp(publicKeyOut, scalar),
    take: () => {
      const valid =
        sodium.crypto_core_ed25519_is_valid_point(publicKey) &&
        sodium.crypto_sign_verify_detached(signature, message, publicKey)
      if (!valid) throw new Error('the bare signature is invalid')
      sodium.crypto_aead_chacha20poly1305_ietf_decrypt(payload, null, sealed, ad, nonce, key)
    },
  }
}

/** Cost of a box, and its ratio to the bare primitives, measured in one run. */
export async function benchBox(): Promise<BenchResult[]> {
  const rng = systemRng
  const networkId = asNetworkId(rng.bytes(32))
  const rootSeed = rng.bytes(32)
  const { publicKey: root } = signKeyPairFromSeed(rootSeed)
  const chain = firstChain(rng.bytes(32))
  const window = new ReadWindow(root, chain, 4)
  window.extend(4)
  const keys: BoxKeys = advanceChain(copyChain(chain)).keys
  const options = { networkId, expiryDay: 20_000, rootSeed, keys }
  const payload = rng.bytes(BOX_PAYLOAD_BYTES)
  const box = sealBox({ ...options, payload })
  const { make, blind, take } = bare(rng)
  let [index, writer] = [0, copyChain(chain)]
  const us = medians({
    make,
    blind,
    take,
    real: () => {
      const step = advanceChain(writer)
      writer = step.next
      sealBox({ ...options, keys: step.keys, payload })
    },
    seal: () => void sealBox({ ...options, payload }),
    cover: () => void coverBox({ networkId, expiryDay: 20_000, rng }),
    verify: () => void verifyBox(networkId, box),
    open: () => void openBox(networkId, keys, box),
    advance: () => {
      window.take(index++)
      window.extend(1)
    },
  })
  const ratio = (own: number, lower: number) => Math.round((own / lower) * 100) / 100
  const note = 'median; libsodium does the same without blinding, with prepared buffers'
  const all = ratio(us.seal + us.verify + us.open, us.make + us.take)
  const round = (value: number) => Math.round(value * 10) / 10
  return [
    {
      name: 'box: both sides / bare primitives',
      value: all,
      unit: '×',
      target: TARGET_RATIO,
      note,
    },
    {
      name: 'box: verify and open / bare',
      value: ratio(us.verify + us.open, us.take),
      unit: '×',
      target: TARGET_RATIO,
    },
    {
      name: 'box: seal and sign / bare',
      value: ratio(us.seal, us.make + us.blind),
      unit: '×',
      target: TARGET_RATIO,
      note: 'bare with the base point multiplication that makes the address',
    },
    {
      name: 'box: seal and sign / bare without an address',
      value: ratio(us.seal, us.make),
      unit: '×',
    },
    { name: 'box: seal and sign', value: round(us.seal), unit: 'µs' },
    {
      name: 'box: cover / real',
      value: ratio(us.cover, us.real),
      unit: '×',
      note: 'with its chain step',
    },
    { name: 'box: verify', value: round(us.verify), unit: 'µs' },
    { name: 'box: open', value: round(us.open), unit: 'µs' },
    { name: 'box: window advance', value: round(us.advance), unit: 'µs' },
  ]
}

if (import.meta.main) console.table(await benchBox())
