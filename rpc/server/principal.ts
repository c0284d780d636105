import type { Scope } from '../schema/scopes.ts'

/** Who calls. `id` is also the scope of idempotency keys. */
export interface Principal {
  readonly id: string
  readonly scopes: ReadonlySet<Scope>
}

/**
 * The owner of the home: whoever opens the unix socket or reads the cookie file. One id for both, so that
 * a mutation repeated over the other transport is still the same mutation.
 */
export const OWNER: Principal = { id: 'owner', scopes: new Set<Scope>(['admin']) }

/** `admin` may do everything; a method without a scope is open to every authenticated caller. */
export function allows(principal: Principal, scope: Scope | null): boolean {
  return scope === null || principal.scopes.has('admin') || principal.scopes.has(scope)
}
