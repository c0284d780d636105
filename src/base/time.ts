export const MINUTE_MS = 60_000
export const HOUR_MS = 3_600_000
export const DAY_MS = 86_400_000

/** Days since 1970 UTC of a wall clock time in milliseconds: the day by which boxes are placed and expire. */
export function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS)
}
