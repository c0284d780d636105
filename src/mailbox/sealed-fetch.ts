import { concat, type NetworkId, type Rng, utf8 } from '../base/index.ts'
import {
  AEAD_NONCE_BYTES,
  AEAD_TAG_BYTES,
  aeadOpen,
  aeadSeal,
  KEY_BYTES,
  LABELS,
  randomKey,
  sealedBoxOpen,
  sealedBoxSeal,
} from '../crypto/index.ts'
import { FETCH_ANSWER_BYTES, FETCH_REQUEST_BYTES } from './constants.ts'

/** A reply key seals one answer, so the nonce can be constant. */
const ZERO_NONCE = new Uint8Array(AEAD_NONCE_BYTES)

const requestAd = (networkId: NetworkId) => concat(utf8(LABELS.keeperRequestSeal), networkId)
const answerAd = (networkId: NetworkId) => concat(utf8(LABELS.keeperReplySeal), networkId)

/** A question that only one keeper can read, and what opens its answer. */
export interface SealedFetch {
  /** SEALED_FETCH_BYTES. */
  readonly sealed: Uint8Array
  /** The answer, FETCH_ANSWER_BYTES; once. @throws HearsayError `open-failed` for what another made. */
  open(answer: Uint8Array): Uint8Array
}

/**
 * Seals a fetch request to a keeper's request key, with a fresh key for its answer inside: whoever carries them
 * learns neither which box is asked for nor whether it was there.
 */
export function sealFetch(
  rng: Rng,
  networkId: NetworkId,
  requestKey: Uint8Array,
  request: Uint8Array,
): SealedFetch {
  const replyKey = randomKey(rng)
  const plain = concat(request, replyKey)
  const sealed = sealedBoxSeal(rng, requestKey, plain, requestAd(networkId))
  plain.fill(0)
  return {
    sealed,
    open(answer) {
      try {
        return aeadOpen(replyKey, ZERO_NONCE, answer, answerAd(networkId))
      } finally {
        replyKey.fill(0)
      }
    },
  }
}

/**
 * A keeper's side: opens, asks `answer`, seals. What does not open, or is no request, gets random bytes of the same
 * length: SEALED_FETCH_ANSWER_BYTES always.
 */
export async function answerSealedFetch(
  ports: { readonly rng: Rng; readonly answer: (request: Uint8Array) => Promise<Uint8Array> },
  options: { readonly networkId: NetworkId; readonly requestSeed: Uint8Array },
  sealed: Uint8Array,
): Promise<Uint8Array> {
  const { networkId, requestSeed } = options
  let replyKey: Uint8Array
  let answer: Uint8Array
  try {
    const plain = sealedBoxOpen(requestSeed, sealed, requestAd(networkId))
    replyKey = plain.slice(FETCH_REQUEST_BYTES, FETCH_REQUEST_BYTES + KEY_BYTES)
    answer = await ports.answer(plain.slice(0, FETCH_REQUEST_BYTES))
  } catch {
    replyKey = randomKey(ports.rng)
    answer = ports.rng.bytes(FETCH_ANSWER_BYTES)
  }
  const out = aeadSeal(replyKey, ZERO_NONCE, answer, answerAd(networkId))
  replyKey.fill(0)
  return out.subarray(0, FETCH_ANSWER_BYTES + AEAD_TAG_BYTES)
}
