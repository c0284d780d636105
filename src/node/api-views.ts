/** What `NodeApi` answers of single things: one interface for each kind. */
import type { MessageState } from '../conversation/index.ts'
import type { JsonObject } from '../store/index.ts'

export type { MessageState } from '../conversation/index.ts'

export interface IdentityView {
  readonly peerId: string
  readonly nodeKey: string
  readonly createdAt: string
}

export interface NetworkView {
  readonly networkId: string
  readonly name: string
  readonly words: string
  readonly preset: string
  readonly parameters: JsonObject
  readonly operatorKey: string
  readonly bootstraps: readonly string[]
  readonly createdAt: string
  readonly expiresAt?: string
  readonly admission: 'open' | 'operator'
  /** True when this home holds the operator's key. */
  readonly operator: boolean
}

export interface NetworkCreated {
  readonly networkId: string
  readonly words: string
  readonly file: string
  readonly uri: string
}

export interface PeerView {
  readonly peerId: string
  readonly addresses: readonly string[]
  readonly connected: boolean
  readonly banned: boolean
}

export type ContactState = 'waiting' | 'exchanging' | 'ready' | 'recovering' | 'failed'

export interface ContactView {
  readonly contactId: string
  readonly alias: string
  readonly state: ContactState
  /** Boxes of the key exchange done and expected, while `exchanging`. */
  readonly progress?: { readonly done: number; readonly total: number }
  readonly reason?: string
  /** 60 decimal digits in groups of five, from `ready` on. Equal on both sides. */
  readonly safetyNumber?: string
  readonly verified: boolean
  readonly createdAt: string
  readonly lastHeardAt?: string
}

export interface InviteView {
  readonly inviteId: string
  readonly contactId: string
  readonly uri: string
  readonly expiresAt: string
}

export interface MessageView {
  readonly messageId: string
  readonly contactId: string
  readonly direction: 'in' | 'out'
  readonly body: { readonly text: string }
  readonly state: MessageState
  readonly sentAt: string
  readonly receivedAt?: string
  readonly read: boolean
  readonly history: readonly {
    readonly state: MessageState
    readonly at: string
    readonly reason?: string
  }[]
}

export interface EventView {
  readonly seq: number
  readonly epoch: string
  readonly id: string
  readonly type: string
  readonly time: string
  readonly data: JsonObject
}

export interface ConsumerView {
  readonly name: string
  readonly cursor: number
  readonly types?: readonly string[]
  readonly lag: number
  /** Its last acknowledgement was in this epoch, and the database was restored since. */
  readonly formerEpoch?: string
}
