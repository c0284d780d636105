/**
 * Every domain-separation string of the project, each used in exactly one place. A new use of a key or a
 * hash gets a new label here; a label is never changed without a new version in it.
 */
export const LABELS = {
  // crypto
  blindNonce: 'hearsay/v1/crypto/blind-nonce',
  sealedBox: 'hearsay/v1/crypto/sealed-box',
  // stream
  streamFirst: 'hearsay/v1/stream/first',
  streamChain: 'hearsay/v1/stream/chain',
  streamSalted: 'hearsay/v1/stream/salted',
  boxHash: 'hearsay/v1/stream/box-hash',
  // sphinx
  sphinxHop: 'hearsay/v1/sphinx/hop',
  sphinxGeometry: 'hearsay/v1/sphinx/geometry',
  // mix
  mixKeySeed: 'hearsay/v1/mix/key-seed',
  mixRequestSeal: 'hearsay/v1/mix/request-seal',
  mixReplySeal: 'hearsay/v1/mix/reply-seal',
  mixReceipt: 'hearsay/v1/mix/receipt',
  mixLink: 'hearsay/v1/mix/link',
  // directory
  networkId: 'hearsay/v1/directory/network-id',
  networkFile: 'hearsay/v1/directory/network-file',
  networkChecksum: 'hearsay/v1/directory/network-checksum',
  nodeDescriptor: 'hearsay/v1/directory/node-descriptor',
  descriptorHash: 'hearsay/v1/directory/descriptor-hash',
  directoryMessage: 'hearsay/v1/directory/message',
  descriptorConflict: 'hearsay/v1/directory/descriptor-conflict',
  admissionInvitation: 'hearsay/v1/directory/admission-invitation',
  admissionProof: 'hearsay/v1/directory/admission-proof',
  admissionRevocation: 'hearsay/v1/directory/admission-revocation',
  admissionWork: 'hearsay/v1/directory/admission-work',
  election: 'hearsay/v1/directory/election',
  heartbeat: 'hearsay/v1/directory/heartbeat',
  kadPlacement: 'hearsay/v1/directory/kad-placement',
  frozenSet: 'hearsay/v1/directory/frozen-set',
  // gossip
  publication: 'hearsay/v1/gossip/publication',
  messageId: 'hearsay/v1/gossip/message-id',
  misbehaviourProof: 'hearsay/v1/gossip/misbehaviour-proof',
  gossipTopic: 'hearsay/v1/gossip/topic',
  // mailbox
  keeperRequestSeal: 'hearsay/v1/mailbox/keeper-request-seal',
  keeperReplySeal: 'hearsay/v1/mailbox/keeper-reply-seal',
  reconcileItem: 'hearsay/v1/mailbox/reconcile-item',
  reconcileRange: 'hearsay/v1/reconcile/range',
  boxStoreKey: 'hearsay/v1/mailbox/box-store-key',
  // store
  storeKey: 'hearsay/v1/store/key',
  storeJournal: 'hearsay/v1/store/journal',
  storeJournalData: 'hearsay/v1/store/journal-data',
  storeShelf: 'hearsay/v1/store/shelf',
  storeShelfValue: 'hearsay/v1/store/shelf-value',
  storeMaster: 'hearsay/v1/store/master',
  storeBackup: 'hearsay/v1/store/backup',
  // conversation
  invitationChecksum: 'hearsay/v1/conversation/invitation-checksum',
  invitationSecret: 'hearsay/v1/conversation/invitation-secret',
  rendezvousInviter: 'hearsay/v1/conversation/rendezvous-inviter',
  rendezvousClaimRoot: 'hearsay/v1/conversation/rendezvous-claim-root',
  rendezvousClaim: 'hearsay/v1/conversation/rendezvous-claim',
  rendezvousClaimer: 'hearsay/v1/conversation/rendezvous-claimer',
  rendezvousVerdict: 'hearsay/v1/conversation/rendezvous-verdict',
  claimHash: 'hearsay/v1/conversation/claim-hash',
  invitationBinding: 'hearsay/v1/conversation/invitation-binding',
  conversationId: 'hearsay/v1/conversation/conversation-id',
  psk: 'hearsay/v1/conversation/psk',
  pskId: 'hearsay/v1/conversation/psk-id',
  groupId: 'hearsay/v1/conversation/group-id',
  safetyNumber: 'hearsay/v1/conversation/safety-number',
  credential: 'hearsay/v1/conversation/credential',
  deviceId: 'hearsay/v1/conversation/device-id',
  manifest: 'hearsay/v1/conversation/manifest',
  manifestHash: 'hearsay/v1/conversation/manifest-hash',
  resetSecret: 'hearsay/v1/conversation/reset-secret',
  resetStream: 'hearsay/v1/conversation/reset-stream',
  resetAnswer: 'hearsay/v1/conversation/reset-answer',
  resetRoot: 'hearsay/v1/conversation/reset-root',
  recoveryKey: 'hearsay/v1/conversation/recovery-key',
  accountKey: 'hearsay/v1/conversation/account-key',
  attachmentKey: 'hearsay/v1/conversation/attachment-key',
  messageRef: 'hearsay/v1/conversation/message-ref',
} as const

export type Label = (typeof LABELS)[keyof typeof LABELS]
