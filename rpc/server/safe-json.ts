import { MAX_DEPTH } from '../constants.ts'
import type { Issue } from '../rpc-error.ts'

// A handler that copies such a member into an object would change its prototype.
const FORBIDDEN_NAMES = new Set(['__proto__', 'constructor', 'prototype'])

/**
 * The first thing in parsed JSON that no handler may see: a prototype name, nesting beyond MAX_DEPTH, a
 * string with half a surrogate pair (it would change on its way through UTF-8), a number beyond double.
 */
export function unsafeJson(value: unknown, path = '', depth = 0): Issue | undefined {
  if (typeof value === 'string') {
    return value.isWellFormed() ? undefined : { path, message: 'not well-formed Unicode' }
  }
  if (typeof value === 'number') {
    return Number.isFinite(value) ? undefined : { path, message: 'number out of range' }
  }
  if (typeof value !== 'object' || value === null) return undefined
  if (depth >= MAX_DEPTH) return { path, message: `nested deeper than ${MAX_DEPTH}` }
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const issue = unsafeJson(value[i], join(path, String(i)), depth + 1)
      if (issue !== undefined) return issue
    }
    return undefined
  }
  for (const [name, member] of Object.entries(value)) {
    if (FORBIDDEN_NAMES.has(name)) return { path, message: 'forbidden member name' }
    if (!name.isWellFormed()) return { path, message: 'not well-formed Unicode' }
    const issue = unsafeJson(member, join(path, name), depth + 1)
    if (issue !== undefined) return issue
  }
  return undefined
}

function join(path: string, name: string): string {
  const next = path === '' ? name : `${path}.${name}`
  return next.length > 128 ? path : next
}
