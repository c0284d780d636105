/**
 * net: libp2p behind five narrow ports. Nobody else imports libp2p. SPEC.md has the protocols and limits.
 */
export type { Net, NetOptions, NetPorts, NetStatus } from './api.ts'
export { bootstrapTargets } from './bootstraps.ts'
export { GRAYLIST_THRESHOLD, MESH_DEGREE } from './constants.ts'
export { createNet } from './net.ts'
export { PeerBudget } from './peer-budget.ts'
export { nodeIdFromText, peerIdText } from './node-id.ts'
export type {
  DialTarget,
  Hindrance,
  Kademlia,
  Links,
  PeerChange,
  Peers,
  PubSub,
  Reachability,
  RequestHandler,
  RequestHandlerOptions,
  RequestOptions,
  Requests,
  TopicHandler,
  TopicPlan,
  TopicScoring,
  Verdict,
} from './ports.ts'
