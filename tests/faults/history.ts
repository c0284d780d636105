import type { EventView } from '../../src/node/index.ts'
import { forgiver } from './returns.ts'

/** One `messages.send` as its client saw it: the last of perhaps many tries under one idempotency key. */
export interface SendRecord {
  readonly from: number
  readonly to: number
  /** Names the pair and the number in it; no two sends of a run have the same. */
  readonly text: string
  readonly key: string
  /** Monotonic milliseconds of the first try. */
  readonly calledAt: number
  /** Every message id that an answer named; more than one breaks the promise of the key. */
  readonly messageIds: string[]
  /** Of the first answer; undefined while nobody knows whether it was accepted. */
  acceptedAt: number | undefined
  tries: number
}

/** An event as a durable consumer of a node got it. */
export interface EventRecord extends Pick<EventView, 'seq' | 'epoch' | 'id' | 'type'> {
  readonly node: number
  readonly at: number
  /** What of its data the checker looks at. */
  readonly messageId: string
  readonly text: string
  /** Of a gap: of whom so many records are missing. */
  readonly gap?: { readonly alias: string; readonly missing: number }
  /** Milliseconds from its date to its reader, by the clock of the machine: whole ones. */
  readonly tookMs?: number
}

/** An answer that a client got where it did not hope for one. */
export interface ErrorRecord {
  readonly node: number
  readonly at: number
  readonly method: string
  /** Name of the RPC error, or `connection` when the daemon was not there. */
  readonly name: string
}

/** Something that was done to the network. */
export interface FaultRecord {
  readonly at: number
  readonly what: string
  readonly node: number | undefined
}

/** A start of a daemon after a fault, from the spawn to `running`. */
export interface RecoveryRecord {
  readonly node: number
  readonly at: number
  readonly readyMs: number
}

/** A database that was put back to an older state: all times are monotonic milliseconds. */
export interface ReturnRecord {
  readonly node: number
  /** Everything that was durable by then is in it. */
  readonly copiedAt: number
  /** Texts that the node listed as received before the copy: whatever was said of them since, they are in it. */
  readonly held?: ReadonlySet<string>
  /** Nothing of the node runs at this moment. */
  readonly backAt: number
}

/** A node is there from here on, or is not. */
export interface PresenceRecord {
  readonly node: number
  readonly at: number
  readonly isUp: boolean
}

/** What the status of a node says is wrong with its network, from here on. */
export interface HealthRecord {
  readonly node: number
  readonly at: number
  /** Codes of warnings and errors; empty when it is well. */
  readonly codes: readonly string[]
}

/** A message as a node lists it at the end. */
export interface ListedMessage {
  readonly messageId: string
  readonly direction: 'in' | 'out'
  readonly text: string
  readonly state: string
}

/** What a daemon wrote or did that it must never do: it names the log line or the exit. */
export interface CrashRecord {
  readonly node: number
  readonly what: string
}

/** Everything that clients saw, in order of time for each node. */
export interface History {
  readonly sends: readonly SendRecord[]
  /** Where the consumer of each node begins: its first event has the next number. */
  readonly cursors: ReadonlyMap<number, number>
  readonly events: readonly EventRecord[]
  readonly errors: readonly ErrorRecord[]
  readonly faults: readonly FaultRecord[]
  readonly recoveries: readonly RecoveryRecord[]
  readonly crashes: readonly CrashRecord[]
  readonly returns: readonly ReturnRecord[]
  readonly presence: readonly PresenceRecord[]
  readonly health: readonly HealthRecord[]
  /** By node, oldest first; a node that could not be asked at the end is missing. */
  readonly lists: ReadonlyMap<number, readonly ListedMessage[]>
}

/** Collects a history while a row runs. */
export class Recorder implements History {
  readonly sends: SendRecord[] = []
  readonly cursors = new Map<number, number>()
  readonly events: EventRecord[] = []
  readonly errors: ErrorRecord[] = []
  readonly faults: FaultRecord[] = []
  readonly recoveries: RecoveryRecord[] = []
  readonly crashes: CrashRecord[] = []
  readonly returns: ReturnRecord[] = []
  readonly presence: PresenceRecord[] = []
  readonly health: HealthRecord[] = []
  readonly lists = new Map<number, readonly ListedMessage[]>()
  readonly #confirmed = new Set<string>()
  readonly #received = new Set<string>()
  readonly #failed = new Set<string>()

  event(record: EventRecord): void {
    this.events.push(record)
    if (record.type === 'message.received') this.#received.add(record.text)
    else if (DELIVERED.has(record.type)) this.#confirmed.add(record.messageId)
    else if (GIVEN_UP.has(record.type)) this.#failed.add(record.messageId)
  }

  fault(what: string, node?: number): void {
    this.faults.push({ at: performance.now(), what, node })
  }

  /** The database of a node that does not run is now what it was at `copiedAt`, milliseconds. */
  returned(node: number, copiedAt: number, held: ReadonlySet<string> = new Set()): ReturnRecord {
    const life = { node, copiedAt, backAt: performance.now(), held }
    this.returns.push(life)
    return life
  }

  /**
   * What a node has for its client, which has not seen it, and what was accepted from or for it and waits for its end.
   */
  waitingFor(node: number): { unread: number; unacknowledged: number } {
    const isConfirmed = ({ messageIds }: SendRecord) =>
      messageIds.some((id) => this.#confirmed.has(id) || this.#failed.has(id))
    const accepted = this.sends.filter(({ acceptedAt }) => acceptedAt !== undefined)
    const its = accepted.filter(({ from, to }) => from === node || to === node)
    return {
      unread: its.filter((send) => send.to === node && isConfirmed(send) && !this.#has(send))
        .length,
      unacknowledged: its.filter((send) => !isConfirmed(send)).length,
    }
  }

  /** Accepted sends of which the sender does not know the end yet, or which no event has shown at the recipient. */
  get open(): SendRecord[] {
    const forgetful = forgiver(this)
    return this.sends.filter((send) => !this.#hasEnded(send) && forgetful(send) === undefined)
  }

  #hasEnded(send: SendRecord): boolean {
    const { acceptedAt, messageIds } = send
    if (acceptedAt === undefined) return false
    if (messageIds.some((id) => this.#failed.has(id))) return true
    return messageIds.some((id) => this.#confirmed.has(id)) && this.#has(send)
  }

  #has({ text }: SendRecord): boolean {
    return this.#received.has(text)
  }
}

/** Events that tell a sender how a message ended. */
const DELIVERED: ReadonlySet<string> = new Set(['message.delivered', 'message.read'])
const GIVEN_UP: ReadonlySet<string> = new Set(['message.failed', 'message.expired'])
