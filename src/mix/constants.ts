// Specification.

/** Slots of a cycle at least: with one slot per cycle every slot would publish and none could fetch. */
export const PUBLISH_EVERY_MIN = 2

// Implementation.

/** How long before its moment a box is filled: one synced write and one signature, with room, ms. */
export const PREPARE_LEAD_MS = 60
/** Resolution of the wall clock. */
export const CLOCK_STEP_MS = 1
/** Look-ups under way at once: a slow keeper must not eat all slots, nor may requests pile up. */
export const FETCHES_MAX = 4
