import { type Clock, HearsayError, isHearsayError, type Logger, type Rng } from '../base/index.ts'
import type { Store } from './api.ts'
import { type BackupOptions, type BackupResult, writeBackup } from './backup.ts'
import type { Batch, KeyRange, StoreSpace, StoreStats } from './batch-api.ts'
import { WorkBatch } from './batch.ts'
import type { Bucket } from './buckets.ts'
import { type CheckResult, checkStore } from './check.ts'
import type { CommitListeners } from './commit-listeners.ts'
import { RECLAIM_ROOM_BYTES } from './constants.ts'
import { ConsumerFeed, type FeedOptions } from './consumer-feed.ts'
import { Consumers } from './consumers.ts'
import { Journal } from './journal.ts'
import type { Live, Parts } from './parts.ts'
import { physicalKey, physicalRange } from './physical-key.ts'
import { isWritable } from './probe.ts'
import { bytesOf, reclaimParts } from './reclaim.ts'
import { applyRetention, type RetentionPolicy, type RetentionResult } from './retention.ts'
import { collectStats, measureSpace } from './stats.ts'
import type { Vault } from './vault.ts'

export interface EngineStorePorts {
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly vault: Vault
  readonly listeners: CommitListeners
  /** Opens the files once more, after they were closed. */
  readonly reopen: () => Promise<Parts>
  /** The key of the vault, read again from its file. */
  readonly vaultKey: () => Promise<Uint8Array>
}

