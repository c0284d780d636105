import { concat, HearsayError, type NetworkId, type Rng, utf8 } from '../base/index.ts'
import {
  AEAD_NONCE_BYTES,
  chacha20XorInto,
  LABELS,
  randomKey,
  sealedBoxOpen,
  sealedBoxSeal,
  sivOpen,
  sivSeal,
} from '../crypto/index.ts'
import { FETCH_ANSWER_BYTES, FETCH_REQUEST_BYTES, SEALED_FETCH_BYTES } from './constants.ts'

/** The reply key's own stream; answers are sealed under keys that are derived from it. */
const FILLER_NONCE = new Uint8Array(AEAD_NONCE_BYTES).fill(0xff)

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
  let isOpened = false
  return {
    sealed,
    open(answer) {
      // The key is gone: what is sealed under zeros must not pass for an answer.
      if (isOpened) throw new HearsayError('open-failed', 'the answer was opened before')
      isOpened = true
      try {
        return sivOpen(replyKey, answer, answerAd(networkId))
      } finally {
        replyKey.fill(0)
      }
    },
  }
}

/**
 * What fills an answer without a box follows from the question. A courier may ask the same question twice: were the
 * filler fresh, equal answers would tell it that the box was there.
 */
function fillerOf(replyKey: Uint8Array): Rng {
  return {
    bytes: (length) => {
      const out = new Uint8Array(length)
      chacha20XorInto(out, replyKey, FILLER_NONCE, out)
      return out
    },
  }
}

/**
 * A keeper's side: opens, asks `answer`, seals. It may be asked the same again, by a courier or a link that carries a
 * frame twice, when it has got the box meanwhile: two answers under one key, hence the deterministic seal. `answer` takes from `filler` what it would draw at random. What does
 * not open, or is no request, gets random bytes of the same length: SEALED_FETCH_ANSWER_BYTES always.
 */
export async function answerSealedFetch(
  ports: {
    readonly rng: Rng
    readonly answer: (request: Uint8Array, filler: Rng) => Promise<Uint8Array>
  },
  options: { readonly networkId: NetworkId; readonly requestSeed: Uint8Array },
  sealed: Uint8Array,
): Promise<Uint8Array> {
  const { networkId, requestSeed } = options
  let request: Uint8Array | undefined
  let replyKey: Uint8Array | undefined
  let answer: Uint8Array
  try {
    if (sealed.length !== SEALED_FETCH_BYTES) throw new HearsayError('bad-length', 'no question')
    const plain = sealedBoxOpen(requestSeed, sealed, requestAd(networkId))
    request = plain.slice(0, FETCH_REQUEST_BYTES)
    replyKey = plain.slice(FETCH_REQUEST_BYTES)
    plain.fill(0)
    answer = await ports.answer(request, fillerOf(replyKey))
  } catch {
    replyKey?.fill(0)
    replyKey = randomKey(ports.rng)
    answer = ports.rng.bytes(FETCH_ANSWER_BYTES)
  } finally {
    // It names an address.
    request?.fill(0)
  }
  const out = sivSeal(replyKey, answer, answerAd(networkId))
  replyKey.fill(0)
  return out
}
