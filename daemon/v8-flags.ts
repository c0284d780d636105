/**
 * With which a daemon is started; the launcher has a copy. A node allocates little at a time, so a small young
 * generation saves 50 MB at no cost.
 */
export const V8_FLAGS = ['--max-semi-space-size=2'] as const