/** The one implementation of `Store`, over LevelDB or memory. */
export class EngineStore implements Store {
  readonly journal: Journal
  readonly consumers: Consumers
  readonly #ports: EngineStorePorts
  readonly #live: Live
  readonly #writing = new Set<string>()
  #parts: Parts
  #healing: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(ports: EngineStorePorts, options: { readonly parts: Parts }) {
    this.#ports = ports
    this.#parts = options.parts
    const parts = () => this.#parts
    this.#live = {
      get parts() {
        return parts()
      },
      ready: () => this.#ready(),
    }
    const live = this.#live
    this.journal = new Journal({ live, listeners: ports.listeners })
    this.consumers = new Consumers({
      clock: ports.clock,
      live,
      journal: this.journal,
      batch: () => this.#newBatch(),
    })
  }

  get epoch(): string {
    return this.#parts.epoch
  }

  get restored(): boolean {
    return this.#parts.restored
  }

  async get(bucket: Bucket, key: Uint8Array): Promise<Uint8Array | undefined> {
    const { reader } = await this.#ready()
    return reader.get(physicalKey(bucket, key))
  }

  async *iterate(
    bucket: Bucket,
    range?: KeyRange,
  ): AsyncGenerator<readonly [key: Uint8Array, value: Uint8Array]> {
    const { engine, reader } = await this.#ready()
    for await (const [key, envelope] of engine.iterate(physicalRange(bucket, range))) {
      const value = reader.openNow(key, envelope) ?? (await reader.open(key, envelope))
      if (value !== undefined) yield [key.slice(1), value]
    }
  }

  async *entries(
    bucket: Bucket,
    range?: KeyRange,
  ): AsyncGenerator<readonly [key: Uint8Array, value: Uint8Array | undefined]> {
    for await (const page of this.pages(bucket, range)) yield* page
  }

  async *pages(
    bucket: Bucket,
    range?: KeyRange,
  ): AsyncGenerator<(readonly [key: Uint8Array, value: Uint8Array | undefined])[]> {
    const { engine, reader } = await this.#ready()
    for await (const page of engine.pages(physicalRange(bucket, range))) {
      const entries: (readonly [Uint8Array, Uint8Array | undefined])[] = []
      for (const [key, envelope] of page) {
        const found = reader.openNow(key, envelope) ?? (await reader.tryOpen(key, envelope))
        if (found !== 'gone')
          entries.push([key.subarray(1), found === 'damaged' ? undefined : found])
      }
      yield entries
    }
  }

  async *keys(bucket: Bucket, range?: KeyRange): AsyncGenerator<Uint8Array> {
    const { engine } = await this.#ready()
    for await (const key of engine.keys(physicalRange(bucket, range))) yield key.slice(1)
  }

  batch(): Batch {
    return this.#newBatch()
  }

  keyFor(bucket: Bucket, ...parts: readonly Uint8Array[]): Uint8Array {
    return this.#ports.vault.name(Uint8Array.of(bucket), ...parts)
  }

  headSeq(): number {
    return this.#parts.committer.head.seq
  }

  state(): 'ok' | 'poisoned' {
    return this.#parts.committer.poison === undefined ? 'ok' : 'poisoned'
  }

  onPoisoned(listener: (cause: Error) => void): () => void {
    return this.#ports.listeners.onPoisoned(listener)
  }

  async isWritable(): Promise<boolean> {
    const { files, paths, committer } = this.#parts
    return isWritable({ files, rng: this.#ports.rng }, paths, committer.poison)
  }

  async keepReserve(): Promise<void> {
    const { reserve, paths } = await this.#ready()
    if (this.state() === 'ok' && this.#closing === undefined) await reserve.restore(paths.directory)
  }

  async renewWitness(): Promise<void> {
    const { committer, witness } = await this.#ready()
    await committer.writing(() => witness.renew())
  }

  heal(): Promise<void> {
    this.#healing ??= this.#heal().finally(() => {
      this.#healing = undefined
    })
    return this.#healing
  }

  async feed(options: FeedOptions): Promise<ConsumerFeed> {
    return new ConsumerFeed({ journal: this.journal, consumers: this.consumers }, options)
  }

  async compact(): Promise<void> {
    const { engine } = await this.#ready()
    await engine.compact()
  }

  async bytesOf(bucket: Bucket): Promise<number> {
    const { engine } = await this.#ready()
    return bytesOf(engine, bucket)
  }

  async reclaim(bucket: Bucket, signal: AbortSignal): Promise<void> {
    const parts = await this.#ready()
    for (const range of await reclaimParts(parts.engine, bucket)) {
      if (signal.aborted || this.state() !== 'ok') return
      if (this.#writing.size > 0) {
        throw new HearsayError('overloaded', 'a backup still reads what was deleted')
      }
      if ((await parts.files.freeBytes(parts.paths.directory)) < RECLAIM_ROOM_BYTES) {
        throw new HearsayError('storage-full', 'there is no room to rewrite tables')
      }
      await parts.engine.compact(range)
    }
  }

  async retain(policy?: RetentionPolicy): Promise<RetentionResult> {
    const { engine } = await this.#ready()
    const { journal, consumers } = this
    return applyRetention({ engine, journal, consumers }, policy)
  }

  async check(): Promise<CheckResult> {
    return checkStore(await this.#ready(), this.journal)
  }

  async stats(): Promise<StoreStats> {
    return collectStats(await this.#ready())
  }

  async space(): Promise<StoreSpace> {
    return measureSpace(await this.#ready())
  }

  async backup(options: BackupOptions): Promise<BackupResult> {
    const { rng, vaultKey } = this.#ports
    const writing = this.#writing
    return writeBackup({ rng, vaultKey, writing, parts: await this.#ready() }, options)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#healing?.catch(() => undefined)
    await this.#parts.committer.close()
    await this.#parts.closeFiles()
  }

  async #ready(): Promise<Parts> {
    // A failed healing leaves the old parts, closed: reading then says so.
    await this.#healing?.catch(() => undefined)
    return this.#parts
  }

  async #heal(): Promise<void> {
    if (this.#closing !== undefined) throw new HearsayError('not-running', 'the store is closed')
    if (this.state() === 'ok') return
    await this.#parts.committer.close()
    try {
      await this.#parts.closeFiles()
    } catch (error) {
      // What is broken may not close in order either; if the lock is still held, the opening says so.
      const code = isHearsayError(error) ? error.code : 'unknown'
      this.#ports.log.warn('the broken store did not close in order', { code })
    }
    this.#parts = await this.#ports.reopen()
    await this.consumers.load()
    this.#ports.listeners.appended(this.headSeq())
  }

  #newBatch(): WorkBatch {
    return new WorkBatch({
      vault: this.#ports.vault,
      submit: (work) => this.#parts.committer.submit(work),
    })
  }
}
