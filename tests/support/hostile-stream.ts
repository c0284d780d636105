import type { NetworkId } from '../../src/base/index.ts'
import type { StreamReader } from '../../src/conversation/reader.ts'
import { signKeyPairFromSeed } from '../../src/crypto/index.ts'
import { advanceChain, BOX_PAYLOAD_BYTES, firstChain, sealBox } from '../../src/stream/index.ts'
import { encodeSegments, type Segment } from '../../src/stream/segments.ts'

const ROOT_SEED = new Uint8Array(32).fill(3)
const { publicKey: ROOT } = signKeyPairFromSeed(ROOT_SEED)

/**
 * Opens an epoch of `reader`. What it returns gives the reader the next box, or one that is so many further, with
 * any segments at all.
 */
export function hostileStream(
  reader: StreamReader,
  tag: string,
  { networkId, windowSize }: { readonly networkId: NetworkId; readonly windowSize: number },
) {
  const secret = new Uint8Array(32).fill(tag.charCodeAt(2))
  let chain = firstChain(secret)
  reader.open(tag, ROOT, firstChain(secret))
  reader.extend(windowSize)
  return (segments: readonly Segment[], skipped = 0): void => {
    for (let i = 0; i < skipped; i++) chain = advanceChain(chain).next
    const { next, keys } = advanceChain(chain)
    chain = next
    const payload = encodeSegments(segments, BOX_PAYLOAD_BYTES)
    const box = sealBox({ networkId, expiryDay: 9, rootSeed: ROOT_SEED, keys, payload })
    if (!reader.accept(tag, keys.index, box).fresh) throw new Error('a box was not read')
    reader.extend(1 + skipped)
  }
}
