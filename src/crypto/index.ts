/** crypto: a typed wrapper over libsodium and OpenSSL, key blinding, and every domain-separation label. */
export {
  aeadOpen,
  aeadSeal,
  aeadSealInto,
  chacha20XorInto,
  xaeadOpen,
  xaeadSeal,
} from './aead.ts'
export { asBlind, blind, blindFromBytes, signBlinded, signBlindedWith } from './blinding.ts'
export type { Blind } from './blinding.ts'
export {
  AEAD_NONCE_BYTES,
  AEAD_TAG_BYTES,
  KDF_MAX_BYTES,
  KEM_RANDOM_BYTES,
  KEY_BYTES,
  LIONESS_KEY_BYTES,
  PUBLIC_KEY_BYTES,
  SCALAR_BYTES,
  SEED_BYTES,
  SIGNATURE_BYTES,
  WIDE_SCALAR_BYTES,
} from './constants.ts'
export { hash, hashHex, kdf, keyedHash, rawBlake2b, sha256, sha512 } from './hash.ts'
export { x25519Kem } from './kem.ts'
export type { Kem, KemKeyPair } from './kem.ts'
export { LABELS } from './labels.ts'
export type { Label } from './labels.ts'
export { lionessDecryptInto, lionessEncryptInto } from './lioness.ts'
export { constantTimeEqual, randomKey, wipe } from './secret-bytes.ts'
export { isValidPoint, sign, signKeyPairFromSeed, verify, verifyByCheckedKey } from './sign.ts'
export type { SignKeyPair } from './sign.ts'
export { sivOpen, sivSeal } from './siv.ts'
export { sealedBoxOpen, sealedBoxSeal, x25519, x25519PublicKey } from './x25519.ts'
export { xWingKem } from './x-wing.ts'
