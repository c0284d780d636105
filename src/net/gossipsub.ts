import {
  type GossipSub,
  type GossipSubComponents,
  type GossipsubOpts,
  gossipsub,
  type TopicValidatorFn,
} from '@libp2p/gossipsub'
import {
  GOSSIP_THRESHOLD,
  GRAYLIST_THRESHOLD,
  HEARTBEAT_MS,
  MAX_GOSSIP_FRAME_BYTES,
  MAX_GOSSIP_OUTBOUND_BYTES,
  MESH_DEGREE,
  MESH_DEGREE_HIGH,
  MESH_DEGREE_LAZY,
  MESH_DEGREE_LOW,
  MESH_DEGREE_OUTBOUND,
  MESH_DEGREE_SCORE,
  MESH_DELIVERY_WINDOW_MS,
  PUBLISH_THRESHOLD,
  RETAIN_SCORE_MS,
  SEEN_TTL_MS,
} from './constants.ts'
import type { TopicPlan, TopicScoring } from './ports.ts'

/** Decay step of all counters. The library's minimum is one second. */
const DECAY_INTERVAL_MS = 1_000

export interface MessageIdPort {
  /** Over every byte of the message. */
  messageId(topic: string, message: Uint8Array): Uint8Array
  /** Penalties imposed by us, as a negative number of points. */
  penaltyOf(peerId: string): number
}

/** What of gossipsub's class its published interface leaves out. */
export interface ScoredGossipSub extends GossipSub {
  getScore(peerId: string): number
  getMeshPeers(topic: string): string[]
  dumpPeerScoreStats(): Record<string, PeerStats>
}

export interface PeerStats {
  connected: boolean
  topics: Record<string, TopicStats | undefined>
}

export interface TopicStats {
  inMesh: boolean
  meshMessageDeliveriesActive: boolean
  meshMessageDeliveries: number
}

export type GossipSubFactory = (components: GossipSubComponents) => GossipSub

/** gossipsub with every default that matters set by us (facts: floodPublish, colocation, no topic scores). */
export function createGossipSub(
  ports: MessageIdPort,
  options: { topics: readonly TopicPlan[]; heartbeatMs?: number },
): GossipSubFactory {
  const largest = Math.max(...options.topics.map((plan) => plan.maxMessageBytes), 0)
  const settings: Partial<GossipsubOpts> = {
    // A publisher's neighbours must not all hear it first-hand.
    floodPublish: false,
    fallbackToFloodsub: false,
    globalSignaturePolicy: 'StrictNoSign',
    emitSelf: false,
    canRelayMessage: false,
    doPX: false,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    asyncValidation: false,
    msgIdFn: (message) => ports.messageId(message.topic, message.data),
    allowedTopics: options.topics.map((plan) => plan.topic),
    D: MESH_DEGREE,
    Dlo: MESH_DEGREE_LOW,
    Dhi: MESH_DEGREE_HIGH,
    Dscore: MESH_DEGREE_SCORE,
    Dout: MESH_DEGREE_OUTBOUND,
    Dlazy: MESH_DEGREE_LAZY,
    heartbeatInterval: options.heartbeatMs ?? HEARTBEAT_MS,
    seenTTL: SEEN_TTL_MS,
    // IDONTWANT silences slow honest peers, whom the demand on mesh deliveries would then punish; and it
    // is sent before validation. With validation under a millisecond it saves next to nothing.
    idontwantMinDataSize: Number.POSITIVE_INFINITY,
    idontwantMaxMessages: 64,
    maxInboundDataLength: Math.max(MAX_GOSSIP_FRAME_BYTES, 2 * largest),
    maxOutboundBufferSize: MAX_GOSSIP_OUTBOUND_BYTES,
    maxInboundStreams: 4,
    maxOutboundStreams: 4,
    maxTopicBytesPerPeer: 65_536,
    decodeRpcLimits: {
      maxSubscriptions: 64,
      maxMessages: 128,
      maxIhaveMessageIDs: 2_000,
      maxIwantMessageIDs: 2_000,
      maxIdontwantMessageIDs: 64,
      maxControlMessages: 64,
      maxPeerInfos: 0,
    },
    scoreThresholds: {
      gossipThreshold: GOSSIP_THRESHOLD,
      publishThreshold: PUBLISH_THRESHOLD,
      graylistThreshold: GRAYLIST_THRESHOLD,
      acceptPXThreshold: 1_000,
      opportunisticGraftThreshold: 1,
    },
    scoreParams: {
      topics: Object.fromEntries(
        options.topics.map((plan) => [plan.topic, topicScoreParams(plan.scoring)]),
      ),
      topicScoreCap: 20,
      appSpecificScore: (peerId) => ports.penaltyOf(peerId),
      appSpecificWeight: 1,
      // A testnet is many honest nodes behind one address. Admission and routes look at addresses.
      IPColocationFactorWeight: 0,
      IPColocationFactorThreshold: 1_000,
      behaviourPenaltyWeight: -2,
      behaviourPenaltyThreshold: 3,
      behaviourPenaltyDecay: decayPerStep(60),
      decayInterval: DECAY_INTERVAL_MS,
      decayToZero: 0.01,
      // What a reconnection would forget; strangers' entries are looked at every second, and keys cost nothing.
      retainScore: RETAIN_SCORE_MS,
    },
  }
  return gossipsub(settings)
}

/**
 * The library's parameters for one topic. Its own mesh-delivery penalty stays off: it demands a fixed
 * number, so a silent minute would make every node prune every other. `MeshJudge` compares with what we
 * heard ourselves; the library only counts for it.
 */
function topicScoreParams(scoring: TopicScoring) {
  const decay = decayPerStep(scoring.memorySeconds)
  return {
    topicWeight: 1,
    timeInMeshWeight: 0,
    timeInMeshQuantum: 1_000,
    timeInMeshCap: 1,
    firstMessageDeliveriesWeight: scoring.firstPoints,
    firstMessageDeliveriesDecay: decay,
    firstMessageDeliveriesCap: scoring.firstPointsCap / scoring.firstPoints,
    meshMessageDeliveriesWeight: 0,
    meshMessageDeliveriesDecay: decay,
    meshMessageDeliveriesCap: 1_000_000,
    meshMessageDeliveriesThreshold: 1,
    meshMessageDeliveriesWindow: MESH_DELIVERY_WINDOW_MS,
    meshMessageDeliveriesActivation: Math.max(1_000, scoring.memorySeconds * 2_000),
    meshFailurePenaltyWeight: 0,
    meshFailurePenaltyDecay: decay,
    invalidMessageDeliveriesWeight: scoring.invalidPoints,
    invalidMessageDeliveriesDecay: decayPerStep(600),
  }
}

/** Factor per decay step of a counter that forgets with the time constant `seconds`. */
export function decayPerStep(seconds: number): number {
  return Math.exp(-DECAY_INTERVAL_MS / 1_000 / seconds)
}

export type { TopicValidatorFn }
