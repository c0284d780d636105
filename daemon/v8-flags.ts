/**
 * With which a daemon is started; the launcher has a copy. A node allocates little at a time, so a small young
 * generation saves 50 MB at no cost. By itself V8 lets the old one grow to several times what lives in it before it
 * collects: over an hour a node grew by 200 MB of garbage.
 */
export const V8_FLAGS = ['--max-semi-space-size=2', '--heap-growing-percent=40'] as const
