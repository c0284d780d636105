import { hash } from 'node:crypto'
import type { IdempotencyKey } from '../node-api.ts'

/** JSON with sorted member names, so that equal params have equal bytes. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`)
  return `{${members.join(',')}}`
}

/** The record of a call with a key: SHA-256 over the method and the params as sent, without the key. */
export function idempotencyOf(
  scope: string,
  method: string,
  params: Readonly<Record<string, unknown>>,
): IdempotencyKey | undefined {
  const { idempotencyKey: key, ...rest } = params
  if (typeof key !== 'string') return undefined
  // A method name has no line break, so the two parts cannot be cut elsewhere.
  const requestHash = new Uint8Array(hash('sha256', `${method}\n${canonicalJson(rest)}`, 'buffer'))
  return { scope, key, requestHash }
}
