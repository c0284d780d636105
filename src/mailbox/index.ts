/** mailbox: boxes on disk, the hot window, keepers, fetching, reconciliation and handing over. */
export { CATCH_UP_PEERS } from './constants.ts'
export { notFoundQuorum } from './fetch.ts'
export type { FetchResult, KeeperQuestion } from './fetch.ts'
export { Mailbox } from './mailbox.ts'
export type { MailboxOptions, MailboxPorts, MailboxStatus } from './mailbox.ts'
export type { DropReason, PlacementPort, PublicationPort } from './ports.ts'
