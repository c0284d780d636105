/** How the link from one node to another is worse than a cable. All zero and false: it passes bytes as they come. */
export interface LinkFaults {
  /** Nothing passes. What is under way is kept, as a sender keeps what was not acknowledged. */
  readonly down: boolean
  /** Milliseconds that every byte takes. */
  readonly delayMs: number
  /** The delay of a segment differs by up to this, either way; the order of the bytes is kept. */
  readonly jitterMs: number
  /** Share of segments, 0 to 1, that are lost and sent again, as TCP does it: later, and all behind them too. */
  readonly loss: number
  /** Bits per second; 0 for no limit. */
  readonly rateBps: number
  /** Share of segments, 0 to 1, that come twice. No TCP does that: it is somebody who tampers with the wire. */
  readonly repeat: number
}

export const NO_FAULTS: LinkFaults = {
  down: false,
  delayMs: 0,
  jitterMs: 0,
  loss: 0,
  rateBps: 0,
  repeat: 0,
}

/** The links that are not clean, by `linkKey`. */
export type LinkTable = Readonly<Record<string, LinkFaults>>

/** `3>5`: what node 3 sends to node 5. */
export function linkKey(from: number, to: number): string {
  return `${from}>${to}`
}

export function faultsOf(table: LinkTable, from: number, to: number): LinkFaults {
  return table[linkKey(from, to)] ?? NO_FAULTS
}

export function isClean(faults: LinkFaults): boolean {
  return !faults.down && !isShaped(faults)
}

/** True when bytes cannot be passed on at once, or not as they came. */
export function isShaped({ delayMs, jitterMs, loss, rateBps, repeat }: LinkFaults): boolean {
  return delayMs > 0 || jitterMs > 0 || loss > 0 || rateBps > 0 || repeat > 0
}

/** The table with `change` applied to the given links; links that become clean are left out. */
export function changeLinks(
  table: LinkTable,
  links: Iterable<readonly [from: number, to: number]>,
  change: (faults: LinkFaults) => LinkFaults,
): LinkTable {
  const changed = new Map(Object.entries(table))
  for (const [from, to] of links) {
    const faults = change(faultsOf(table, from, to))
    if (isClean(faults)) changed.delete(linkKey(from, to))
    else changed.set(linkKey(from, to), faults)
  }
  return Object.fromEntries(changed)
}
