import type { EventView } from '../../../src/node/index.ts'
import { DAMAGED_EVENT } from '../../../src/store/index.ts'
import type { Drop } from './short-retention.ts'

export interface ConsumerWatchPorts {
  readonly violation: (what: string) => void
}

const NOTHING: Drop = { dropUpTo: 0, dropAckedUpTo: 0 }

/**
 * Holds what the reader of one durable consumer gets against what it is promised, over all lives of its node:
 *
 * - A feed begins right behind the last acknowledgement that was answered, or behind a later one that was asked for: that one
 *   may have been written without an answer. No stop takes back an answer, unless it came from memory because the store
 *   took no writes, and the stop came before the healing.
 * - Its numbers have no gap, and none comes with another content, but for what the retention has removed, and then it says so.
 * - The retention removes what is too old, and sooner only what was acknowledged. Nothing that it has removed comes back.
 */
export class ConsumerWatch {
  readonly #ports: ConsumerWatchPorts
  #epoch: string | undefined
  #isMade = false
  /** Acknowledged on disk. */
  #certain = 0
  /** Acknowledged as far as this life of the node has answered, or began with. */
  #answered = 0
  /** Asked for, and beyond what is certain: after a stop any of them may be the cursor. */
  readonly #open = new Set<number>()
  /** The highest number that was ever asked for. */
  #asked = 0
  /** Answers are of the disk: the store has not failed a write since it was opened or healed. */
  #isWhole = true
  /** Last event that the feed which is open has given. */
  #position: number | undefined
  /** What was given and may be given again. */
  readonly #seen = new Map<number, string>()
  /** First event that is kept, as far as the retention has said. */
  #oldest = 1
  /** The most that it was ever told to remove. */
  #drop = NOTHING

  constructor(ports: ConsumerWatchPorts) {
    this.#ports = ports
  }

  /** The consumer exists, on disk. */
  get isMade(): boolean {
    return this.#isMade
  }

  get isWhole(): boolean {
    return this.#isWhole
  }

  /** Everything up to here was given by the feed that is open, or acknowledged before it. */
  get position(): number {
    return this.#position ?? this.#answered
  }

  violation(what: string): void {
    this.#ports.violation(`consumer: ${what}`)
  }

  /** The store was opened. Another epoch is that of a restored home, which may have forgotten anything. */
  opened(epoch: string, oldest: number): void {
    if (epoch !== this.#epoch) this.#begin(epoch, oldest)
    this.#answered = this.#certain
    this.#isWhole = true
    this.#position = undefined
    this.#judgeOldest(oldest)
  }

  /** The store has failed a write: what it answers from now on is in memory. */
  poisoned(): void {
    this.#isWhole = false
  }

  /** It was healed, and has written what it had answered. */
  healed(oldest: number): void {
    this.#isWhole = true
    this.#advance(this.#answered)
    this.#judgeOldest(oldest)
  }

  /** The consumer was made, to begin with the oldest event. */
  made(cursor: number): void {
    if (cursor !== this.#oldest - 1) {
      this.violation(`begins behind ${cursor}, and event ${this.#oldest} is the oldest`)
    }
    this.found(cursor)
  }

  /** The consumer is there, made by a call that got no answer. */
  found(cursor: number): void {
    if (this.#isMade) return
    this.#isMade = true
    this.#certain = cursor
    this.#answered = cursor
    this.#asked = cursor
  }

  /** A feed is open. */
  resumed(from: number): void {
    if (from < this.#answered) {
      this.violation(`a feed begins behind ${from}, and ${this.#answered} is acknowledged`)
    } else if (!this.#mayBe(from)) {
      this.violation(`a feed begins behind ${from}, which nobody has acknowledged`)
    }
    this.#advance(from)
    this.#position = from
  }

  /** The feed is open no more. */
  left(): void {
    this.#position = undefined
  }

  given(events: readonly EventView[]): void {
    for (const event of events) {
      const { seq, type } = event
      if (seq !== this.position + 1) this.violation(`event ${seq} after ${this.position}`)
      if (type === DAMAGED_EVENT) this.violation(`event ${seq} is damaged`)
      if (event.epoch !== this.#epoch) this.violation(`event ${seq} of another epoch`)
      const content = `${event.id} ${type} ${event.time} ${JSON.stringify(event.data)}`
      if ((this.#seen.get(seq) ?? content) !== content) {
        this.violation(`event ${seq} comes with another content`)
      }
      this.#seen.set(seq, content)
      this.#position = seq
    }
  }

  /** An acknowledgement is on its way. */
  asks(seq: number): void {
    this.#open.add(seq)
    this.#asked = Math.max(this.#asked, seq)
  }

  /** It was answered: everything up to `cursor` is acknowledged. */
  answered(seq: number, cursor: number): void {
    if (cursor < seq || !this.#mayBe(cursor)) {
      this.violation(`${seq} was acknowledged, the answer says ${cursor}`)
    }
    this.#advance(cursor)
  }

  /** A reader was told that events are gone, and `oldest` is the first that is left. Whether that can be. */
  overrun(oldest: number): boolean {
    const isBehind = oldest > this.position + 1
    if (!isBehind) {
      this.violation(`too old after ${this.position}, and event ${oldest} is there`)
    }
    this.#judgeOldest(oldest)
    return isBehind
  }

  /** The retention is asked to remove so much. */
  retains({ dropUpTo, dropAckedUpTo }: Drop): void {
    this.#drop = {
      dropUpTo: Math.max(this.#drop.dropUpTo, dropUpTo),
      dropAckedUpTo: Math.max(this.#drop.dropAckedUpTo, dropAckedUpTo),
    }
  }

  /** It has removed what comes before `oldest`. */
  retained(oldest: number): void {
    this.#judgeOldest(oldest)
  }

  #begin(epoch: string, oldest: number): void {
    this.#epoch = epoch
    this.#isMade = false
    this.#certain = 0
    this.#asked = 0
    this.#open.clear()
    this.#seen.clear()
    this.#oldest = oldest
    this.#drop = NOTHING
  }

  /** An answer may be late: another that says more was faster. */
  #mayBe(cursor: number): boolean {
    return cursor <= this.#answered || this.#open.has(cursor)
  }

  #advance(cursor: number): void {
    this.#answered = Math.max(this.#answered, cursor)
    if (!this.#isWhole) return
    this.#certain = this.#answered
    for (const seq of this.#open) if (seq <= this.#certain) this.#open.delete(seq)
    for (const seq of this.#seen.keys()) if (seq <= this.#certain) this.#seen.delete(seq)
  }

  #judgeOldest(oldest: number): void {
    if (oldest < this.#oldest) {
      this.violation(`event ${oldest} is there again, ${this.#oldest} was the oldest`)
    }
    const { dropUpTo, dropAckedUpTo } = this.#drop
    const most = Math.max(dropUpTo, Math.min(dropAckedUpTo, this.#asked)) + 1
    if (oldest > Math.max(most, this.#oldest)) {
      this.violation(`the events before ${oldest} are gone, those from ${most} on were to be kept`)
    }
    this.#oldest = Math.max(this.#oldest, oldest)
  }
}
