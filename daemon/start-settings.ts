/**
 * With which a daemon is started; the launcher has a copy. A node allocates little at a time, so a small young
 * generation saves 50 MB at no cost.
 */
export const V8_FLAGS = ['--max-semi-space-size=2'] as const

/**
 * What a daemon's environment has where the user's does not say otherwise; the launcher has a copy, and a systemd unit what was
 * in force when it was written. glibc gives threads up to 16 arenas on two cores, and what is freed in one is of no use to
 * another: a node that keeps boxes at the full rate of a network held 25 MB more after ten minutes. Other C libraries do not
 * look at it.
 */
export const MALLOC_SETTINGS = { MALLOC_ARENA_MAX: '1' } as const
