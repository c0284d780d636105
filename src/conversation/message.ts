export type MessageState =
  | 'queued'
  | 'sent'
  | 'stored'
  | 'delivered'
  | 'read'
  | 'failed'
  | 'expired'
  | 'cancelled'
  | 'received'

export interface StateChange {
  readonly state: MessageState
  readonly at: number
  readonly reason?: string
}

/** One message of the history, either direction. */
export interface Message {
  /** Position in the history, monotone over all contacts. */
  readonly number: number
  /** 16 bytes. */
  readonly id: Uint8Array
  readonly contactId: Uint8Array
  readonly direction: 'in' | 'out'
  readonly text: string
  readonly sentAt: number
  readonly receivedAt: number | undefined
  read: boolean
  state: MessageState
  readonly history: StateChange[]
}

/** Higher means later: a message never goes back, whatever order confirmations come in. */
const RANK: Record<MessageState, number> = {
  queued: 0,
  sent: 1,
  stored: 2,
  delivered: 3,
  read: 4,
  received: 3,
  failed: 9,
  expired: 9,
  cancelled: 9,
}

/** Whether `state` is `wanted` or past it on the way of a message that arrives. */
export function hasReached(state: MessageState, wanted: MessageState): boolean {
  return state === wanted || (RANK[state] < 9 && RANK[wanted] < 9 && RANK[state] >= RANK[wanted])
}

export function isFinal(state: MessageState): boolean {
  return RANK[state] >= 3
}

/** Moves a message on. False when it is there or beyond already. */
export function advance(message: Message, change: StateChange): boolean {
  if (isFinal(message.state) && !(message.state === 'delivered' && change.state === 'read'))
    return false
  if (RANK[change.state] <= RANK[message.state]) return false
  message.state = change.state
  message.history.push(change)
  return true
}
