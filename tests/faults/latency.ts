import { percentiles } from '../../daemon/testnet/index.ts'
import type { History } from './history.ts'
import type { Span } from './rates.ts'

/** Milliseconds that each took. */
export interface Latencies {
  /** Of `messages.send`, from the call to the answer. */
  readonly calls: readonly number[]
  /** From an event to the client of a durable consumer. */
  readonly deliveries: readonly number[]
}

export interface LatencyOptions extends Span {
  readonly node: number
  /** From one call of a sender to its next, milliseconds. */
  readonly everyMs: number
}

/** Fewer show nothing of one in a hundred. */
const ENOUGH = 100
/** Whoever is answered within this time is not disturbed, however quick it was before. */
const UNNOTICED_MS = 250
const FACTOR = 2

/**
 * What the users of one node waited for. A sender makes no call while it waits for one: those that it would have made then have
 * waited too, and count, or one long stop would be one call among hundreds.
 */
export function latencies(
  { sends, events }: Pick<History, 'sends' | 'events'>,
  { node, from, to, everyMs }: LatencyOptions,
): Latencies {
  const calls: number[] = []
  for (const { from: sender, calledAt, acceptedAt } of sends) {
    if (sender !== node || calledAt < from || calledAt >= to) continue
    for (let ms = (acceptedAt ?? to) - calledAt; ms > 0; ms -= everyMs) calls.push(ms)
  }
  const deliveries = events.flatMap((event) =>
    event.node === node && event.at >= from && event.at < to ? (event.tookMs ?? []) : [],
  )
  return { calls, deliveries }
}

export interface Comparison {
  readonly late: readonly string[]
  readonly unsure: readonly string[]
}

/** Where others waited longer with `what` than before it: one in a hundred for more than twice as long, and noticeably. */
export function compare(before: Latencies, during: Latencies, what: string): Comparison {
  const late: string[] = []
  const unsure: string[] = []
  for (const name of ['calls', 'deliveries'] as const) {
    const [{ p99: was }, { p99: is }] = [percentiles(before[name]), percentiles(during[name])]
    const samples = Math.min(before[name].length, during[name].length)
    if (samples < ENOUGH || was === null || is === null) {
      unsure.push(`too few ${name} of others with ${what}, or before it`)
    } else if (is > Math.max(FACTOR * was, UNNOTICED_MS)) {
      late.push(`with ${what} the ${name} of others take ${is} ms at p99, and ${was} ms before it`)
    }
  }
  return { late, unsure }
}

/** `12 / 40 ms`: half of them, and 99 of a hundred. */
export function latencyText(all: readonly number[]): string {
  const { p50, p99 } = percentiles(all)
  return `${p50 ?? '-'} / ${p99 ?? '-'} ms`
}
