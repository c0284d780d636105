import {
  type BoxBytes,
  equalBytes,
  isHearsayError,
  type NetworkId,
  type NodeId,
} from '../base/index.ts'
import { verify } from '../crypto/index.ts'
import { boxHash } from '../stream/index.ts'
import { decodePublication, encodeHeader, publicationDigest } from './publication.ts'

/** Publications outside gossip: in a store, or from a peer that reconciles. */
export interface StoredPublications {
  /** The box inside, a view; undefined for anything that is not a publication of this network. */
  boxOf(publication: Uint8Array): BoxBytes | undefined
  /** Who published it in which epoch, a view, not checked; undefined for anything that is not a publication. */
  courierOf(
    publication: Uint8Array,
  ): { readonly courier: NodeId; readonly epoch: number } | undefined
  /** A courier of this network signed it. Says nothing of time, quota or the box's own validity. */
  isSigned(publication: Uint8Array): boolean
}

/** Reads publications of one network. Never throws. */
export function storedPublications(networkId: NetworkId): StoredPublications {
  const read = (bytes: Uint8Array) => {
    try {
      const publication = decodePublication(bytes)
      return equalBytes(publication.networkId, networkId) ? publication : undefined
    } catch (error) {
      if (!isHearsayError(error)) throw error
      return undefined
    }
  }
  return {
    boxOf: (bytes) => read(bytes)?.box,
    courierOf: read,
    isSigned(bytes) {
      const publication = read(bytes)
      if (publication === undefined) return false
      const digest = publicationDigest(encodeHeader(publication), boxHash(publication.box))
      return verify(publication.signature, digest, publication.courier)
    },
  }
}
