/**
 * With which a daemon is started; the launcher has a copy. A node allocates little at a time, so a small young
 * generation saves 50 MB at no cost. It runs for weeks, so every function of it is called often enough one day to be compiled:
 * for hours its code grew with it, 4 MB by the first of them. Without the two quick compilers only what is hot is, 6 MB less
 * of code at the full rate of a network, for the same processor time.
 */
export const V8_FLAGS = ['--max-semi-space-size=2', '--no-maglev', '--no-sparkplug'] as const

/**
 * What a daemon's environment has where the user's does not say otherwise; the launcher has a copy, and a systemd unit what was
 * in force when it was written. glibc gives threads up to 16 arenas on two cores, and what is freed in one is of no use to
 * another: a node that keeps boxes at the full rate of a network held 25 MB more after ten minutes. Its threshold for memory
 * that goes back at once rises up to 32 MB by itself: what lives long lies among what does not then, and the heap keeps the size
 * of its worst moment. Fixed, it is 8 MB smaller after ten minutes. Other C libraries do not look at these.
 */
export const MALLOC_SETTINGS = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '32768',
  MALLOC_TRIM_THRESHOLD_: '65536',
} as const
