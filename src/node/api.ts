import type { JsonObject } from '../store/index.ts'
import type {
  ConsumerView,
  ContactState,
  ContactView,
  EventView,
  IdentityView,
  InviteView,
  MessageState,
  MessageView,
  NetworkCreated,
  NetworkView,
  PeerView,
} from './api-views.ts'

export type * from './api-views.ts'

/** What identifies a mutation that a client may repeat: same key and request, same result, no second effect. */
export interface IdempotencyKey {
  /** Whose key it is: the id of the token or socket that called. */
  readonly scope: string
  /** 1 to 64 characters, chosen by the client. */
  readonly key: string
  /** SHA-256 over method and canonical params, 32 bytes. */
  readonly requestHash: Uint8Array
}

/** Handed to every mutation. The idempotency record lands in the batch of the effect itself. */
export interface CallContext {
  readonly idempotency?: IdempotencyKey
  readonly signal?: AbortSignal
}

/** A mutation's result; `replayed` is true when the effect had happened under the same key before. */
export type Mutated<T> = T & { readonly replayed?: true }

export interface Page {
  /** 1 to 500. */
  readonly limit: number
  /** Opaque, from `nextCursor` of the page before. */
  readonly cursor?: string
}

export interface Listing<T> {
  readonly items: readonly T[]
  readonly nextCursor: string | null
  /** The list reflects the journal up to this sequence number: subscribe after it and nothing is missed. */
  readonly asOfSeq: number
}

export type NodeState = 'starting' | 'running' | 'readonly' | 'stopping' | 'stopped' | 'failed'
/** none: no network joined; joining: no peer yet; linked: gossip has peers and the directory is reconciled. */
export type LinkState = 'none' | 'joining' | 'linked'

/** What `node.status` may complain of. Frontends go by it: a code keeps its meaning. */
export type HealthCode =
  | 'STORAGE_READONLY'
  | 'SECRETS_DAMAGED'
  | 'VALUES_DAMAGED'
  | 'STORAGE_LOW'
  | 'EVENTS_MISSED'
  | 'HOOK_FAILING'
  | 'HOOK_MISSED'
  | 'NO_NETWORK'
  | 'NETWORK_NOT_ENTERED'
  | 'NETWORK_MISMATCH'
  | 'CLOCK_SKEW'
  | 'NO_PEERS'
  | 'NO_ROUTE'
  | 'UNREACHABLE'
  | 'REJOIN_HOLD'
  | 'FEW_REPLIES'
  | 'REPLIES_LOST'
  | 'BOXES_NOT_KEPT'
  | 'KEEPERS_FAILING'
  | 'NETWORK_SMALL'

export interface HealthEntry {
  readonly code: HealthCode
  readonly severity: 'info' | 'warning' | 'error'
  readonly text: string
  readonly fix: string
}

export interface NodeStatus {
  readonly state: NodeState
  readonly link: LinkState
  readonly since: string
  readonly peerId: string
  readonly peers: number
  readonly version: string
  readonly addresses: readonly string[]
  readonly network: null | {
    readonly networkId: string
    readonly name: string
    readonly words: string
    readonly preset: string
    readonly nodes: number
    readonly epoch: number
  }
  readonly mixing: {
    readonly form: 'routed'
    readonly layers: number
    /** Mixes of the running epoch that are here. */
    readonly mixes: number
    /** Mixes of the layer that has fewest. */
    readonly smallestLayer: number
    readonly isMix: boolean
    /** Packets, requests and replies, that a mix holds on average. */
    readonly poolPerMix: number
    /** Share of this node's last requests that were answered; null until enough is known. */
    readonly replyRate: number | null
    readonly cover: 'off' | 'on' | 'cover-only'
    readonly slotMs: number
    readonly publishEvery: number
    readonly copies: number
    readonly boxesPerSecond: number
    readonly rejoinHoldLeftMs: number
    /** From the simulator's table, an eighth of the mixes hostile; null where none was simulated. */
    readonly anonymitySet: number | null
    /** Linked boxes that 9 of 10 senders may publish before they are named, and the days that takes. */
    readonly protectedMessages: number | null
    readonly protectedDays: number | null
    readonly statement: string
  }
  /** Coming back after an absence: sessions with peers, then look-ups at keepers. */
  readonly catchUp: {
    readonly phase: 'idle' | 'reconciling' | 'fetching' | 'done'
    readonly done: number
    readonly total: number
  }
  readonly outbox: {
    readonly queued: number
    readonly oldestAgeMs: number | null
    /** Share of what may wait for all contacts together: at 1 no more texts are accepted. */
    readonly filled: number
  }
  readonly hooks: readonly HookStatus[]
  readonly storage: {
    readonly bytes: number
    readonly boxes: number
    readonly freeBytes: number
    /**
     * How long a box stays that this node keeps, at the rate at which boxes come: its lifetime at most. Those near to this node
     * stay longer, the others not as long. Null until that rate was measured.
     */
    readonly retentionMs: number | null
    /** Lifetime of a box in this network, and what the mailbox takes, may take, and may take on this disk now, about. */
    readonly boxLifetimeMs?: number
    readonly boxBytes?: number
    readonly boxQuotaBytes?: number
    readonly boxRoomBytes?: number
    /** New boxes that gossip brings, as measured. */
    readonly boxesPerHour?: number
    /**
     * How long an event stays that not all consumers have acknowledged, or any where there is none, at the rate at which events
     * come. Time that the node runs.
     */
    readonly eventRetentionMs?: number
    readonly sync: true
  }
  readonly health: readonly HealthEntry[]
  readonly headSeq: number
  readonly epoch: string
}

