const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** Milliseconds of a validated duration: a number of seconds, or digits and one unit. */
export function durationMs(duration: string | number): number {
  if (typeof duration === 'number') return duration * 1_000
  const unit = duration.replace(/^\d+/, '')
  return Number.parseInt(duration, 10) * (UNIT_MS[unit] ?? 1)
}

/** `rest` with `ttlMs` when a `ttl` was given. */
export function withTtlMs<T extends object>(
  rest: T,
  ttl: string | number | undefined,
): T & { ttlMs?: number } {
  return ttl === undefined ? rest : { ...rest, ttlMs: durationMs(ttl) }
}
