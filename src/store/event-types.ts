import { HearsayError } from '../base/index.ts'

const PATTERN = /^[a-z][a-zA-Z0-9.-]{0,63}(\.\*)?$/
const MAX_TYPES = 64

/**
 * Tells the events of the given types: a whole name, or `message.*` for all that begin with `message.`.
 * None means all. @throws HearsayError `bad-value`.
 */
export function typeFilter(types?: readonly string[]): (type: string) => boolean {
  if (types === undefined) return () => true
  if (types.length > MAX_TYPES || !types.every((type) => PATTERN.test(type))) {
    throw new HearsayError('bad-value', 'not a list of event types')
  }
  const names = new Set(types.filter((type) => !type.endsWith('.*')))
  const prefixes = types.filter((type) => type.endsWith('.*')).map((type) => type.slice(0, -1))
  return (type) => names.has(type) || prefixes.some((prefix) => type.startsWith(prefix))
}
