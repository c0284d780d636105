import type { z } from 'zod'
import { configMethods } from './config.ts'
import { contactsMethods } from './contacts.ts'
import { dbMethods } from './db.ts'
import type { MethodDefinition } from './define.ts'
import { eventsMethods } from './events.ts'
import { hooksMethods } from './hooks.ts'
import { identityMethods } from './identity.ts'
import { messagesMethods } from './messages.ts'
import { networkMethods } from './network.ts'
import { nodeMethods } from './node.ts'
import { outboxMethods } from './outbox.ts'
import { peersMethods } from './peers.ts'
import { rpcMethods } from './rpc.ts'

const ALL = [
  ...rpcMethods,
  ...nodeMethods,
  ...identityMethods,
  ...networkMethods,
  ...peersMethods,
  ...contactsMethods,
  ...messagesMethods,
  ...outboxMethods,
  ...eventsMethods,
  ...hooksMethods,
  ...configMethods,
  ...dbMethods,
] as const

type Definitions = { [D in (typeof ALL)[number] as D['name']]: D }

export type MethodName = keyof Definitions
/** What a client sends: defaults may be left out. */
export type ParamsOf<Name extends MethodName> = z.input<Definitions[Name]['params']>
/** What a handler gets: defaults filled in, without the idempotency key. */
export type HandlerParams<Name extends MethodName> = Omit<
  z.output<Definitions[Name]['params']>,
  'idempotencyKey'
>
export type ResultOf<Name extends MethodName> = z.output<Definitions[Name]['result']>

/** All methods in the order of the reference. A Map, so that no method is named `constructor`. */
export const REGISTRY: ReadonlyMap<string, MethodDefinition & { readonly name: MethodName }> =
  new Map(ALL.map((definition) => [definition.name, definition]))
