import type { Store } from './api.ts'
import type { Batch, KeyRange, StoreStats } from './batch-api.ts'
import { WorkBatch } from './batch.ts'
import type { Bucket } from './buckets.ts'
import { type CheckResult, checkStore } from './check.ts'
import type { Committer } from './committer.ts'
import { ConsumerFeed, type FeedOptions } from './consumer-feed.ts'
import { Consumers } from './consumers.ts'
import type { Engine } from './engine.ts'
import { Journal } from './journal.ts'
import type { Parts } from './parts.ts'
import { physicalKey, physicalRange } from './physical-key.ts'
import { applyRetention, type RetentionPolicy, type RetentionResult } from './retention.ts'
import { collectStats } from './stats.ts'
import type { Vault } from './vault.ts'

/** The one implementation of `Store`, over LevelDB or memory. */
export class EngineStore implements Store {
  readonly epoch: string
  readonly journal: Journal
  readonly consumers: Consumers
  readonly #parts: Parts
  readonly #engine: Engine
  readonly #vault: Vault
  readonly #committer: Committer
  #closing: Promise<void> | undefined

  constructor(parts: Parts) {
    const { engine, vault, committer, clock } = parts
    this.#parts = parts
    this.#engine = engine
    this.#vault = vault
    this.#committer = committer
    this.epoch = parts.epoch
    this.journal = new Journal({ engine, vault, committer }, { epoch: parts.epoch })
    this.consumers = new Consumers({
      clock,
      engine,
      vault,
      journal: this.journal,
      batch: () => this.#newBatch(),
    })
  }

  get(bucket: Bucket, key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#parts.reader.get(physicalKey(bucket, key))
  }

  async *iterate(
    bucket: Bucket,
    range?: KeyRange,
  ): AsyncGenerator<readonly [key: Uint8Array, value: Uint8Array]> {
    for await (const [key, envelope] of this.#engine.iterate(physicalRange(bucket, range))) {
      const value = await this.#parts.reader.open(key, envelope)
      if (value !== undefined) yield [key.slice(1), value]
    }
  }

  batch(): Batch {
    return this.#newBatch()
  }

  keyFor(bucket: Bucket, ...parts: readonly Uint8Array[]): Uint8Array {
    return this.#vault.name(Uint8Array.of(bucket), ...parts)
  }

  headSeq(): number {
    return this.#committer.head.seq
  }

  state(): 'ok' | 'poisoned' {
    return this.#committer.poison === undefined ? 'ok' : 'poisoned'
  }

  onPoisoned(listener: (cause: Error) => void): () => void {
    return this.#committer.onPoisoned(listener)
  }

  async feed(options: FeedOptions): Promise<ConsumerFeed> {
    return new ConsumerFeed({ journal: this.journal, consumers: this.consumers }, options)
  }

  compact(): Promise<void> {
    return this.#engine.compact()
  }

  retain(policy?: RetentionPolicy): Promise<RetentionResult> {
    const { clock, engine } = this.#parts
    const { journal, consumers } = this
    return applyRetention({ clock, engine, journal, consumers }, policy)
  }

  check(): Promise<CheckResult> {
    return checkStore(this.#parts, this.journal)
  }

  stats(): Promise<StoreStats> {
    return collectStats(this.#parts)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#committer.close()
    await this.#parts.closeFiles()
  }

  #newBatch(): WorkBatch {
    return new WorkBatch({
      vault: this.#vault,
      submit: (work) => this.#committer.submit(work),
    })
  }
}
