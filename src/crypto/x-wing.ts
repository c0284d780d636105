import {
  createHash,
  createPrivateKey,
  createPublicKey,
  decapsulate,
  encapsulate,
  hash,
  type KeyObject,
} from 'node:crypto'
import { HearsayError } from '../base/index.ts'
import {
  KEM_RANDOM_BYTES,
  KEM_SECRET_BYTES,
  ML_KEM_PUBLIC_KEY_BYTES,
  ML_KEM_SEED_BYTES,
  ML_KEM_SHARE_BYTES,
  SEED_BYTES,
  X25519_BYTES,
} from './constants.ts'
import { type Kem, x25519Kem } from './kem.ts'

const PUBLIC_KEY_BYTES = ML_KEM_PUBLIC_KEY_BYTES + X25519_BYTES
const SHARE_BYTES = ML_KEM_SHARE_BYTES + X25519_BYTES

/** DER of an ML-KEM-768 public key (SubjectPublicKeyInfo), up to the key. */
const SPKI_PREFIX = Buffer.from('308204b2300b0609608648016503040402038204a100', 'hex')
/** DER of an ML-KEM-768 private key (PKCS #8, seed only), up to the seed. */
const PKCS8_PREFIX = Buffer.from('3054020100300b060960864801650304040204428040', 'hex')
const LABEL = Buffer.from('\\.//^\\', 'latin1')

// ML-KEM secret 32 | X25519 secret 32 | X25519 share 32 | X25519 key 32 | label 6. Shared: the function is
// synchronous and wipes it.
const combined = Buffer.alloc(4 * X25519_BYTES + LABEL.length)

/**
 * X-Wing (draft-connolly-cfrg-xwing-kem): ML-KEM-768 and X25519, secure while one of them is. Public key 1216,
 * share 1120, seed 32 bytes. OpenSSL does ML-KEM and draws its randomness itself, so the share of one `fresh`
 * differs from call to call: a run over this suite is not repeated by its seed. Stricter than the draft in one
 * point: an X25519 part of small order is refused.
 */
export const xWingKem: Kem = {
  publicKeyBytes: PUBLIC_KEY_BYTES,
  shareBytes: SHARE_BYTES,

  keyPair(seed) {
    if (seed.length !== SEED_BYTES) throw new HearsayError('bad-length', 'a seed is 32 bytes')
    const length = ML_KEM_SEED_BYTES + SEED_BYTES
    const expanded = createHash('shake256', { outputLength: length }).update(seed).digest()
    let lattice: KeyObject | undefined = latticeKey(expanded.subarray(0, ML_KEM_SEED_BYTES))
    const curve = x25519Kem.keyPair(expanded.subarray(ML_KEM_SEED_BYTES))
    expanded.fill(0)

    const spki = createPublicKey(lattice).export({ format: 'der', type: 'spki' })
    const publicKey = new Uint8Array(PUBLIC_KEY_BYTES)
    publicKey.set(spki.subarray(SPKI_PREFIX.length))
    publicKey.set(curve.publicKey, ML_KEM_PUBLIC_KEY_BYTES)
    return {
      publicKey,
      decapsulate: (share) => {
        if (lattice === undefined || share.length !== SHARE_BYTES) return undefined
        const curveShare = share.subarray(ML_KEM_SHARE_BYTES)
        const curveSecret = curve.decapsulate(curveShare)
        if (curveSecret === undefined) return undefined
        const latticeSecret = decapsulate(lattice, share.subarray(0, ML_KEM_SHARE_BYTES))
        return combine(latticeSecret, curveSecret, curveShare, curve.publicKey)
      },
      wipe: () => {
        curve.wipe()
        // OpenSSL overwrites its copy when the object is collected.
        lattice = undefined
      },
    }
  },

  encapsulate(fresh, publicKey) {
    if (fresh.length !== KEM_RANDOM_BYTES || publicKey.length !== PUBLIC_KEY_BYTES) {
      throw new HearsayError('bad-length', 'an X-Wing key is 1216 bytes')
    }
    const curveKey = publicKey.subarray(ML_KEM_PUBLIC_KEY_BYTES)
    const curve = x25519Kem.encapsulate(fresh, curveKey)
    const lattice = latticeEncapsulate(publicKey.subarray(0, ML_KEM_PUBLIC_KEY_BYTES))
    const share = new Uint8Array(SHARE_BYTES)
    share.set(lattice.ciphertext)
    share.set(curve.share, ML_KEM_SHARE_BYTES)
    return { share, secret: combine(lattice.sharedKey, curve.secret, curve.share, curveKey) }
  },
}

function latticeKey(seed: Uint8Array): KeyObject {
  const der = Buffer.concat([PKCS8_PREFIX, seed])
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  der.fill(0)
  return key
}

function latticeEncapsulate(publicKey: Uint8Array): { ciphertext: Buffer; sharedKey: Buffer } {
  const key = Buffer.concat([SPKI_PREFIX, publicKey])
  try {
    return encapsulate({ key, format: 'der', type: 'spki' })
  } catch {
    // FIPS 203 checks that every coefficient is reduced.
    throw new HearsayError('bad-key', 'not an ML-KEM key')
  }
}

/** SHA3-256 over both secrets and the X25519 transcript; ML-KEM binds its own. Wipes the secrets. */
function combine(
  latticeSecret: Uint8Array,
  curveSecret: Uint8Array,
  curveShare: Uint8Array,
  curveKey: Uint8Array,
): Uint8Array {
  let at = 0
  for (const part of [latticeSecret, curveSecret, curveShare, curveKey, LABEL]) {
    combined.set(part, at)
    at += part.length
  }
  const digest = hash('sha3-256', combined, 'buffer')
  const secret = new Uint8Array(KEM_SECRET_BYTES)
  secret.set(digest)
  for (const part of [combined, digest, latticeSecret, curveSecret]) part.fill(0)
  return secret
}
