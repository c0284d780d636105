import type { Address } from '../base/index.ts'
import type { Reassembler, ReadWindow } from '../stream/index.ts'

/** One epoch of a stream from its reader's side. */
export interface ReadEpoch {
  readonly tag: string
  /** UTC day of publishing of the newest confirmed box, 0 before the first: none after it is older. */
  heardDay: number
  /** Boxes that were read and that only one peer is known to have. Nothing that is asked for follows from them. */
  readonly unconfirmed: Map<number, Address>
  readonly window: ReadWindow
  readonly reassembler: Reassembler
}

/** The index after the highest box that others have too. What is forgotten below the window was. */
export function firmNext({ window, unconfirmed }: ReadEpoch): number {
  if (unconfirmed.size === 0) return window.next
  const gaps = new Set(window.gaps())
  let next = window.next
  while (next > 0 && (unconfirmed.has(next - 1) || gaps.has(next - 1))) next--
  return next
}

/** What was not read, or counts as unread, by index. */
export function unread({ window, unconfirmed }: ReadEpoch): { index: number; address: Address }[] {
  const waiting = [...unconfirmed].map(([index, address]) => ({ index, address }))
  return [...waiting, ...window.addresses()].toSorted((a, b) => a.index - b.index)
}

/** What lies so far behind is no gap any more, whether it was read or not. */
export function forgetOld(epoch: ReadEpoch): void {
  const next = firmNext(epoch)
  for (const index of epoch.unconfirmed.keys()) {
    if (index + epoch.window.size < next) epoch.unconfirmed.delete(index)
  }
}
