/** The types of the node that rpc serves, by one door. Types only: nothing of the node is loaded. */
export type {
  CallContext,
  ConsumerView,
  EventFeed,
  EventView,
  IdempotencyKey,
  MessageState,
  NodeApi,
  NodeStatus,
  WaitTarget,
} from '../src/node/index.ts'
