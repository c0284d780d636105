import type { NetworkId } from '../base/index.ts'
import { BOX_VERSION, boxHash, parseBox, verifyBox } from '../stream/index.ts'
import type { BoxPort } from './ports.ts'

/** The boxes of `stream`, with the one verifier of the project. */
export function streamBoxes(networkId: NetworkId): BoxPort {
  return {
    header: (box) => (box[0] === BOX_VERSION ? parseBox(box) : undefined),
    hash: boxHash,
    verify: (box) => verifyBox(networkId, box),
  }
}
