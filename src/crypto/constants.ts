/** Bytes of a symmetric key, everywhere. */
export const KEY_BYTES = 32
/** Bytes of an Ed25519 seed; the secret half at rest. */
export const SEED_BYTES = 32
export const PUBLIC_KEY_BYTES = 32
/** libsodium's form of an Ed25519 secret key: seed 32 | public key 32. */
export const SECRET_KEY_BYTES = SEED_BYTES + PUBLIC_KEY_BYTES
/** R 32 | S 32. */
export const SIGNATURE_BYTES = 64
/** A scalar modulo L, little-endian. */
export const SCALAR_BYTES = 32
/** What a scalar is reduced from: 512 bits leave a bias below 2^-259. */
export const WIDE_SCALAR_BYTES = 64
/** Nonce of ChaCha20-Poly1305 (RFC 8439). */
export const AEAD_NONCE_BYTES = 12
/** Nonce of XChaCha20-Poly1305: long enough to be drawn at random. */
export const XAEAD_NONCE_BYTES = 24
/** Poly1305 tag, of both AEADs. */
export const AEAD_TAG_BYTES = 16
export const X25519_BYTES = 32
/** One BLAKE2b output; `kdf` expands in blocks of it. */
export const KDF_BLOCK_BYTES = 64
/** 255 blocks: the block counter is one byte. */
export const KDF_MAX_BYTES = 255 * KDF_BLOCK_BYTES
/** Ephemeral public key 32 + tag 16. */
export const SEALED_OVERHEAD_BYTES = X25519_BYTES + AEAD_TAG_BYTES
/** k1 … k4 of 32 | iv1 … iv4 of 12. */
export const LIONESS_KEY_BYTES = 4 * KEY_BYTES + 4 * AEAD_NONCE_BYTES
/** Left half 32, and at least one byte on the right. */
export const LIONESS_MIN_BLOCK_BYTES = 33
/** What an encapsulation draws from the `Rng`. */
export const KEM_RANDOM_BYTES = 32
/** The secret that a share carries. */
export const KEM_SECRET_BYTES = 32
/** FIPS 203, ML-KEM-768. */
export const ML_KEM_PUBLIC_KEY_BYTES = 1184
/** FIPS 203, ML-KEM-768: the ciphertext. */
export const ML_KEM_SHARE_BYTES = 1088
/** FIPS 203: d 32 | z 32. */
export const ML_KEM_SEED_BYTES = 64
