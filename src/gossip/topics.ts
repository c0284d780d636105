import { type NetworkId, toHex } from '../base/index.ts'
import { hash, LABELS } from '../crypto/index.ts'
import type { TopicPlan } from '../net/index.ts'
import { PROOF_BYTES, PUBLICATION_BYTES, PUBLICATION_VERSION } from './constants.ts'
import { proofScoring, publicationScoring } from './scoring.ts'

export interface GossipTopics {
  publications: string
  proofs: string
}

/** Topic names of a network: they show neither its name nor its id. */
export function gossipTopics(networkId: NetworkId): GossipTopics {
  const tag = toHex(hash(LABELS.gossipTopic, networkId)).slice(0, 32)
  return {
    publications: `/hearsay/${tag}/publications/${PUBLICATION_VERSION}`,
    proofs: `/hearsay/${tag}/proofs/${PUBLICATION_VERSION}`,
  }
}

/** What `createNet` must be told about the topics of this folder. */
export function gossipTopicPlans(options: {
  networkId: NetworkId
  /** Expected network-wide rate: boxRate × copies. */
  publicationsPerSecond: number
}): TopicPlan[] {
  const topics = gossipTopics(options.networkId)
  return [
    {
      topic: topics.publications,
      maxMessageBytes: PUBLICATION_BYTES,
      scoring: publicationScoring(options),
    },
    { topic: topics.proofs, maxMessageBytes: PROOF_BYTES, scoring: proofScoring() },
  ]
}
