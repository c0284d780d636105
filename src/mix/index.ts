/**
 * mix: when boxes leave and old ones are asked for. In this first form a node publishes its own boxes and
 * asks keepers directly, behind the ports (`PublishPort`, `FetchPort`) that routes will implement.
 * Called by node; never touches the network or a key itself. See SPEC.md.
 */
export type { FetchJob, FetchPort, FetchResult, PublishPort, SlotWork } from './ports.ts'
export { cycleOf, slotAt, slotStart } from './schedule.ts'
export type { Cycle, SlotGrid } from './schedule.ts'
export { SlotClock } from './slot-clock.ts'
export type { SlotClockOptions, SlotClockPorts } from './slot-clock.ts'
