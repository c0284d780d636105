/** Times are milliseconds of one monotonic clock that all nodes and the observer share. Nodes are numbered from 0. */

/**
 * Everything that went over every link, in order of time: what a global passive observer has. In columns,
 * because a run is a million chunks.
 */
export interface Trace {
  readonly at: Float64Array
  readonly from: Uint8Array
  readonly to: Uint8Array
  /** Bytes on the wire. */
  readonly bytes: Uint32Array
}

/** One packet that a node originated, as only the node knows it. */
export interface Emission {
  readonly node: number
  readonly slot: number
  readonly at: number
  readonly to: number
}

/** The slots of a network on the clock of the trace. */
export interface Grid {
  /** When slot 0 began, or would have. */
  readonly originMs: number
  readonly slotMs: number
}

/** The publishing cycles of a network: they begin anew with each epoch. */
export interface Cycles extends Grid {
  readonly slotsPerEpoch: number
  readonly publishEvery: number
}

/** A stretch of a run that is judged; what lies between two of them is not. */
export interface Phase {
  readonly busy: boolean
  /** Two phases next to each other in time, one idle and one busy, in an order that was drawn. */
  readonly block: number
  readonly from: number
  readonly to: number
}

/** Builds a trace from chunks in any order. */
export class TraceBuilder {
  readonly #rows: [at: number, from: number, to: number, bytes: number][] = []

  add(at: number, from: number, to: number, bytes: number): void {
    this.#rows.push([at, from, to, bytes])
  }

  build(): Trace {
    const rows = this.#rows.sort((a, b) => a[0] - b[0])
    const trace = emptyTrace(rows.length)
    for (const [i, [at, from, to, bytes]] of rows.entries()) {
      trace.at[i] = at
      trace.from[i] = from
      trace.to[i] = to
      trace.bytes[i] = bytes
    }
    return trace
  }
}

export function emptyTrace(length: number): Trace {
  return {
    at: new Float64Array(length),
    from: new Uint8Array(length),
    to: new Uint8Array(length),
    bytes: new Uint32Array(length),
  }
}

/** Index of the first chunk at or after `at`. */
export function firstAt(trace: Trace, at: number): number {
  let low = 0
  let high = trace.at.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((trace.at[middle] ?? 0) < at) low = middle + 1
    else high = middle
  }
  return low
}

/** The slots that lie wholly inside a phase. */
export function slotsInside(grid: Grid, phase: Phase): { first: number; end: number } {
  return {
    first: Math.ceil((phase.from - grid.originMs) / grid.slotMs),
    end: Math.floor((phase.to - grid.originMs) / grid.slotMs),
  }
}
