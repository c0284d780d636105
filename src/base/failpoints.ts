/**
 * The moments at which a stop leaves a state that no other one does. Receipt: the answer to a mutation that has a key.
 * Ratchet: a step of a send group.
 */
export const FAILPOINTS = [
  /** Nothing of a group of batches is on disk. */
  'before-batch',
  /** All of it is durable, and nobody has been told. */
  'after-batch',
  /** The effect is durable, and its caller does not know. */
  'before-receipt',
  /** The answer is out, and the record of its key not final yet. */
  'after-receipt',
  /** The stream index is spent, and its box only in memory. */
  'send-sealed',
  /** The box is out, and not recorded as such. */
  'send-left',
  /** A box is open, and its records only in memory. */
  'receive-opened',
  /** The records are durable, and have not taken effect. */
  'receive-stored',
  /** The next state of a group is computed, and in no batch. */
  'ratchet-computed',
  /** It is durable, and the stream has not moved there. */
  'ratchet-stored',
] as const

export type FailpointName = (typeof FAILPOINTS)[number]

/** Tests inject it to stop a node at a named moment. Never part of a node that ships. */
export interface Failpoints {
  /** Returns, or stops the machine: nothing that is done after it takes effect then. */
  reach(name: FailpointName): void
}