export interface DbStats {
  readonly bytes: number
  /** Of the disk. */
  readonly freeBytes: number
  /** The space that is kept for opening on a full disk is there. */
  readonly reserve: boolean
  readonly boxes: number
  readonly messages: number
  readonly secrets: number
  /** Secrets that cannot be read any more. */
  readonly damagedSecrets: number
  readonly headSeq: number
  readonly oldestSeq: number
  readonly epoch: string
}

export interface DbCheck {
  readonly ok: boolean
  readonly values: number
  readonly damaged: readonly { readonly bucket: string; readonly count: number }[]
  /** First event from which on the journal is not whole. */
  readonly journalBrokenAt: number | null
  /** Numbers of damaged files; the values are not looked at then, because reading them may stop the process. */
  readonly damagedTables: readonly number[]
}

export interface DbBackup {
  readonly path: string
  readonly withKey: boolean
  readonly bytes: number
  readonly entries: number
  readonly secrets: number
  readonly damaged: number
  /** The last event that it holds. */
  readonly seq: number
  /** Of the file as it was written, 64 hexadecimal digits. */
  readonly sha256: string
  readonly epoch: string
}

/** What the daemon says of a program that it runs for events. */
export interface HookProgress {
  readonly name: string
  /** Its place in the journal. */
  readonly consumer: string
  /** `idle`: it has had everything. `off`: configured not to run. */
  readonly state: 'idle' | 'running' | 'retrying' | 'off'
  /** Last event that is acknowledged on disk. */
  readonly cursor: number
  /** Events of the journal behind the last one that it accepted or that is of no interest to it. */
  readonly behind: number
  /** In a row, for the event under way. */
  readonly failures: number
  readonly nextTryAt: string | null
  /** Class of the last failure: `exit 3`, `signal SIGKILL`, `timeout`, a code of the system or of this API. */
  readonly lastError: string | null
}

/** With what the store knows of it. */
export interface HookStatus extends Omit<HookProgress, 'consumer'> {
  /** Events that were deleted or damaged before it accepted them, over restarts, until `hooks.ack`. */
  readonly missed: number
  /** When the last of them was found to be missing. */
  readonly missedAt: string | null
}

/** `ready`: state running. `linked`: also in a network. `peers=N`: at least N peers connected. */
export type WaitTarget = 'ready' | 'linked' | 'caught-up' | `peers=${number}`

export interface DoctorCheck {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  readonly fix?: string
}

/** A pull feed of one subscription. `next` waits for at least one event, or for the signal. */
export interface EventFeed {
  /** At most `limit` events after the last ones given out, in order, without a gap. */
  next(limit: number, signal: AbortSignal): Promise<readonly EventView[]>
  readonly head: number
  readonly oldest: number
  readonly resumedFrom: number
  /** Of the database: numbers of another epoch say nothing here. */
  readonly epoch: string
}

/**
 * What `rpc` may ask of a node. Every mutation resolves only when its effect is on disk. Any call @throws HearsayError
 * `not-running` while the node starts, comes back or stops, and the store's codes (`storage-…`); every mutation also
 * `storage-poisoned` while a write error is not healed, and `idempotency-conflict`. What else it throws is said with it.
 * `contact` and `to` are an alias or an id.
 */
