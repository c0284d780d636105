import type { ICryptoInterface } from '@chainsafe/libp2p-noise'
import { defaultCrypto } from '@chainsafe/libp2p-noise/crypto'
import { aeadOpen, aeadSeal } from '../crypto/index.ts'

/**
 * The same bytes on the wire as Noise's default, with libsodium's ChaCha20-Poly1305 for the frames: 4 µs for a mix
 * frame, where a cipher object of OpenSSL for every frame takes 30. Of all that a relay does for a packet this was
 * a fifth. `chaCha20Poly1305Decrypt` throws HearsayError `open-failed`, which ends the connection.
 */
export const noiseCrypto: ICryptoInterface = {
  ...defaultCrypto,
  chaCha20Poly1305Encrypt: (plaintext, nonce, ad, key) =>
    aeadSeal(key, nonce, plaintext.subarray(), ad),
  chaCha20Poly1305Decrypt: (ciphertext, nonce, ad, key) =>
    aeadOpen(key, nonce, ciphertext.subarray(), ad),
}
