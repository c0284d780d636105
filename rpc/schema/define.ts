import { z } from 'zod'
import type { JsonObject } from '../../src/store/index.ts'
import type { RpcErrorName } from '../errors.ts'
import { idempotencyKey } from './shapes.ts'
import type { Scope } from './scopes.ts'

export interface Example {
  readonly params: JsonObject
  readonly result: JsonObject
}

/** One method of the API: the source of validation, client types, OpenRPC and the reference. */
export interface MethodDefinition<
  Name extends string = string,
  Params extends z.ZodType = z.ZodType,
  Result extends z.ZodType = z.ZodType,
> {
  readonly name: Name
  readonly summary: string
  /** Strict: a member that is not listed is an error. */
  readonly params: Params
  /** Open: a later release may add members. */
  readonly result: Result
  readonly errors: readonly RpcErrorName[]
  readonly scope: Scope | null
  readonly mutation: boolean
  readonly example: Example
}

interface Definition<Name extends string, Shape extends z.ZodRawShape, Result extends z.ZodType> {
  readonly name: Name
  readonly summary: string
  readonly params: Shape
  readonly result: Result
  readonly errors?: readonly RpcErrorName[]
  readonly scope: Scope | null
  readonly example: Example
}

/** A method without effect on the node's data. */
export function query<
  const Name extends string,
  Shape extends z.ZodRawShape,
  Result extends z.ZodType,
>(definition: Definition<Name, Shape, Result>) {
  return {
    ...definition,
    params: z.strictObject(definition.params),
    errors: definition.errors ?? [],
    mutation: false,
  } satisfies MethodDefinition
}

/** A method with a durable effect: it takes `idempotencyKey` and may answer `replayed: true`. */
export function mutation<
  const Name extends string,
  Shape extends z.ZodRawShape,
  Result extends z.ZodRawShape,
>(definition: Omit<Definition<Name, Shape, z.ZodType>, 'result'> & { readonly result: Result }) {
  return {
    ...definition,
    params: z.strictObject({ ...definition.params, idempotencyKey }),
    result: z.object({
      ...definition.result,
      replayed: z
        .literal(true)
        .exactOptional()
        .describe('the key had been used: nothing was done now'),
    }),
    errors: [
      ...(definition.errors ?? []),
      'IDEMPOTENCY_CONFLICT',
      'NOT_READY',
      'STORAGE_FULL',
      'STORAGE_READONLY',
    ] as readonly RpcErrorName[],
    mutation: true,
  } satisfies MethodDefinition
}
