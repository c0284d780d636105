// sodium-native ships no types. Only what this folder calls is declared; a `void` function throws a plain
// Error when an argument has the wrong length, and the wrappers check lengths before they call.
declare module 'sodium-native' {
  interface Sodium {
    crypto_generichash(output: Uint8Array, input: Uint8Array, key?: Uint8Array): void
    crypto_hash_sha256(output: Uint8Array, input: Uint8Array): void
    crypto_hash_sha512(output: Uint8Array, input: Uint8Array): void
    crypto_aead_chacha20poly1305_ietf_encrypt(
      ciphertext: Uint8Array,
      message: Uint8Array,
      ad: Uint8Array | null,
      nsec: null,
      nonce: Uint8Array,
      key: Uint8Array,
    ): number
    crypto_aead_chacha20poly1305_ietf_decrypt(
      message: Uint8Array,
      nsec: null,
      ciphertext: Uint8Array,
      ad: Uint8Array | null,
      nonce: Uint8Array,
      key: Uint8Array,
    ): number
    crypto_aead_xchacha20poly1305_ietf_encrypt(
      ciphertext: Uint8Array,
      message: Uint8Array,
      ad: Uint8Array | null,
      nsec: null,
      nonce: Uint8Array,
      key: Uint8Array,
    ): number
    crypto_aead_xchacha20poly1305_ietf_decrypt(
      message: Uint8Array,
      nsec: null,
      ciphertext: Uint8Array,
      ad: Uint8Array | null,
      nonce: Uint8Array,
      key: Uint8Array,
    ): number
    crypto_stream_chacha20_ietf_xor(
      output: Uint8Array,
      input: Uint8Array,
      nonce: Uint8Array,
      key: Uint8Array,
    ): void
    crypto_scalarmult(output: Uint8Array, scalar: Uint8Array, point: Uint8Array): void
    crypto_scalarmult_base(output: Uint8Array, scalar: Uint8Array): void
    crypto_sign_seed_keypair(publicKey: Uint8Array, secretKey: Uint8Array, seed: Uint8Array): void
    crypto_sign_detached(signature: Uint8Array, message: Uint8Array, secretKey: Uint8Array): void
    crypto_sign_verify_detached(
      signature: Uint8Array,
      message: Uint8Array,
      publicKey: Uint8Array,
    ): boolean
    crypto_core_ed25519_is_valid_point(point: Uint8Array): boolean
    crypto_core_ed25519_scalar_reduce(output: Uint8Array, wide: Uint8Array): void
    crypto_core_ed25519_scalar_add(output: Uint8Array, a: Uint8Array, b: Uint8Array): void
    crypto_scalarmult_ed25519_noclamp(
      output: Uint8Array,
      scalar: Uint8Array,
      point: Uint8Array,
    ): void
    crypto_scalarmult_ed25519_base_noclamp(output: Uint8Array, scalar: Uint8Array): void
    sodium_memcmp(a: Uint8Array, b: Uint8Array): boolean
  }
  const sodium: Sodium
  export default sodium
}
