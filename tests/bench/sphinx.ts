import { createPublicKey, decapsulate, encapsulate, generateKeyPairSync } from 'node:crypto'
import sodium from 'sodium-native'
import { asNodeId, systemRng } from '../../src/base/index.ts'
import {
  createSurb,
  type Geometry,
  mixKeyPair,
  type MixSuite,
  sphinxGeometry,
  unwrapPacket,
  useSurb,
  wrapPacket,
} from '../../src/sphinx/index.ts'
import type { BenchResult } from './box.ts'

const BODY_BYTES = 2049
/** Three quarters of the rate of bare X25519, seven tenths of that of both key exchanges of X-Wing. */
const TARGETS: Record<MixSuite, number> = { x25519: 1.33, 'x-wing': 1.43 }
const WRAP_TARGET = 8

const ROUNDS = 201
/** Shorter than what a busy system leaves a process at a time, so that most batches are not interrupted. */
const BATCH_US = 400

const rng = systemRng

/** Median microseconds per call of each task; rounds are interleaved, so load hits all alike. */
function medians<Name extends string>(tasks: Record<Name, () => void>): Record<Name, number> {
  const names = Object.keys(tasks) as Name[]
  const timed = (task: () => void, calls: number) => {
    const start = performance.now()
    for (let i = 0; i < calls; i++) task()
    return ((performance.now() - start) * 1000) / calls
  }
  const runs = names.map((name) => {
    const first = Math.min(...Array.from({ length: 20 }, () => timed(tasks[name], 10)))
    return { name, calls: Math.max(1, Math.round(BATCH_US / first)), samples: [] as number[] }
  })
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, calls, samples } of runs) samples.push(timed(tasks[name], calls))
  }
  return Object.fromEntries(
    runs.map(({ name, samples }) => [name, samples.sort((a, b) => a - b)[ROUNDS >> 1]]),
  ) as Record<Name, number>
}

function prepare(suite: MixSuite, hops: number) {
  const geometry = sphinxGeometry({ suite, hops, bodyBytes: BODY_BYTES })
  const keys = mixKeyPair(suite, rng.bytes(32))
  const nodeId = asNodeId(rng.bytes(32))
  const { publicKey } = keys
  const route = Array.from({ length: hops }, () => ({ nodeId, publicKey, delayMs: 500 }))
  const plaintext = rng.bytes(geometry.plaintextBytes)
  const packet = wrapPacket(rng, geometry, route, plaintext)
  const surb = createSurb(rng, geometry, route, nodeId)
  return { geometry, keys, route, plaintext, packet, surb, nodeId }
}

/** X25519 alone, and everything that libsodium does for one unwrap: bounds, with every buffer prepared. */
function bare(geometry: Geometry) {
  const [out, scalar, point] = [new Uint8Array(32), rng.bytes(32), new Uint8Array(32)]
  sodium.crypto_scalarmult_base(point, rng.bytes(32))
  const [key, nonce] = [rng.bytes(32), new Uint8Array(12)]
  const [wide, mac] = [new Uint8Array(64), new Uint8Array(16)]
  const context = rng.bytes(128)
  const header = rng.bytes(geometry.headerBytes - 16)
  const block = rng.bytes(64 + geometry.blockBytes + geometry.slotBytes)
  const right = rng.bytes(geometry.payloadBytes - 32)
  const layerKey = rng.bytes(176)
  const x25519 = () => sodium.crypto_scalarmult(out, scalar, point)
  return {
    x25519,
    primitives: () => {
      x25519()
      sodium.crypto_generichash(wide, context, key)
      sodium.crypto_stream_chacha20_ietf_xor(block, block, nonce, key)
      sodium.crypto_generichash(mac, header, key)
      sodium.crypto_stream_chacha20_ietf_xor(layerKey, layerKey, nonce, key)
      for (let round = 0; round < 2; round++) {
        sodium.crypto_generichash(out, right, key)
        sodium.crypto_stream_chacha20_ietf_xor(right, right, nonce, key)
      }
    },
  }
}

function bareLattice() {
  const { privateKey } = generateKeyPairSync('ml-kem-768')
  const { ciphertext } = encapsulate(createPublicKey(privateKey))
  return () => void decapsulate(privateKey, ciphertext)
}

/** Cost of packets of both suites, and its ratio to the bare key exchange, measured in one run. */
export async function benchSphinx(): Promise<BenchResult[]> {
  const five = prepare('x25519', 5)
  const four = prepare('x25519', 4)
  const quantum = prepare('x-wing', 5)
  const { x25519, primitives } = bare(five.geometry)
  const lattice = bareLattice()
  const us = medians({
    x25519,
    primitives,
    unwrap: () => void unwrapPacket(five.geometry, five.keys, five.packet),
    wrap: () => void wrapPacket(rng, four.geometry, four.route, four.plaintext),
    surb: () => void createSurb(rng, four.geometry, four.route, four.nodeId),
    useSurb: () => void useSurb(four.geometry, four.surb.bytes, four.plaintext),
    bareQuantum: () => {
      x25519()
      lattice()
    },
    unwrapQuantum: () => void unwrapPacket(quantum.geometry, quantum.keys, quantum.packet),
    wrapQuantum: () => void wrapPacket(rng, quantum.geometry, quantum.route, quantum.plaintext),
  })
  const ratio = (own: number, lower: number) => Math.round((own / lower) * 100) / 100
  const round = (value: number) => Math.round(value * 10) / 10
  return [
    {
      name: 'sphinx: unwrap / bare X25519',
      value: ratio(us.unwrap, us.x25519),
      unit: '×',
      target: TARGETS.x25519,
      note: `median; ${five.geometry.packetBytes} bytes, 5 hops`,
    },
    {
      name: 'sphinx: its primitives alone / bare X25519',
      value: ratio(us.primitives, us.x25519),
      unit: '×',
      note: 'libsodium with prepared buffers: no code of ours could be faster',
    },
    {
      name: 'sphinx: wrap 4 hops / bare X25519',
      value: ratio(us.wrap, us.x25519),
      unit: '×',
      target: WRAP_TARGET,
    },
    {
      name: 'sphinx: unwrap X-Wing / bare X25519 and ML-KEM',
      value: ratio(us.unwrapQuantum, us.bareQuantum),
      unit: '×',
      target: TARGETS['x-wing'],
      note: `${quantum.geometry.packetBytes} bytes, 5 hops`,
    },
    { name: 'sphinx: unwrap', value: Math.round(1e6 / us.unwrap), unit: 'per core/s' },
    {
      name: 'sphinx: unwrap X-Wing',
      value: Math.round(1e6 / us.unwrapQuantum),
      unit: 'per core/s',
    },
    { name: 'sphinx: wrap 4 hops', value: round(us.wrap), unit: 'µs' },
    { name: 'sphinx: make a SURB of 4 hops', value: round(us.surb), unit: 'µs' },
    { name: 'sphinx: use a SURB', value: round(us.useSurb), unit: 'µs' },
    { name: 'sphinx: wrap 5 hops X-Wing', value: round(us.wrapQuantum), unit: 'µs' },
  ]
}

if (import.meta.main) console.table(await benchSphinx())
