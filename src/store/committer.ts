import { type Clock, type Failpoints, HearsayError, type Logger, type Rng } from '../base/index.ts'
import { wipe } from '../crypto/index.ts'
import type { CommitResult } from './batch-api.ts'
import type { Change, Work } from './batch.ts'
import type { CommitListeners } from './commit-listeners.ts'
import { MAX_GROUP_BATCHES, MAX_GROUP_BYTES, MAX_REDACTIONS } from './constants.ts'
import type { Engine, Operation } from './engine.ts'
import type { Head } from './head.ts'
import { headOperation, stageEvents, stageRedactions, stageTrim } from './journal-stage.ts'
import { markOperation } from './marks.ts'
import type { Secrets } from './secrets.ts'
import type { Shelf } from './shelf.ts'
import { writeError } from './storage-error.ts'
import type { Vault } from './vault.ts'
import type { Watermark } from './watermark.ts'

interface Pending {
  readonly work: Work
  readonly resolve: (result: CommitResult) => void
  readonly reject: (error: HearsayError) => void
}

function refuse({ work, reject }: Pending, error: HearsayError): void {
  for (const change of work.changes.values()) if (change.type === 'secret') wipe(change.value)
  reject(error)
}

export interface CommitterPorts {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly engine: Engine
  readonly vault: Vault
  readonly shelf: Shelf
  readonly secrets: Secrets
  readonly watermark: Watermark
  readonly listeners: CommitListeners
  readonly failpoints?: Failpoints
}

/**
 * The only writer of the database. Batches queue first in, first out; while one synced write is in flight the
 * next ones collect and go together. Nothing is refused for load: what a batch says is in force in the memory of its
 * caller already, and would be there without the disk. Callers bound what they have under way. The first failure poisons: nothing is written or acknowledged after it,
 * because LevelDB may acknowledge such writes and lose them.
 */
export class Committer {
  readonly #ports: CommitterPorts
  readonly #between: (() => Promise<void>)[] = []
  #queue: Pending[] = []
  #head: Head
  #poison: HearsayError | undefined
  #running: Promise<void> | undefined
  #closed = false

  constructor(ports: CommitterPorts, options: { readonly head: Head }) {
    this.#ports = ports
    this.#head = options.head
  }

  get head(): Head {
    return this.#head
  }

  get poison(): HearsayError | undefined {
    return this.#poison
  }

  submit(work: Work): Promise<CommitResult> {
    return new Promise((resolve, reject) => {
      const pending = { work, resolve, reject }
      if (this.#poison !== undefined) {
        refuse(pending, this.#poisoned())
      } else if (this.#closed) {
        refuse(pending, new HearsayError('not-running', 'the store is closed'))
      } else {
        this.#queue.push(pending)
        this.#running ??= this.#run()
      }
    })
  }

  /** Runs `work` while no group is being written; commits wait for it. */
  between<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#between.push(() => work().then(resolve, reject))
      this.#running ??= this.#run()
    })
  }

  /** As `between`, for what writes to the database: a failure poisons like that of a group. Rejects with it. */
  writing(work: () => Promise<void>): Promise<void> {
    return this.between(async () => {
      if (this.#poison !== undefined) throw this.#poisoned()
      if (this.#closed) throw new HearsayError('not-running', 'the store is closed')
      try {
        await work()
      } catch (cause) {
        const error = writeError(cause)
        this.#fail([], error)
        throw error
      }
    })
  }

  /** Refuses new work and resolves when the queue is empty. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#running
  }

  async #run(): Promise<void> {
    // One turn later, so that everything submitted in this turn shares the first group.
    await Promise.resolve()
    while (this.#queue.length > 0 || this.#between.length > 0) {
      await this.#between.shift()?.()
      if (this.#queue.length === 0) continue
      const group = this.#nextGroup()
      try {
        await this.#writeGroup(group)
      } catch (cause) {
        this.#fail(group, writeError(cause))
      }
    }
    this.#running = undefined
  }

  #nextGroup(): Pending[] {
    let bytes = 0
    let redactions = 0
    let count = 0
    for (const { work } of this.#queue) {
      if (count > 0 && bytes + work.bytes > MAX_GROUP_BYTES) break
      if (count > 0 && redactions + work.redactions.length > MAX_REDACTIONS) break
      bytes += work.bytes
      redactions += work.redactions.length
      if (++count === MAX_GROUP_BATCHES) break
    }
    return this.#queue.splice(0, count)
  }

  async #writeGroup(group: readonly Pending[]): Promise<void> {
    const { engine, vault, shelf, secrets, watermark, clock, listeners, failpoints } = this.#ports
    const merged = new Map<string, Change>()
    const accepted = this.#accept(group, merged)
    if (accepted.length === 0) return

    const operations: Operation[] = []
    const change = shelf.begin()
    for (const item of merged.values()) {
      if (item.type === 'secret') {
        operations.push(...secrets.put(change, item.key, item.value))
        continue
      }
      operations.push(...secrets.drop(change, item.key))
      if (item.type === 'put') operations.push({ type: 'put', key: item.key, value: item.sealed })
      else operations.push({ type: 'del', key: item.key })
    }

    const works = accepted.map(({ work }) => work)
    const now = clock.now()
    const events = stageEvents(this.#ports, this.#head, works, now)
    const trim = stageTrim({ ...this.#head, ...events.tail }, works)
    const redactions = await stageRedactions(engine, vault, trim.oldest, events.tail.seq, works)
    const head: Head = {
      ...events.tail,
      oldest: trim.oldest,
      commits: this.#head.commits + 1,
      marksFrom: this.#head.marksFrom,
    }
    operations.push(...redactions, ...events.operations, ...trim.operations)
    operations.push(headOperation(vault, head), markOperation(head.commits))

    failpoints?.reach('before-batch')
    await shelf.stage(change)
    await engine.write(operations)
    await shelf.erase(change)
    watermark.note(head.commits)
    failpoints?.reach('after-batch')

    const appended = head.seq > this.#head.seq
    this.#head = head
    for (const item of merged.values()) if (item.type === 'secret') wipe(item.value)
    for (const [index, pending] of accepted.entries()) {
      pending.resolve({ events: events.results[index] ?? [] })
    }
    if (appended) listeners.appended(head.seq)
  }

  /** Merges the batches; one whose new secrets do not fit is refused alone. */
  #accept(group: readonly Pending[], merged: Map<string, Change>): Pending[] {
    const { secrets, shelf } = this.#ports
    const accepted: Pending[] = []
    let room = shelf.room
    for (const pending of group) {
      let wanted = 0
      for (const change of pending.work.changes.values()) {
        if (change.type === 'secret' && !secrets.has(change.key)) wanted++
      }
      if (wanted > room) {
        refuse(pending, new HearsayError('storage-full', 'the secret shelf is full'))
        continue
      }
      room -= wanted
      accepted.push(pending)
      for (const [name, change] of pending.work.changes) {
        const earlier = merged.get(name)
        if (earlier?.type === 'secret') wipe(earlier.value)
        merged.set(name, change)
      }
    }
    return accepted
  }

  #fail(group: readonly Pending[], error: HearsayError): void {
    this.#poison = error
    this.#ports.log.error('the store refuses further writes', { code: error.code })
    for (const pending of group) refuse(pending, error)
    const waiting = this.#queue
    this.#queue = []
    for (const pending of waiting) refuse(pending, this.#poisoned())
    this.#ports.listeners.poisoned(error)
  }

  #poisoned(): HearsayError {
    return new HearsayError('storage-poisoned', 'an earlier write failed', {}, this.#poison)
  }
}
