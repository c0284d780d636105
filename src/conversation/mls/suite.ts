import { Chacha20Poly1305 } from '@hpke/chacha20poly1305'
import { CipherSuite, HkdfSha512 } from '@hpke/core'
import { XWing } from '@hpke/hybridkem-x-wing'
import { type CiphersuiteImpl, getCiphersuiteFromName, getCiphersuiteImpl } from 'ts-mls'
import type { Rng } from '../../base/index.ts'
import { sign, signKeyPairFromSeed, verify, wipe } from '../../crypto/index.ts'
import { MLS_CIPHER_SUITE } from './constants.ts'

const ENCAPSULATION_SEED_BYTES = 64
const KEY_SEED_BYTES = 32

/** The library's cipher suite, with all randomness from our port and our one Ed25519 verifier. */
export interface MlsSuite extends CiphersuiteImpl {
  /** The X-Wing public key (1216 bytes) of a 32-byte private key. */
  publicKeyOf(privateKey: Uint8Array): Promise<Uint8Array>
}

/** A copy that fills its buffer, which is what the HPKE library takes. */
function buffer(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer
}

/**
 * The suite. Signing keys are 32-byte seeds. Signatures are verified by `crypto.verify`: canonical points of
 * prime order only, which the library's WebCrypto verifier does not demand.
 */
export async function createSuite(rng: Rng): Promise<MlsSuite> {
  const base = await getCiphersuiteImpl(getCiphersuiteFromName(MLS_CIPHER_SUITE))
  const kem = new XWing()
  const hpke = new CipherSuite({ kem, kdf: new HkdfSha512(), aead: new Chacha20Poly1305() })
  return {
    ...base,
    rng: { randomBytes: (length) => rng.bytes(length) },
    signature: {
      sign: async (seed, message) => {
        const { secretKey } = signKeyPairFromSeed(seed)
        const signature = sign(message, secretKey)
        wipe(secretKey)
        return signature
      },
      verify: async (publicKey, message, signature) => verify(signature, message, publicKey),
      keygen: async () => {
        const seed = rng.bytes(KEY_SEED_BYTES)
        return { signKey: seed, publicKey: signKeyPairFromSeed(seed).publicKey }
      },
    },
    hpke: {
      ...base.hpke,
      generateKeyPair: () => base.hpke.deriveKeyPair(rng.bytes(KEY_SEED_BYTES)),
      // The library would draw from the global generator; the simulator repeats a run by its seed.
      async seal(publicKey, plaintext, info, aad) {
        const sealed = await hpke.seal(
          {
            recipientPublicKey: publicKey,
            info: buffer(info),
            ekm: buffer(rng.bytes(ENCAPSULATION_SEED_BYTES)),
          },
          buffer(plaintext),
          buffer(aad ?? new Uint8Array()),
        )
        return { ct: new Uint8Array(sealed.ct), enc: new Uint8Array(sealed.enc) }
      },
    },
    async publicKeyOf(privateKey) {
      const pair = await kem.generateKeyPairDerand(Uint8Array.from(privateKey))
      return new Uint8Array(await kem.serializePublicKey(pair.publicKey))
    },
  }
}