export interface NodeApi {
  readonly node: {
    status(): Promise<NodeStatus>
    /**
     * @throws HearsayError `timeout`; in its place `clock-skew` {skewMs} when the node has no link, and a clock that is wrong
     * by more than the network bears.
     */
    wait(params: { for: WaitTarget; timeoutMs: number }, signal: AbortSignal): Promise<NodeStatus>
    stop(params: { drainMs?: number }): Promise<void>
    doctor(params: { checks?: readonly string[] }): Promise<{ checks: readonly DoctorCheck[] }>
  }
  readonly identity: { get(): Promise<IdentityView> }
  readonly network: {
    /** @throws HearsayError `bad-value` with the parameter; with `join` as `join`. */
    create(
      params: {
        name: string
        preset?: string
        parameters?: JsonObject
        admission?: 'open' | 'operator'
        /** Multiaddrs under which this node is reachable as the first bootstrap. */
        announce?: readonly string[]
        join?: boolean
      },
      ctx: CallContext,
    ): Promise<Mutated<NetworkCreated>>
    /** `source` is a network file's text or a URI. @throws HearsayError `network-file-invalid`. */
    inspect(params: { source: string }): Promise<NetworkView>
    /**
     * @throws HearsayError `network-file-invalid`, `network-mismatch` (other words), `network-already-joined`, `not-admitted`,
     * `invite-expired`, `clock-skew` {skewMs} (the clock shows a time at which the network admitted nobody yet).
     */
    join(
      params: { source: string; expectWords?: string },
      ctx: CallContext,
    ): Promise<Mutated<{ networkId: string; state: LinkState }>>
    /** @throws HearsayError `network-not-joined`. */
    get(): Promise<NetworkView & { file: string; uri: string }>
    /** `wipe` erases contacts, messages and events too. @throws HearsayError `network-not-joined`. */
    leave(params: { wipe?: boolean }, ctx: CallContext): Promise<Mutated<{ networkId: string }>>
    /** `uses` nodes may enter with it. @throws HearsayError `network-not-joined`, `not-operator`. */
    invite(
      params: { uses?: number; ttlMs?: number },
      ctx: CallContext,
    ): Promise<Mutated<{ inviteId: string; uri: string; file: string; expiresAt: string }>>
  }
  readonly peers: {
    list(page: Page): Promise<Listing<PeerView>>
    /** Without `ttlMs` for good. @throws HearsayError `bad-value`. */
    ban(
      params: { peerId: string; ttlMs?: number },
      ctx: CallContext,
    ): Promise<Mutated<{ peerId: string }>>
  }
  readonly contacts: {
    /** A one-time invitation. @throws HearsayError `contact-exists`, `bad-value`, `quota-exceeded`. */
    invite(
      params: { label?: string; ttlMs?: number },
      ctx: CallContext,
    ): Promise<Mutated<InviteView>>
    /** @throws HearsayError `not-found`, `invite-used`. */
    inviteCancel(
      params: { inviteId: string },
      ctx: CallContext,
    ): Promise<Mutated<{ inviteId: string }>>
    /**
     * @throws HearsayError `invite-invalid`, `invite-expired`, `network-mismatch`, `contact-exists`, `bad-value`,
     * `quota-exceeded`.
     */
    add(
      params: { uri: string; alias: string },
      ctx: CallContext,
    ): Promise<Mutated<{ contactId: string; state: ContactState }>>
    list(page: Page): Promise<Listing<ContactView>>
    /** @throws HearsayError `contact-not-found`. */
    get(params: { contact: string }): Promise<ContactView>
    /** @throws HearsayError `contact-not-found`, `contact-exists`, `bad-value`. */
    rename(
      params: { contact: string; alias: string },
      ctx: CallContext,
    ): Promise<Mutated<ContactView>>
    /**
     * Marks the contact verified when `safetyNumber` (60 digits) is equal. @throws HearsayError `contact-not-found`,
     * `contact-not-ready`, `bad-value`; `identity-changed` when it differs.
     */
    verify(
      params: { contact: string; safetyNumber: string },
      ctx: CallContext,
    ): Promise<Mutated<{ contactId: string; verified: boolean }>>
    /** Deletes keys and history of the contact and compacts the store. @throws HearsayError `contact-not-found`. */
    remove(params: { contact: string }, ctx: CallContext): Promise<Mutated<{ contactId: string }>>
  }
  readonly messages: {
    /**
     * Resolves when the text, of at most 64 KiB of UTF-8, is on disk: from then on it ends `delivered`, or with an event that
     * says how else. `expiresInMs` is at most, and by default, the lifetime of a box; `now` does not wait for the rejoin hold.
     * @throws HearsayError `contact-not-found`, `contact-not-ready`, `bad-value`, `record-too-large`, `quota-exceeded`
     * {limit} (too much waits for this contact, or for all together), `storage-full`.
     */
    send(
      params: { to: string; body: { text: string }; expiresInMs?: number; now?: boolean },
      ctx: CallContext,
    ): Promise<Mutated<{ messageId: string; state: 'queued'; seq: number; acceptedAt: string }>>
    /** @throws HearsayError `message-not-found`, here and wherever a message is named. */
    get(params: { messageId: string }): Promise<MessageView>
    list(
      params: Page & {
        contact?: string
        direction?: 'in' | 'out'
        state?: MessageState
        order?: 'asc' | 'desc'
      },
    ): Promise<Listing<MessageView>>
    /** Resolves when the state is reached or passed, or is final. @throws HearsayError `timeout`. */
    wait(
      params: { messageId: string; state: MessageState; timeoutMs: number },
      signal: AbortSignal,
    ): Promise<{ messageId: string; state: MessageState }>
    /** @throws HearsayError `message-too-late` with `alreadySent` when the message has left. */
    cancel(params: { messageId: string }, ctx: CallContext): Promise<Mutated<{ messageId: string }>>
    /** Here only: the other side is not told. */
    markRead(
      params: { messageIds: readonly string[] },
      ctx: CallContext,
    ): Promise<Mutated<{ messageIds: readonly string[] }>>
  }
  readonly outbox: { list(page: Page): Promise<Listing<MessageView>> }
  /**
   * `epoch` is that of the events whose numbers the caller has. When the database has another one, because it was
   * restored, the answer is `cursor-ahead` {head, epoch} and nothing has changed: the number means another event here.
   */
  readonly events: {
    /**
     * A feed of a durable consumer (from its last ack) or of an anonymous reader (`after`, default head).
     * @throws HearsayError `consumer-not-found`, `cursor-too-old` {oldest}, `cursor-ahead` {head, epoch}.
     */
    open(params: {
      consumer?: string
      after?: number
      epoch?: string
      types?: readonly string[]
    }): Promise<EventFeed>
    /** Events after a number. @throws HearsayError `cursor-too-old`, `cursor-ahead`. */
    list(params: {
      after: number
      epoch?: string
      limit: number
      types?: readonly string[]
    }): Promise<{ items: readonly EventView[]; head: number }>
    /** As `list`, once there is one; none after `timeoutMs`. */
    wait(
      params: { after: number; epoch?: string; types?: readonly string[]; timeoutMs: number },
      signal: AbortSignal,
    ): Promise<{ items: readonly EventView[]; head: number }>
    /**
     * Cumulative and durable; a lower number changes nothing. `lost` of the events that this passes over never came to the
     * reader: they are counted with it. @throws HearsayError `consumer-not-found`, `cursor-ahead`.
     */
    ack(params: {
      consumer: string
      seq: number
      epoch?: string
      lost?: number
    }): Promise<{ cursor: number }>
    readonly consumers: {
      /** With the epoch of the cursors. */
      list(): Promise<{ items: readonly ConsumerView[]; epoch: string }>
      /**
       * One that exists with the same types is answered as it is. @throws HearsayError `consumer-exists` with others,
       * `quota-exceeded`, `bad-value`, `cursor-too-old`, `cursor-ahead`.
       */
      create(
        params: {
          name: string
          from: 'now' | 'start' | number
          epoch?: string
          types?: readonly string[]
        },
        ctx: CallContext,
      ): Promise<Mutated<ConsumerView>>
      delete(params: { name: string }, ctx: CallContext): Promise<Mutated<{ name: string }>>
    }
  }
  readonly hooks: {
    /**
     * Its owner has seen what the hook has missed: the status counts anew. Answers what it had counted.
     * @throws HearsayError `not-found`.
     */
    ack(
      params: { hook: string },
      ctx: CallContext,
    ): Promise<Mutated<{ hook: string; missed: number; missedAt: string | null }>>
  }
  readonly db: {
    stats(): Promise<DbStats>
    /** Reads everything: takes time in proportion to the store. */
    check(): Promise<DbCheck>
    /**
     * Writes a new file where the daemon runs; `withKey` makes it as secret as the home.
     * @throws HearsayError `storage-full` {field: 'path'} when there is no room in the place, `bad-value` {field: 'path'} for
     * whatever else is about it; `storage-failed`.
     */
    backup(params: { path: string; withKey?: boolean }): Promise<DbBackup>
  }
  /** An effect of `rpc` or `daemon` itself (config, tokens) recorded under the same idempotency rule. */
  remember<T extends JsonObject>(ctx: CallContext, effect: () => Promise<T>): Promise<Mutated<T>>
  /** Small durable values of `rpc` and `daemon`, for example hashed tokens. Keys up to 64 bytes. */
  readonly settings: {
    get(key: string): Promise<Uint8Array | undefined>
    put(key: string, value: Uint8Array): Promise<void>
    list(prefix: string): Promise<readonly (readonly [string, Uint8Array])[]>
    delete(key: string): Promise<void>
  }
}
