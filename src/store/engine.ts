export type Operation =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array }

export type Entry = readonly [key: Uint8Array, value: Uint8Array]

/** Bounds over whole keys, bucket byte included. */
export interface EngineRange {
  readonly gte?: Uint8Array
  readonly gt?: Uint8Array
  readonly lt?: Uint8Array
  readonly lte?: Uint8Array
  readonly limit?: number
  readonly reverse?: boolean
}

/** An ordered map of byte strings with atomic, durable writes. */
export interface Engine {
  get(key: Uint8Array): Promise<Uint8Array | undefined>
  /** Keys alone, in the order of unsigned bytes. */
  keys(range: EngineRange): AsyncIterable<Uint8Array>
  /** A snapshot as of the first step, in the same order. */
  iterate(range: EngineRange): AsyncIterable<Entry>
  /** `iterate` in pages of at least one entry: a step costs as much as an entry does. */
  pages(range: EngineRange): AsyncIterable<readonly Entry[]>
  /** All or nothing; on disk when it resolves. */
  write(operations: readonly Operation[]): Promise<void>
  /**
   * Rewrites everything, so that shadowed and deleted values are gone from the disk; of the keys in [gte, lt) only as far as
   * it gives back the space of deleted ones.
   */
  compact(range?: { readonly gte: Uint8Array; readonly lt: Uint8Array }): Promise<void>
  /** Approximate bytes on disk of the keys in [gte, lt). */
  approximateBytes(gte: Uint8Array, lt: Uint8Array): Promise<number>
  close(): Promise<void>
}
