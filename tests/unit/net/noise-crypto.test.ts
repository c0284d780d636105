import { defaultCrypto } from '@chainsafe/libp2p-noise/crypto'
import { describe, expect, it } from 'vitest'
import { noiseCrypto } from '../../../src/net/noise-crypto.ts'
import { seededRng } from '../../support/seeded-rng.ts'
import { errorCode } from '../../support/outcome.ts'

const rng = seededRng('noise crypto')
const SIZES = [0, 1, 15, 16, 1199, 1200, 3515, 65_519]

/** Bytes that libp2p holds in two pieces. */
function inPieces(bytes: Uint8Array): Uint8Array & { byteLength: number } {
  const cut = bytes.length >>> 1
  const pieces = [bytes.subarray(0, cut), bytes.subarray(cut)]
  return {
    length: bytes.length,
    byteLength: bytes.length,
    subarray: () => Uint8Array.from(pieces.flatMap((piece) => [...piece])),
  } as never
}

describe('the frames of Noise', () => {
  it('are the bytes that its default cryptography makes, and are opened by it', () => {
    for (const size of SIZES) {
      const [key, nonce, ad, plain] = [rng.bytes(32), rng.bytes(12), rng.bytes(32), rng.bytes(size)]
      const sealed = noiseCrypto.chaCha20Poly1305Encrypt(plain, nonce, ad, key).subarray()
      const usual = defaultCrypto.chaCha20Poly1305Encrypt(plain, nonce, ad, key).subarray()
      expect(Buffer.from(sealed).equals(usual), `${size}`).toBe(true)
      const opened = noiseCrypto.chaCha20Poly1305Decrypt(usual, nonce, ad, key).subarray()
      expect(Buffer.from(opened).equals(plain), `${size}`).toBe(true)
    }
  })

  it('may be held in pieces', () => {
    const [key, nonce, ad, plain] = [rng.bytes(32), rng.bytes(12), rng.bytes(0), rng.bytes(3515)]
    const sealed = noiseCrypto.chaCha20Poly1305Encrypt(inPieces(plain), nonce, ad, key).subarray()
    const opened = noiseCrypto.chaCha20Poly1305Decrypt(inPieces(sealed), nonce, ad, key).subarray()
    expect(Buffer.from(opened).equals(plain)).toBe(true)
  })

  it('that were touched are refused', () => {
    const [key, nonce, ad] = [rng.bytes(32), rng.bytes(12), rng.bytes(32)]
    const sealed = noiseCrypto.chaCha20Poly1305Encrypt(rng.bytes(40), nonce, ad, key).subarray()
    for (const at of [0, 39, 40, 55]) {
      const touched = sealed.slice()
      touched[at] = (touched[at] ?? 0) ^ 1
      const open = () => noiseCrypto.chaCha20Poly1305Decrypt(touched, nonce, ad, key)
      expect(errorCode(open), `${at}`).toBe('open-failed')
    }
    const short = () => noiseCrypto.chaCha20Poly1305Decrypt(sealed.subarray(0, 15), nonce, ad, key)
    expect(errorCode(short)).toBe('open-failed')
  })
})
