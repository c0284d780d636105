/** Values that the examples of the registry share. */
export const AT = '2026-11-22T12:00:00.000Z'
export const LATER = '2026-11-23T12:00:00.000Z'
export const PEER = '12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5'
export const KEY = 'q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k'
export const NETWORK = 'bXJzLW5ldHdvcmstaWQtMzItYnl0ZXMtbG9uZy1leGE'
export const CONTACT = 'c7Jq0m2Yw1tX4b9a'
export const MESSAGE = 'm3Fz8k1Qv6hT2r5e'
export const INVITE = 'i9Dk4s7Lp2wN8x1c'
export const EPOCH = 'e5Tn2a8Rj7uB4y0q'
export const SHA256 = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'
export const WORDS = 'river ember quiet salt'
export const JOIN_URI = 'hearsay:join/pWduYW1lY2xhYg'
export const INVITE_URI = 'hearsay:invite/2m9Xc4Lk8vQw'
export const FILE = 'name = "lab"'
export const SAFETY = '12345 67890 12345 67890 12345 67890 12345 67890 12345 67890 12345 67890'

export const NETWORK_VIEW = {
  networkId: NETWORK,
  name: 'lab',
  words: WORDS,
  preset: 'lab',
  parameters: { layers: 3 },
  operatorKey: KEY,
  bootstraps: [`/ip4/127.0.0.1/tcp/4001/p2p/${PEER}`],
  createdAt: AT,
  admission: 'open',
  operator: true,
} as const

export const CONTACT_VIEW = {
  contactId: CONTACT,
  alias: 'bob',
  state: 'ready',
  safetyNumber: SAFETY,
  verified: false,
  createdAt: AT,
} as const

export const MESSAGE_VIEW = {
  messageId: MESSAGE,
  contactId: CONTACT,
  direction: 'out',
  body: { text: 'hello' },
  state: 'queued',
  sentAt: AT,
  read: false,
  history: [{ state: 'queued', at: AT }],
} as const

export const EVENT = {
  seq: 42,
  epoch: EPOCH,
  id: 'v1Gm6p3Zs8oK5d2f',
  type: 'message.received',
  time: AT,
  data: { messageId: MESSAGE, contactId: CONTACT, body: { text: 'hello' }, sentAt: AT },
} as const

export const STATUS = {
  state: 'running',
  link: 'linked',
  since: AT,
  peerId: PEER,
  peers: 5,
  version: '0.1.0',
  addresses: ['/ip4/127.0.0.1/tcp/4001'],
  network: { networkId: NETWORK, name: 'lab', words: WORDS, preset: 'lab', nodes: 7, epoch: 12 },
  mixing: {
    form: 'routed',
    layers: 3,
    mixes: 7,
    smallestLayer: 2,
    isMix: true,
    poolPerMix: 3,
    replyRate: 0.98,
    cover: 'on',
    slotMs: 2_000,
    publishEvery: 2,
    copies: 1,
    boxesPerSecond: 1.75,
    rejoinHoldLeftMs: 0,
    anonymitySet: null,
    protectedMessages: null,
    protectedDays: null,
    statement:
      'This network is too small: with 7 nodes, whoever watches its links can tell who sends.',
  },
  catchUp: { phase: 'done', done: 12, total: 12 },
  outbox: { queued: 1, oldestAgeMs: 850, filled: 0.00002 },
  hooks: [
    {
      name: 'notify',
      state: 'retrying',
      cursor: 41,
      behind: 1,
      failures: 2,
      nextTryAt: LATER,
      lastError: 'exit 1',
      missed: 0,
      missedAt: null,
    },
  ],
  storage: {
    bytes: 1_048_576,
    boxes: 120,
    freeBytes: 8_589_934_592,
    retentionMs: 172_800_000,
    boxLifetimeMs: 172_800_000,
    boxBytes: 307_200,
    boxQuotaBytes: 4_294_967_296,
    boxRoomBytes: 4_294_967_296,
    boxesPerHour: 6_300,
    eventRetentionMs: 2_592_000_000,
    sync: true,
  },
  health: [],
  headSeq: 42,
  epoch: EPOCH,
} as const
