import { EXIT, ExitError } from '../exit-codes.ts'

const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/

/** `1.5s`, `2m`, `24h`, `500ms`; a bare number is seconds. In milliseconds. @throws ExitError 2. */
export function parseDuration(text: string): number {
  const match = DURATION.exec(text)
  if (match === null) {
    throw new ExitError(
      EXIT.usage,
      `"${text}" is not a duration`,
      'write 500ms, 30s, 5m, 24h or 7d',
    )
  }
  return Math.round(Number(match[1]) * UNIT_MS[(match[2] ?? 's') as keyof typeof UNIT_MS])
}

/** One or two units, for people: `850 ms`, `2.4 s`, `3 min`, `5 h`, `2 d`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`
  if (ms < 2 * UNIT_MS.h) return `${Math.round(ms / UNIT_MS.m)} min`
  if (ms < 2 * UNIT_MS.d) return `${Math.round(ms / UNIT_MS.h)} h`
  return `${Math.round(ms / UNIT_MS.d)} d`
}

/** `850 B`, `12.3 MB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}

/** The form that the RPC takes: whole seconds as a number, else milliseconds with their unit. */
export function rpcDuration(text: string): number | string {
  const ms = parseDuration(text)
  if (ms < 1) throw new ExitError(EXIT.usage, `"${text}" is not a positive duration`)
  return ms % 1000 === 0 ? ms / 1000 : `${ms}ms`
}
