/**
 * directory: the network file, node descriptors and admission, epochs and frozen sets, placement of boxes.
 */
export { admitByInvitation, admitOpen } from './admission.ts'
export type { AdmissionProof, OpenAdmission, OperatorAdmission } from './admission.ts'
export { createNetwork, reissueNetwork, withInvitation } from './create-network.ts'
export type { CreateNetworkOptions, NetworkChanges } from './create-network.ts'
export type { SelfDescription } from './announcer.ts'
export { skewByFile } from './clock-skew.ts'
export type { ClockSkew } from './clock-skew.ts'
export { decodeDescriptor, issueDescriptor } from './descriptor.ts'
export type { Descriptor, DescriptorContent, MixKey } from './descriptor.ts'
export { Directory } from './directory.ts'
export type { DirectoryChange, DirectoryOptions, DirectoryPorts } from './directory-ports.ts'
export { electMixes, mixShare } from './election.ts'
export { epochAt, epochStart, keyEpochAt } from './epochs.ts'
export type { NetworkFileFault } from './file-fault.ts'
export type { FrozenSet } from './frozen-sets.ts'
export { inspectNetwork } from './inspect-network.ts'
export type { InspectOptions } from './inspect-network.ts'
export { createInvitation } from './invitation.ts'
export { encodeNetworkFile } from './network-file.ts'
export { encodeNetworkUri } from './network-uri.ts'
export { networkWords } from './network-words.ts'
export { protocolVersionAt, supersedes } from './network.ts'
export type { Genesis, Invitation, InvitationGrant, Network, Upgrade } from './network.ts'
export type {
  AdmissionKind,
  MixSuite,
  NetworkParameters,
  ParameterOverrides,
  PresetName,
} from './parameters.ts'
export { OwnPlacement } from './own-placement.ts'
export { kadId, placementKey, placementPreimage, PlacementIndex } from './placement.ts'
export type { Couriers, MixLayers } from './mix-layers.ts'
export { addressGroups } from './multiaddr.ts'
export type { KeeperCandidate } from './placement.ts'
export { PRESETS } from './presets.ts'
export {
  courierCeiling,
  courierQuota,
  effectiveRate,
  publishEvery,
  quotaOf,
} from './publish-rate.ts'
export { createRevocation, decodeRevocation } from './revocation.ts'
export type { RevocationList } from './revocation.ts'
export { directoryTopicPlan } from './topic-plan.ts'
