/** node: the one composition root. `createNode` assembles a node; `NodeApi` is what `rpc` may ask of it. */
export type {
  CallContext,
  ConsumerView,
  ContactState,
  ContactView,
  DoctorCheck,
  EventFeed,
  EventView,
  HealthEntry,
  Idempotency,
  IdentityView,
  InviteView,
  LinkState,
  Listing,
  MessageState,
  MessageView,
  Mutated,
  NetworkCreated,
  NetworkView,
  NodeApi,
  NodeState,
  NodeStatus,
  Page,
  PeerView,
  WaitTarget,
} from './api.ts'
export { createNode } from './node.ts'
export type { HearsayNode, NodeOptions, NodePorts } from './node.ts'
