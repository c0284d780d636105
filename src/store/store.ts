import { equalBytes, isHearsayError } from '../base/index.ts'
import type { Batch, KeyRange, Store, StoreStats } from './api.ts'
import { WorkBatch } from './batch.ts'
import type { Bucket } from './buckets.ts'
import type { Committer } from './committer.ts'
import { ConsumerFeed, type FeedOptions } from './consumer-feed.ts'
import { Consumers } from './consumers.ts'
import type { Engine } from './engine.ts'
import { Journal } from './journal.ts'
import type { Parts } from './parts.ts'
import { physicalKey, physicalRange } from './physical-key.ts'
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
      ...{ clock, engine, vault, journal: this.journal },
      batch: () => this.#newBatch(),
    })
  }

  get(bucket: Bucket, key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#read(physicalKey(bucket, key))
  }

  async *iterate(
    bucket: Bucket,
    range?: KeyRange,
  ): AsyncGenerator<readonly [key: Uint8Array, value: Uint8Array]> {
    for await (const [key, envelope] of this.#engine.iterate(physicalRange(bucket, range))) {
      const value = await this.#openOrReread(key, envelope)
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

  async #read(key: Uint8Array): Promise<Uint8Array | undefined> {
    const envelope = await this.#engine.get(key)
    return envelope && this.#openOrReread(key, envelope)
  }

  /** Between the read and now a commit may have replaced a secret and erased its key: then read again. */
  async #openOrReread(key: Uint8Array, envelope: Uint8Array): Promise<Uint8Array | undefined> {
    let current = envelope
    for (;;) {
      try {
        return this.#vault.open(key, current, (slot, generation) =>
          this.#parts.shelf.keyOf(slot, generation),
        )
      } catch (error) {
        if (!isHearsayError(error, 'storage-corrupt')) throw error
        const again = await this.#engine.get(key)
        if (again === undefined) return undefined
        if (equalBytes(again, current)) throw error
        current = again
      }
    }
  }
}
