/**
 * By itself V8 collects old objects when they are four times what was left of them: a crowd of short connections then
 * holds 100 MB that nobody needs. A daemon sets it once more, for those that are started without: a unit from before.
 */
export const HEAP_GROWTH = '--heap-growing-percent=40'

/**
 * With which a daemon is started; the launcher has a copy. A node allocates little at a time, so a small young
 * generation saves 50 MB at no cost.
 */
export const V8_FLAGS = ['--max-semi-space-size=2', HEAP_GROWTH] as const
