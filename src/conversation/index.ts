/**
 * conversation: contacts, keys and messages over streams of boxes. `Conversations` is the entry; the jobs run
 * in a worker. It never touches the network: boxes come in through `hear` and leave through `nextBox`.
 * See SPEC.md.
 */
export type { AuditTally } from './audits.ts'
export { INVITE_TTL_MS_DEFAULT } from './constants.ts'
export { Conversations } from './conversations.ts'
export type { ContactSummary } from './address-book.ts'
export type { MessageFilter } from './history.ts'
export { hasReached, isFinal } from './message.ts'
export type { Message, MessageState } from './message.ts'
export { isUnderWay } from './message-rows.ts'
export { Removals } from './removals.ts'
export { decodeInvitation, encodeInvitation } from './invitation.ts'
export type { Invitation } from './invitation.ts'
export { ConversationJobs } from './jobs.ts'
export type { JobName, JobRunner } from './jobs.ts'
export { MlsAdapter } from './mls/index.ts'
export type { ConversationOptions, ConversationPorts, LocalBoxes } from './ports.ts'
export type { LookUp, LookUpResult } from './look-ups.ts'
