/** Types of complete-lock.mjs, which stays plain JavaScript so that an old Node can run it. */
export interface Platform {
  readonly os: readonly string[]
  readonly cpu: readonly string[]
  readonly libc?: readonly string[]
}
export function platformOf(name: string): Platform | undefined
export function completeLock(lock: { packages: Record<string, object> }): string[]
export function unpinned(lock: { packages: Record<string, object> }): string[]
