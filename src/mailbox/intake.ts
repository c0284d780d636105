import type { Clock } from '../base/index.ts'
import { INTAKE_FIRST_MS, INTAKE_WINDOW_MS } from './constants.ts'

/** Boxes per ms. */
export interface IntakeRate {
  /** New ones that gossip brings. */
  readonly heard: number
  /** Those of them that this node keeps until they expire. */
  readonly kept: number
}

interface Window {
  readonly since: number
  heard: number
  kept: number
}

/** Counts what gossip brings, over the last half hour to hour. A restart begins anew. */
export class Intake {
  readonly #clock: Clock
  #current: Window
  #before: Window | undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#current = { since: clock.monotonic(), heard: 0, kept: 0 }
  }

  note(isKept: boolean): void {
    this.#turn()
    this.#current.heard++
    if (isKept) this.#current.kept++
  }

  /** Undefined until it was measured for `INTAKE_FIRST_MS`, and where nothing came. */
  get rate(): IntakeRate | undefined {
    this.#turn()
    const windows = this.#before === undefined ? [this.#current] : [this.#before, this.#current]
    const ms = this.#clock.monotonic() - (this.#before ?? this.#current).since
    const heard = windows.reduce((sum, window) => sum + window.heard, 0)
    if (ms < INTAKE_FIRST_MS || heard === 0) return undefined
    return { heard: heard / ms, kept: windows.reduce((sum, { kept }) => sum + kept, 0) / ms }
  }

  #turn(): void {
    const now = this.#clock.monotonic()
    const ms = now - this.#current.since
    if (ms < INTAKE_WINDOW_MS) return
    // One that has ended long ago says nothing of the present.
    this.#before = ms < 2 * INTAKE_WINDOW_MS ? this.#current : undefined
    this.#current = { since: now, heard: 0, kept: 0 }
  }
}

/**
 * How long a box stays that this node keeps, ms, where `maxBoxes` fit and boxes go on coming at this rate: its lifetime at
 * most. As the farthest go first, those near to this node stay longer, the others not as long.
 */
export function retentionMs(
  rate: IntakeRate,
  maxBoxes: number,
  { hotMs, ttlMs }: { readonly hotMs: number; readonly ttlMs: number },
): number {
  const left = maxBoxes - rate.heard * hotMs
  if (left <= 0) return maxBoxes / rate.heard
  return rate.kept === 0 ? hotMs : Math.min(ttlMs, hotMs + left / rate.kept)
}
