/**
 * gossip: publications of boxes over PubSub, their validation, quotas and scoring. SPEC.md has the formats.
 */
export {
  PROOF_BYTES,
  PUBLICATION_BYTES,
} from './constants.ts'
export { Gossip } from './gossip.ts'
export type {
  GossipOptions,
  GossipPorts,
  PublicationHandler,
  ReceivedPublication,
} from './gossip.ts'
export type {
  BoxHeader,
  BoxPort,
  CounterStore,
  CourierAnswer,
  CourierKey,
  Couriers,
  EpochClock,
  KnownBoxes,
  PeerBlame,
} from './ports.ts'
export { decodeProof, encodeProof, verifyProof } from './proof.ts'
export type { MisbehaviourProof } from './proof.ts'
export { decodePublication, encodePublication, publicationId } from './publication.ts'
export type { Publication, PublicationHeader } from './publication.ts'
export { REASONS } from './reasons.ts'
export type { Reason } from './reasons.ts'
export { storedPublications } from './stored-publications.ts'
export type { StoredPublications } from './stored-publications.ts'
export { streamBoxes } from './stream-boxes.ts'
export { gossipTopicPlans, gossipTopics } from './topics.ts'
export type { GossipTopics } from './topics.ts'
