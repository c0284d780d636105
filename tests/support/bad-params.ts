import { paramsSchema } from '../../rpc/schema/openrpc.ts'
import { REGISTRY } from '../../rpc/schema/registry.ts'
import type { JsonObject, JsonValue } from '../../src/store/index.ts'

export interface BadParams {
  /** What is wrong, for the name of the test. */
  readonly fault: string
  /** JSON text of the params, because `__proto__` and lone surrogates exist only there. */
  readonly text: string
}

const VALUES: readonly JsonValue[] = [null, true, -1, 1.5, 'a\u0000b', '', [], {}, [[]], { a: 1 }]

/** Params that the method's own schema excludes, made from that schema. */
export function badParams(method: string): BadParams[] {
  const definition = REGISTRY.get(method)
  if (definition === undefined) throw new Error(`no method ${method}`)
  const { properties, required } = paramsSchema(definition)
  const good = definition.example.params
  const bad: BadParams[] = []
  const add = (fault: string, params: JsonObject) =>
    bad.push({ fault, text: JSON.stringify(params) })

  for (const name of required) {
    const { [name]: _, ...rest } = good
    add(`${name} is missing`, rest)
  }
  add('an unknown member', { ...good, unknown: 1 })
  add('a member in the wrong case', { ...good, LIMIT: 1, Limit: 1 })
  for (const [name, schema] of Object.entries(properties)) {
    for (const value of VALUES) {
      if (!mayFit(schema, value))
        add(`${name} is ${JSON.stringify(value)}`, { ...good, [name]: value })
    }
    for (const [what, value] of beyondBounds(schema)) {
      add(`${name} is ${what}`, { ...good, [name]: value })
    }
    bad.push({ fault: `${name} has half a surrogate pair`, text: withRaw(good, name, '"\\ud800"') })
    bad.push({ fault: `${name} is nested 1000 deep`, text: withRaw(good, name, deep(1_000)) })
    bad.push({ fault: `${name} is beyond double`, text: withRaw(good, name, '1e999') })
    bad.push({
      fault: `${name} has a prototype`,
      text: withRaw(good, name, '{"__proto__":{"x":1}}'),
    })
  }
  for (const poison of ['__proto__', 'constructor', 'prototype']) {
    bad.push({ fault: `a member ${poison}`, text: withRaw(good, poison, '{"polluted":true}') })
  }
  for (const text of ['[]', '[1]', 'null', '"x"', '1', 'true', deep(5_000)]) {
    bad.push({ fault: `params are ${text.slice(0, 8)}`, text })
  }
  return bad
}

/** Values one step outside what the schema says, and far outside. */
function beyondBounds(schema: JsonObject): [string, JsonValue][] {
  const out: [string, JsonValue][] = []
  const number = (field: string) => (typeof schema[field] === 'number' ? schema[field] : undefined)
  const maximum = number('maximum')
  const minimum = number('minimum')
  const maxLength = number('maxLength')
  const maxItems = number('maxItems')
  if (maximum !== undefined) out.push(['above its maximum', maximum + 1])
  if (minimum !== undefined) out.push(['below its minimum', minimum - 1])
  if (maxLength !== undefined) {
    out.push(['a character too long', 'a'.repeat(maxLength + 1)])
    out.push(['half a megabyte', 'a'.repeat(500_000)])
  }
  if (maxItems !== undefined) out.push(['an item too long', Array(maxItems + 1).fill('aaaa')])
  return out
}

/** Rough: whether the schema could accept the value. Doubt counts as yes, so nothing good is listed. */
function mayFit(schema: JsonObject, value: JsonValue): boolean {
  const { anyOf, type } = schema
  if (Array.isArray(anyOf)) return anyOf.some((each) => mayFit(each as JsonObject, value))
  if (type === undefined)
    return Array.isArray(schema['enum']) ? schema['enum'].includes(value) : true
  if (type === 'string') return typeof value === 'string' && fitsText(schema, value)
  if (type === 'boolean') return typeof value === 'boolean'
  if (type === 'integer')
    return Number.isInteger(value) && Number(value) >= Number(schema['minimum'] ?? -9)
  if (type === 'number') return typeof value === 'number'
  if (type === 'array') {
    return (
      Array.isArray(value) && value.length >= Number(schema['minItems'] ?? 0) && value.length === 0
    )
  }
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isObject && schema['properties'] === undefined
}

function fitsText(schema: JsonObject, value: string): boolean {
  if (value.length < Number(schema['minLength'] ?? 0)) return false
  if (Array.isArray(schema['enum'])) return schema['enum'].includes(value)
  if (schema['const'] !== undefined) return schema['const'] === value
  if (typeof schema['pattern'] === 'string') return new RegExp(schema['pattern'], 'u').test(value)
  return true
}

function withRaw(good: JsonObject, name: string, raw: string): string {
  const { [name]: _, ...rest } = good
  const body = JSON.stringify(rest).slice(1, -1)
  return `{${body}${body === '' ? '' : ','}${JSON.stringify(name)}:${raw}}`
}

function deep(levels: number): string {
  return '['.repeat(levels) + ']'.repeat(levels)
}
