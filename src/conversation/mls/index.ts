/**
 * mls: the narrow use of MLS that send groups need, over ts-mls. Entered through `MlsAdapter`; SPEC.md is
 * the contract, docs/decisions/0002-mls-library.md the reasons.
 */
export { MlsAdapter, type MlsPorts } from './adapter.ts'
export type { Psk } from './config.ts'
export type { GeneratedKeyPackage, LeafSecrets, Lifetime } from './key-package.ts'
export type { ExpectedMembers, Leaf, LeafIdentity } from './leaf.ts'
export { OnceRegister } from './once-register.ts'
export { MLS_REASONS, type MlsReason } from './reject.ts'
export type {
  AddMembersInput,
  CommitPreview,
  Committed,
  CommittedWithWelcome,
  CreateSendGroupInput,
  ExportedStream,
  GenerateKeyPackageInput,
  GroupView,
  Joined,
  JoinInput,
  KeyPackageView,
  ProcessCommitInput,
  ProcessedCommit,
  ReadWelcomeInput,
  RefreshInput,
  RemoveMemberInput,
  ReplaceMemberInput,
  WelcomePreview,
} from './types.ts'
