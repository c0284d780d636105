/** Longer than a clean stop takes; a stop that hangs must not leave a daemon that answers nobody. */
export const STOP_DEADLINE_MS = 15_000
/** Whoever stops a daemon gives it its own time, and a little more to end. */
export const STOP_GRACE_MS = STOP_DEADLINE_MS + 5_000
