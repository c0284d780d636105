/**
 * mix: routes through the mixes. When packets leave, what they ask, how others' packets are relayed, and what a
 * courier and a keeper do with them. Called by node; knows directory, gossip and mailbox by its ports only.
 * See SPEC.md.
 */
export { Mix } from './mix.ts'
export type { MixOptions, MixPorts, MixStatus } from './mix.ts'
export type {
  Emission,
  KeeperAsk,
  KeeperPort,
  MixDirectory,
  MixNode,
  PublishPort,
  RequestKind,
  SlotWork,
} from './ports.ts'
export { PRIVACY_TABLE } from './privacy-table.ts'
export { ASSUMED_CORRUPT, protectionOf } from './protection.ts'
export type { PrivacyRow, Protection } from './protection.ts'
export { drawRoute } from './route.ts'
export type { Layers, MixPlace } from './route.ts'
export { cycleOf, slotAt, slotStart } from './schedule.ts'
export type { Cycle, SlotGrid } from './schedule.ts'
