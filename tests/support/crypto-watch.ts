import sodium from 'sodium-native'

type Bytes = Uint8Array
type Native = Record<string, (...args: never[]) => unknown>

interface Verified {
  readonly message: Bytes
  readonly publicKey: Bytes
  readonly isValid: boolean
}

const SEALING = [
  'crypto_aead_chacha20poly1305_ietf_encrypt',
  'crypto_aead_xchacha20poly1305_ietf_encrypt',
] as const

function text(bytes: Bytes): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

/**
 * Stands between this process and libsodium. A signature of the same bytes, which every node of a network verifies, is
 * verified once. Every key is remembered with its nonce: two plaintexts under one pair are a fault wherever they happen.
 */
export class CryptoWatch {
  readonly #verified = new Map<string, Verified>()
  readonly #points = new Map<string, boolean>()
  /** The tag by key and nonce: two plaintexts have two. */
  readonly #sealed = new Map<string, string>()
  #reused = 0

  /** One for the process: it cannot be taken back. */
  static install(): CryptoWatch {
    const watch = new CryptoWatch()
    watch.#memoise()
    return watch
  }

  /** Seals since the last `forget` whose key and nonce had sealed something else before. */
  get reused(): number {
    return this.#reused
  }

  /** For a run that begins with the keys of an earlier one. */
  forget(): void {
    this.#verified.clear()
    this.#points.clear()
    this.#sealed.clear()
    this.#reused = 0
  }

  #memoise(): void {
    const native = sodium as unknown as Native
    const verify = native[
      'crypto_sign_verify_detached'
    ] as typeof sodium.crypto_sign_verify_detached
    native['crypto_sign_verify_detached'] = (
      signature: Bytes,
      message: Bytes,
      publicKey: Bytes,
    ) => {
      const key = text(signature)
      const known = this.#verified.get(key)
      const isSame =
        known !== undefined &&
        Buffer.compare(known.publicKey, publicKey) === 0 &&
        Buffer.compare(known.message, message) === 0
      if (isSame) return known.isValid
      const isValid = verify(signature, message, publicKey)
      this.#verified.set(key, { message: message.slice(), publicKey: publicKey.slice(), isValid })
      return isValid
    }
    const isPoint = native['crypto_core_ed25519_is_valid_point'] as (point: Bytes) => boolean
    native['crypto_core_ed25519_is_valid_point'] = (point: Bytes) => {
      const key = text(point)
      const known = this.#points.get(key) ?? isPoint(point)
      this.#points.set(key, known)
      return known
    }
    for (const name of SEALING) {
      const seal = native[name] as (...args: unknown[]) => unknown
      native[name] = (...args: unknown[]) => {
        const result = seal(...args)
        const [out, , , , nonce, key] = args as Bytes[]
        this.#note(text(key as Bytes) + text(nonce as Bytes), text((out as Bytes).subarray(-16)))
        return result
      }
    }
  }

  #note(pair: string, tag: string): void {
    const before = this.#sealed.get(pair)
    if (before === undefined) this.#sealed.set(pair, tag)
    else if (before !== tag) this.#reused++
  }
}
