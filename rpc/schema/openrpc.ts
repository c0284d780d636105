import { z } from 'zod'
import type { JsonObject } from '../../src/store/index.ts'
import { API_VERSION } from '../constants.ts'
import { RPC_ERRORS, type RpcErrorName } from '../errors.ts'
import type { MethodDefinition } from './define.ts'
import { REGISTRY } from './registry.ts'

export interface ObjectSchema {
  readonly properties: Readonly<Record<string, JsonObject>>
  readonly required: readonly string[]
}

/** JSON Schema (draft 7) of the params, as a client sends them. */
export function paramsSchema(definition: MethodDefinition): ObjectSchema {
  const schema = z.toJSONSchema(definition.params, { target: 'draft-7', io: 'input' })
  return {
    properties: (schema.properties ?? {}) as Readonly<Record<string, JsonObject>>,
    required: schema.required ?? [],
  }
}

/** JSON Schema (draft 7) of the result. */
export function resultSchema(definition: MethodDefinition): JsonObject {
  const { $schema: _, ...schema } = z.toJSONSchema(definition.result, {
    target: 'draft-7',
    io: 'input',
  })
  return schema as JsonObject
}

/** Errors that any method may answer, beside its own. */
export const COMMON_ERRORS: readonly RpcErrorName[] = ['INVALID_PARAMS', 'FORBIDDEN', 'INTERNAL']

let document: JsonObject | undefined

/** The OpenRPC document of the registry; the same object every time. */
export function openRpcDocument(): JsonObject {
  document ??= {
    openrpc: '1.3.2',
    info: {
      title: 'Hearsay',
      version: API_VERSION,
      description: 'JSON-RPC 2.0 over a unix socket, HTTP and WebSocket. See docs/rpc.md.',
      license: { name: 'MIT OR Apache-2.0' },
    },
    methods: [...REGISTRY.values()].map(methodObject),
  }
  return document
}

function methodObject(definition: MethodDefinition): JsonObject {
  const { properties, required } = paramsSchema(definition)
  // OpenRPC wants required params first.
  const names = Object.keys(properties).sort(
    (a, b) => Number(required.includes(b)) - Number(required.includes(a)),
  )
  const { params, result } = definition.example
  return {
    name: definition.name,
    summary: definition.summary,
    paramStructure: 'by-name',
    params: names.map((name) => ({
      name,
      required: required.includes(name),
      schema: properties[name] ?? {},
    })),
    result: { name: 'result', schema: resultSchema(definition) },
    errors: [...COMMON_ERRORS, ...definition.errors].map((name) => ({
      code: RPC_ERRORS[name].code,
      message: RPC_ERRORS[name].message,
      data: { name },
    })),
    examples: [
      {
        name: definition.name,
        params: Object.entries(params).map(([name, value]) => ({ name, value })),
        result: { name: 'result', value: result },
      },
    ],
    'x-scope': definition.scope,
    'x-mutation': definition.mutation,
  }
}
